//! LZMA2 in the frame of xz, as libtiff has it.

use lzma_rust2::XzReader;

use crate::ImageProblem;

/// KiB of memory that a stream may ask for: what xz needs for its largest preset, with a dictionary of 64 MiB.
const MEMORY: u32 = 66 << 10;

/// The first `length` bytes; fewer where the stream ends early.
pub(super) fn expand(raw: &[u8], length: usize) -> Result<Vec<u8>, ImageProblem> {
    super::first(raw.len(), length, XzReader::new_mem_limit(raw, false, MEMORY))
}
