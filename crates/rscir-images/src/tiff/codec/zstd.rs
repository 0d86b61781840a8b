//! Zstandard (RFC 8878), as libtiff writes it.

use ruzstd::decoding::StreamingDecoder;

use crate::ImageProblem;
use crate::tiff::damaged;

/// Decompresses the first `length` bytes. The result is shorter if the stream ends early.
pub(super) fn expand(raw: &[u8], length: usize) -> Result<Vec<u8>, ImageProblem> {
    // The decoder's buffer grows with the output, up to the window that the frame asks for. Windows of at most 128 MiB
    // are accepted.
    super::first(raw.len(), length, StreamingDecoder::new(raw).map_err(|error| damaged(error.to_string()))?)
}
