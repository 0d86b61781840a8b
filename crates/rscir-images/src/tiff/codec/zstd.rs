//! Zstandard (RFC 8878), as libtiff has it.

use ruzstd::decoding::StreamingDecoder;

use crate::ImageProblem;
use crate::tiff::damaged;

/// The first `length` bytes; fewer where the stream ends early.
pub(super) fn expand(raw: &[u8], length: usize) -> Result<Vec<u8>, ImageProblem> {
    // Its buffer grows with what is decoded, up to the window that the frame asks for, which it limits to 128 MiB.
    super::first(raw.len(), length, StreamingDecoder::new(raw).map_err(|error| damaged(error.to_string()))?)
}
