use std::path::Path;

use rscir_core::Decoding;
use rscir_core::files::read_bounded;

use super::{DecodeLimits, decode};
use crate::{Error, Result};
use rscir_core::RgbImage;

/// Decodes the image in a regular file within the limits, as an ingest does.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`] if the file cannot be read: a pipe or a device is not. [`Error::Image`] with the path
/// if it cannot be decoded.
pub fn decode_file(path: impl AsRef<Path>, decoding: &Decoding, limits: &DecodeLimits) -> Result<RgbImage> {
    let path = path.as_ref();
    let bytes = read_bounded(path, limits.max_bytes)?;
    decode(&bytes, decoding, limits)
        .map_err(|source| Error::Image { path: path.into(), source: Box::new(source) })
}
