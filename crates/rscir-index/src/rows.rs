use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rscir_core::{Precision, QuantizedRun};

use crate::Result;

/// Consecutive rows in the number format of their archive, row-major `[n, dim]`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum StoredRows<'a> {
    /// IEEE 754 binary32.
    F32(&'a [f32]),
    /// bfloat16.
    Bf16(&'a [bf16]),
    /// IEEE 754 binary16.
    F16(&'a [f16]),
    /// 8-bit integers; a value is `values[i * dim + j] * scales[i]`.
    I8 {
        /// Integers from -127 to 127, `[n, dim]`.
        values: &'a [i8],
        /// Factor of each row, `[n]`.
        scales: &'a [f32],
    },
}

impl<'a> StoredRows<'a> {
    /// Returns the rows in the range `rows`. `dim` is their width.
    ///
    /// # Panics
    /// If the range ends beyond the last row.
    #[must_use]
    pub fn slice(self, dim: usize, rows: Range<usize>) -> Self {
        let elements = rows.start * dim..rows.end * dim;
        match self {
            Self::F32(v) => Self::F32(&v[elements]),
            Self::Bf16(v) => Self::Bf16(&v[elements]),
            Self::F16(v) => Self::F16(&v[elements]),
            Self::I8 { values, scales } => Self::I8 { values: &values[elements], scales: &scales[rows] },
        }
    }

    /// Writes the rows into `out` as `f32`, `[n, dim]`.
    ///
    /// # Panics
    /// If `out` has another number of elements than the rows.
    pub fn widen(self, dim: usize, out: &mut [f32]) {
        match self {
            Self::F32(v) => out.copy_from_slice(v),
            Self::Bf16(v) => v.convert_to_f32_slice(out),
            Self::F16(v) => v.convert_to_f32_slice(out),
            Self::I8 { values, scales } => {
                assert_eq!(values.len(), out.len(), "one f32 for each stored value");
                let rows = out.chunks_exact_mut(dim.max(1)).zip(values.chunks_exact(dim.max(1)));
                for ((out, values), scale) in rows.zip(scales) {
                    for (out, &value) in out.iter_mut().zip(values) {
                        *out = f32::from(value) * scale;
                    }
                }
            }
        }
    }

    /// Returns the bytes of the values, in the machine's byte order, without the scales of 8-bit rows.
    pub(crate) fn value_bytes(self) -> &'a [u8] {
        match self {
            Self::F32(v) => bytemuck::cast_slice(v),
            Self::Bf16(v) => bytemuck::cast_slice(v),
            Self::F16(v) => bytemuck::cast_slice(v),
            Self::I8 { values, .. } => bytemuck::cast_slice(values),
        }
    }

    /// Returns the number format of the rows.
    pub fn precision(self) -> Precision {
        match self {
            Self::F32(_) => Precision::F32,
            Self::Bf16(_) => Precision::Bf16,
            Self::F16(_) => Precision::F16,
            Self::I8 { .. } => Precision::I8,
        }
    }
}

/// Rows of an archive that lie next to each other in memory.
#[derive(Debug, Clone, Copy)]
pub struct RowBlock<'a> {
    /// Row of the archive with which the block begins, from 0.
    pub first_row: usize,
    /// Number of rows.
    pub len: usize,
    /// The rows.
    pub rows: StoredRows<'a>,
}

/// Rows of a matrix in the number format in which they are stored.
pub(crate) enum EncodedRows<'a> {
    F32(&'a [f32]),
    Bf16(Vec<bf16>),
    F16(Vec<f16>),
    I8 { values: Vec<i8>, scales: Vec<f32> },
}

impl EncodedRows<'_> {
    /// Returns the rows as a view.
    pub(crate) fn stored(&self) -> StoredRows<'_> {
        match self {
            Self::F32(v) => StoredRows::F32(v),
            Self::Bf16(v) => StoredRows::Bf16(v),
            Self::F16(v) => StoredRows::F16(v),
            Self::I8 { values, scales } => StoredRows::I8 { values, scales },
        }
    }
}

/// Returns the row of the archive for a row of a segment, or `None` if the row is deleted. `runs` are the
/// segment's runs by ascending row.
pub(crate) fn archive_row(runs: &[QuantizedRun], row: usize) -> Option<usize> {
    let run = runs.get(runs.partition_point(|run| run.rows.end <= row))?;
    run.rows.contains(&row).then(|| run.first_row + row - run.rows.start)
}

/// Returns the number of bytes of one stored value.
///
/// # Errors
/// [`rscir_core::Error::Unsupported`] for a format that archives do not store.
pub(crate) fn value_size(precision: Precision) -> Result<usize> {
    match precision {
        Precision::F32 => Ok(4),
        Precision::Bf16 | Precision::F16 => Ok(2),
        Precision::I8 => Ok(1),
        other => {
            let what = "storing rows of this precision";
            Err(rscir_core::Error::Unsupported { what, by: format!("an archive of {other} rows") }.into())
        }
    }
}

/// Rounds `rows`, `[n, dim]`, to the nearest values of `precision`.
///
/// # Errors
/// The errors of [`value_size`].
pub(crate) fn encode(precision: Precision, dim: usize, rows: &[f32]) -> Result<EncodedRows<'_>> {
    value_size(precision)?;
    Ok(match precision {
        Precision::Bf16 => EncodedRows::Bf16(rows.iter().copied().map(bf16::from_f32).collect()),
        Precision::F16 => EncodedRows::F16(rows.iter().copied().map(f16::from_f32).collect()),
        Precision::I8 => {
            let (mut values, mut scales) = (Vec::with_capacity(rows.len()), Vec::new());
            for row in rows.chunks_exact(dim.max(1)) {
                let (scale, inverse) = scale_of(row);
                scales.push(scale);
                values.extend(row.iter().map(|v| (v * inverse).round_ties_even() as i8));
            }
            EncodedRows::I8 { values, scales }
        }
        _ => EncodedRows::F32(rows),
    })
}

/// Returns the factors by which an 8-bit row is read and written: its largest magnitude becomes 127.
fn scale_of(row: &[f32]) -> (f32, f32) {
    let largest = row.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    if largest > 0.0 { (largest / 127.0, 127.0 / largest) } else { (0.0, 0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rscir_core::testing::unit_rows;

    #[test]
    fn eight_bit_rows_are_off_by_half_a_step_at_most() {
        let rows = unit_rows(20, 33, 1);
        let encoded = encode(Precision::I8, 33, rows.as_slice()).unwrap();
        let StoredRows::I8 { scales, .. } = encoded.stored() else { panic!("8-bit rows") };
        let mut back = vec![0.0; 20 * 33];
        encoded.stored().widen(33, &mut back);
        for ((row, back), scale) in rows.rows().zip(back.chunks_exact(33)).zip(scales) {
            for (a, b) in row.iter().zip(back) {
                assert!((a - b).abs() <= scale * 0.5001, "{a} was read back as {b}, with steps of {scale}");
            }
        }
    }

    #[test]
    fn a_slice_is_the_rows_it_names() {
        let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let mut out = [0.0; 6];
        StoredRows::F32(&values).slice(3, 1..3).widen(3, &mut out);
        assert_eq!(out, [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    }
}
