//! 8-bit copies of a segment's rows, in a file beside the segment that is derived from it and can be made again.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use rscir_core::{QuantizedPart, QuantizedRun};
use rscir_kernels::CodedRows;
use safetensors::tensor::Dtype;

use crate::digest::Digest;
use crate::disk::derived::{self, CHECKSUMS};
use crate::disk::segment::MAX_HEADER;
use crate::int8::RowCodes;
use crate::storage::{Bytes, Reading};
use crate::{Error, Result};

/// Writes the 8-bit rows of a segment. Equal segments give equal bytes.
pub(crate) fn write(out: &mut dyn Write, segment: &Digest, rows: &RowCodes) -> io::Result<()> {
    let part = rows.part(&[]);
    let tensors = [
        ("longest", Dtype::F64, bytemuck::cast_slice(&part.longest)),
        ("center", Dtype::F32, bytemuck::cast_slice(part.center)),
        ("scales", Dtype::F32, bytemuck::cast_slice(part.scales)),
        ("residuals", Dtype::F32, bytemuck::cast_slice(part.residuals)),
        ("codes", Dtype::U8, part.codes),
    ];
    derived::write(out, segment, &tensors, "codes")
}

/// Returns the number of bytes of the integers of `rows` rows. It fits, because no segment has more rows than
/// bytes.
fn codes_bytes(rows: usize, dim: usize) -> usize {
    rows.div_ceil(CodedRows::BLOCK) * CodedRows::block_bytes(dim)
}

/// The 8-bit rows of a segment in their file.
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
    /// Returns the largest number of bytes that the file of a segment can have.
    pub(crate) fn longest(rows: usize, dim: usize) -> u64 {
        let numbers = 3 * 8 + 4 * (dim + 2 * rows);
        MAX_HEADER + (numbers + codes_bytes(rows, dim) + CHECKSUMS) as u64
    }

    /// Opens the file of a segment of `rows` rows. Reads only its header.
    pub(crate) fn open(bytes: Bytes, path: &Path, segment: &Digest, rows: usize, dim: usize) -> Result<Self> {
        let tensors = derived::view(&bytes, path, segment)?;
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

    /// Tells the system that the integers will be read from first to last, and to fetch the values that belong to
    /// them.
    pub(crate) fn expect_pass(&self) {
        self.bytes.expect(Reading::InOrder, self.codes.clone());
        for range in [&self.scales, &self.residuals] {
            self.bytes.expect(Reading::Soon, range.clone());
        }
    }

    /// Reads the whole file and compares it with its checksum.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it differs.
    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        derived::check(&self.bytes, path)
    }

    /// Returns the 8-bit rows. `runs` tell which rows of the archive they are.
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
