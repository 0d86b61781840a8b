use std::ops::Range;

/// Rows of an archive as 8-bit integers, with what is needed to bound the similarities that they give.
///
/// A row is `center + scale * codes + rest`, where the length of `rest` is at most the row's residual. The
/// codes lie in blocks in the layout of `rscir_kernels::CodedRows`. The documentation of
/// `rscir_index::Int8Index` derives the bound.
#[derive(Debug, Clone, Copy)]
pub struct QuantizedPart<'a> {
    /// Vector that was subtracted from every row, `[dim]`.
    pub center: &'a [f32],
    /// The integers, in blocks of rows.
    pub codes: &'a [u8],
    /// Scale of each row, `[rows]`.
    pub scales: &'a [f32],
    /// Upper bound, for each row, on the length of what rounding left of it, `[rows]`.
    pub residuals: &'a [f32],
    /// Upper bounds on the length of the longest row, on the length of the longest row of scaled integers,
    /// and on the largest residual.
    pub longest: [f64; 3],
    /// The part's rows that are rows of the archive, ascending by row of the part. A row in no run is not a
    /// row of the archive.
    pub runs: &'a [QuantizedRun],
    /// Number that is added to the archive rows of the runs, where the archive is a part of another.
    pub first_row: usize,
}

/// Consecutive rows of a [`QuantizedPart`] that are consecutive rows of its archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantizedRun {
    /// Rows of the part.
    pub rows: Range<usize>,
    /// Row of the archive that is the first of them.
    pub first_row: usize,
}
