//! 8-bit copies of a segment's rows, beside it: derived data that can be made again.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use rscir_core::{QuantizedPart, QuantizedRun};
use rscir_kernels::CodedRows;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::digest::{Digest, Hasher};
use crate::disk::segment::{MAX_HEADER, Tensors};
use crate::int8::RowCodes;
use crate::storage::Bytes;
use crate::{Error, Result};

/// Where the integers begin in the file is a multiple of this: a cache line, and the widest vector register.
const ALIGNMENT: usize = 64;

/// Bytes that are hashed before their memory is let go of.
const CHECKED_AT_ONCE: usize = 4 << 20;

/// The last tensor: the SHA-256 of all bytes before it.
const CHECKSUM: usize = 32;

/// Writes the 8-bit rows of a segment. The bytes follow from the segment alone.
pub(crate) fn write(out: &mut dyn Write, segment: &Digest, rows: &RowCodes) -> io::Result<()> {
    let part = rows.part(&[]);
    let tensors: [(&str, Dtype, &[u8]); 6] = [
        ("longest", Dtype::F64, bytemuck::cast_slice(&part.longest)),
        ("center", Dtype::F32, bytemuck::cast_slice(part.center)),
        ("scales", Dtype::F32, bytemuck::cast_slice(part.scales)),
        ("residuals", Dtype::F32, bytemuck::cast_slice(part.residuals)),
        ("codes", Dtype::U8, part.codes),
        ("segment", Dtype::U8, segment.bytes()),
    ];
    let (mut infos, mut end, mut before_codes) = (Vec::new(), 0, 0);
    let checksum = ("sha256", Dtype::U8, &[0; CHECKSUM][..]);
    for (name, dtype, bytes) in tensors.into_iter().chain([checksum]) {
        if name == "codes" {
            before_codes = end;
        }
        let start = end;
        end += bytes.len();
        let shape = vec![bytes.len() / (dtype.bitsize() / 8)];
        infos.push((name.into(), TensorInfo { dtype, shape, data_offsets: (start, end) }));
    }
    let metadata = Metadata::new(None, infos).map_err(io::Error::other)?;
    let mut json = serde_json::to_vec(&metadata)?;
    // With an odd width the integers cannot be aligned, and `longest` must.
    let (ahead, alignment) =
        if before_codes.is_multiple_of(8) { (8 + before_codes, ALIGNMENT) } else { (8, 8) };
    json.resize((ahead + json.len()).next_multiple_of(alignment) - ahead, b' ');

    let mut hasher = Hasher::default();
    let length = (json.len() as u64).to_le_bytes();
    for bytes in [&length[..], &json].into_iter().chain(tensors.map(|(.., bytes)| bytes)) {
        hasher.update(bytes);
        out.write_all(bytes)?;
    }
    out.write_all(hasher.finish().bytes())
}

/// Bytes of the integers of so many rows. No segment has more rows than bytes.
fn codes_bytes(rows: usize, dim: usize) -> usize {
    rows.div_ceil(CodedRows::BLOCK) * CodedRows::block_bytes(dim)
}

/// The 8-bit rows of a segment, as they lie in their file.
#[derive(Debug)]
pub(crate) struct QuantizedFile {
    bytes: Bytes,
    longest: [f64; 3],
    center: Range<usize>,
    scales: Range<usize>,
    residuals: Range<usize>,
    codes: Range<usize>,
}

impl QuantizedFile {
    /// The most bytes that the file of a segment has.
    pub(crate) fn longest(rows: usize, dim: usize) -> u64 {
        let numbers = 3 * 8 + 4 * (dim + 2 * rows);
        MAX_HEADER + (numbers + codes_bytes(rows, dim) + 2 * CHECKSUM) as u64
    }

    /// Views the file of a segment of `rows` rows. Looks at the header alone.
    pub(crate) fn open(bytes: Bytes, path: &Path, segment: &Digest, rows: usize, dim: usize) -> Result<Self> {
        let tensors = Tensors::read(&bytes, path)?;
        let named = &bytes[tensors.find("segment", Dtype::U8, &[Some(32)])?];
        let checksum = tensors.find("sha256", Dtype::U8, &[Some(CHECKSUM)])?;
        if named != segment.bytes() || checksum.end != bytes.len() {
            return Err(Error::Damaged { path: path.into() });
        }
        let lengths: &[f64] = bytemuck::cast_slice(&bytes[tensors.find("longest", Dtype::F64, &[Some(3)])?]);
        let longest = lengths.try_into().map_err(|_| Error::Damaged { path: path.into() })?;
        Ok(Self {
            longest,
            center: tensors.find("center", Dtype::F32, &[Some(dim)])?,
            scales: tensors.find("scales", Dtype::F32, &[Some(rows)])?,
            residuals: tensors.find("residuals", Dtype::F32, &[Some(rows)])?,
            codes: tensors.find("codes", Dtype::U8, &[Some(codes_bytes(rows, dim))])?,
            bytes,
        })
    }

    /// Reads the whole file and refuses it if it is not what was written.
    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        let (content, checksum) = self.bytes.split_at(self.bytes.len().saturating_sub(CHECKSUM));
        let mut hasher = Hasher::default();
        for part in content.chunks(CHECKED_AT_ONCE) {
            hasher.update(part);
            self.bytes.release();
        }
        if hasher.finish().bytes() == checksum { Ok(()) } else { Err(Error::Damaged { path: path.into() }) }
    }

    pub(crate) fn part<'a>(&'a self, runs: &'a [QuantizedRun]) -> QuantizedPart<'a> {
        let floats = |range: &Range<usize>| bytemuck::cast_slice(&self.bytes[range.clone()]);
        QuantizedPart {
            center: floats(&self.center),
            codes: &self.bytes[self.codes.clone()],
            scales: floats(&self.scales),
            residuals: floats(&self.residuals),
            longest: self.longest,
            runs,
            first_row: 0,
        }
    }
}
