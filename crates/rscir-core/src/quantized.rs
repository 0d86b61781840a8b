use std::ops::Range;

/// Rows of an archive as 8-bit integers, with what is needed to bound the similarities that they give.
///
/// A row is `center + scale * codes + rest`, the length of `rest` at most the row's residual. The codes lie in blocks as
/// `rscir_kernels::CodedRows` has them, and `rscir_index::Int8Index` says how the bound follows.
#[derive(Debug, Clone, Copy)]
pub struct QuantizedPart<'a> {
    /// What was subtracted from every row, `[dim]`.
    pub center: &'a [f32],
    /// The integers, in blocks of rows.
    pub codes: &'a [u8],
    /// A scale for each row.
    pub scales: &'a [f32],
    /// At least the length of what rounding left of each row.
    pub residuals: &'a [f32],
    /// At least the lengths of the longest row, of the longest row of scaled integers, and the largest residual.
    pub longest: [f64; 3],
    /// Which of its rows are rows of the archive, by rising row of the part. What is in no run is no row of the archive.
    pub runs: &'a [QuantizedRun],
    /// Added to the archive's rows of the runs: where the archive is a part of another.
    pub first_row: usize,
}

/// Consecutive rows of a [`QuantizedPart`] that are consecutive rows of its archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantizedRun {
    /// Rows of the part.
    pub rows: Range<usize>,
    /// The archive's row that is the first of them.
    pub first_row: usize,
}
