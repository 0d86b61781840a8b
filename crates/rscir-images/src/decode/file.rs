use std::path::Path;

use rscir_core::Decoding;
use rscir_core::files::read_bounded;

use super::{DecodeLimits, decode, decode_bands};
use crate::{Error, Result};
use rscir_core::{BandImage, Channels, RgbImage};

/// Reads a regular file and decodes its image as [`decode`] does.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read. [`Error::File`] if it is a pipe, a device or a folder, or has more than
/// [`DecodeLimits::max_bytes`] bytes. [`Error::Image`] with the path if the image cannot be decoded.
pub fn decode_file(path: impl AsRef<Path>, decoding: &Decoding, limits: &DecodeLimits) -> Result<RgbImage> {
    let path = path.as_ref();
    let bytes = read_bounded(path, limits.max_bytes)?;
    decode(&bytes, decoding, limits).map_err(|source| of_file(path, source))
}

/// Reads a regular file and decodes its image into bands as [`decode_bands`] does.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] as for [`decode_file`]. [`Error::Image`] with the path and an error of
/// [`decode_bands`] if the image cannot be decoded into these bands.
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
