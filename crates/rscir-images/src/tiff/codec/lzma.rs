//! LZMA2 in the frame of xz, as libtiff writes it.

use lzma_rust2::XzReader;

use crate::ImageProblem;

/// KiB of memory that a stream may ask for. The largest preset of xz, with a dictionary of 64 MiB, needs so much.
const MEMORY: u32 = 66 << 10;

/// Decompresses the first `length` bytes. The result is shorter if the stream ends early.
pub(super) fn expand(raw: &[u8], length: usize) -> Result<Vec<u8>, ImageProblem> {
    super::first(raw.len(), length, XzReader::new_mem_limit(raw, false, MEMORY))
}
