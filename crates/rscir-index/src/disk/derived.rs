//! Files beside a segment that are derived from it and can be made again: safetensors files whose last two
//! tensors are the segment's checksum and the file's own.

use std::io::{self, Write};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::digest::{Digest, Hasher};
use crate::disk::segment::Tensors;
use crate::storage::{Bytes, Reading};
use crate::{Error, Result};

/// The aligned tensor begins in the file at a multiple of this: a cache line, which is also the widest vector
/// register.
const ALIGNMENT: usize = 64;

/// Bytes that are hashed before their memory is released.
const CHECKED_AT_ONCE: usize = 4 << 20;

/// Bytes of the last tensor: the SHA-256 of all bytes before it.
const CHECKSUM: usize = 32;

/// Bytes of the last two tensors together.
pub(crate) const CHECKSUMS: usize = 2 * CHECKSUM;

/// Name, number format and bytes of a tensor that is written into a file.
pub(crate) type DerivedTensor<'a> = (&'a str, Dtype, &'a [u8]);

/// Writes the tensors that were derived from a segment, whose elements have descending sizes. The tensor
/// `aligned` begins a cache line. Equal arguments give equal bytes.
pub(crate) fn write(
    out: &mut dyn Write,
    segment: &Digest,
    tensors: &[DerivedTensor<'_>],
    aligned: &str,
) -> io::Result<()> {
    let named: DerivedTensor<'_> = ("segment", Dtype::U8, segment.bytes());
    let tensors = || tensors.iter().chain([&named]);
    let checksum: DerivedTensor<'_> = ("sha256", Dtype::U8, &[0; CHECKSUM]);
    let (mut infos, mut end, mut before_aligned) = (Vec::new(), 0, 0);
    for &(name, dtype, bytes) in tensors().chain([&checksum]) {
        if name == aligned {
            before_aligned = end;
        }
        let start = end;
        end += bytes.len();
        let shape = vec![bytes.len() / (dtype.bitsize() / 8)];
        infos.push((name.into(), TensorInfo { dtype, shape, data_offsets: (start, end) }));
    }
    let metadata = Metadata::new(None, infos).map_err(io::Error::other)?;
    let mut json = serde_json::to_vec(&metadata)?;
    // The data begin at a multiple of 8, for tensors of 8-byte elements. If `aligned` lies an odd multiple of 4
    // bytes behind, it cannot begin a cache line as well.
    let (ahead, alignment) =
        if before_aligned.is_multiple_of(8) { (8 + before_aligned, ALIGNMENT) } else { (8, 8) };
    json.resize((ahead + json.len()).next_multiple_of(alignment) - ahead, b' ');

    let mut hasher = Hasher::default();
    let length = (json.len() as u64).to_le_bytes();
    for bytes in [&length[..], &json].into_iter().chain(tensors().map(|&(.., bytes)| bytes)) {
        hasher.update(bytes);
        out.write_all(bytes)?;
    }
    out.write_all(hasher.finish().bytes())
}

/// Reads the header of a file that was derived from `segment`. Reads only the first and the last page.
///
/// # Errors
/// [`Error::Damaged`] if the file names another segment or continues after its checksum; the errors of
/// [`Tensors::read`] and [`Tensors::find`].
pub(crate) fn view<'a>(bytes: &Bytes, path: &'a Path, segment: &Digest) -> Result<Tensors<'a>> {
    bytes.expect(Reading::Scattered, 0..bytes.len());
    let tensors = Tensors::read(bytes, path)?;
    let named = &bytes[tensors.find("segment", Dtype::U8, &[Some(32)])?];
    let checksum = tensors.find("sha256", Dtype::U8, &[Some(CHECKSUM)])?;
    if named != segment.bytes() || checksum.end != bytes.len() {
        return Err(Error::Damaged { path: path.into() });
    }
    Ok(tensors)
}

/// Reads the whole file and compares it with its checksum.
///
/// # Errors
/// [`Error::Damaged`] if it differs.
pub(crate) fn check(bytes: &Bytes, path: &Path) -> Result<()> {
    bytes.expect(Reading::InOrder, 0..bytes.len());
    let (content, checksum) = bytes.split_at(bytes.len().saturating_sub(CHECKSUM));
    let mut hasher = Hasher::default();
    for part in content.chunks(CHECKED_AT_ONCE) {
        hasher.update(part);
        bytes.release();
    }
    if hasher.finish().bytes() == checksum { Ok(()) } else { Err(Error::Damaged { path: path.into() }) }
}
