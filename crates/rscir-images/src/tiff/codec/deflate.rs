//! Deflate in zlib's frame (Adobe's technical note 8; RFC 1950).

use flate2::bufread::ZlibDecoder;

use crate::ImageProblem;

/// The most bytes that a byte of a deflate stream can stand for: two bits can stand for 258 (RFC 1951, section 3.2.5).
pub(super) const RATIO: u64 = 1032;

/// Decompresses the first `length` bytes. The result is shorter if the stream ends early.
pub(super) fn expand(raw: &[u8], length: usize) -> Result<Vec<u8>, ImageProblem> {
    super::first(raw.len(), length, ZlibDecoder::new(raw))
}
