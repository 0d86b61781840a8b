use std::path::Path;

use rscir_core::Decoding;
use rscir_core::files::read_bounded;

use super::{DecodeLimits, decode, decode_bands};
use crate::{Error, Result};
use rscir_core::{BandImage, Channels, RgbImage};

/// Decodes the image in a regular file within the limits, as an ingest does.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`] if the file cannot be read: a pipe or a device is not. [`Error::Image`] with the path
/// if it cannot be decoded.
pub fn decode_file(path: impl AsRef<Path>, decoding: &Decoding, limits: &DecodeLimits) -> Result<RgbImage> {
    let path = path.as_ref();
    let bytes = read_bounded(path, limits.max_bytes)?;
    decode(&bytes, decoding, limits).map_err(|source| of_file(path, source))
}

/// Decodes the image in a regular file into bands, as an ingest does for an encoder of these channels.
///
/// # Errors
/// As [`decode_file`], of [`decode_bands`].
pub fn decode_bands_file(
    path: impl AsRef<Path>,
    decoding: &Decoding,
    limits: &DecodeLimits,
    channels: Channels,
) -> Result<BandImage> {
    let path = path.as_ref();
    let bytes = read_bounded(path, limits.max_bytes)?;
    decode_bands(&bytes, decoding, limits, channels).map_err(|source| of_file(path, source))
}

fn of_file(path: &Path, source: Error) -> Error {
    Error::Image { path: path.into(), source: Box::new(source) }
}
