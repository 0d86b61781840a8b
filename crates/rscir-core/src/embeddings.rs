use std::ops::Deref;

use crate::{Error, Result};

/// Greatest distance from 1 of a unit row's squared length: a few rounding errors of `f32` (2^-24 each) over
/// the widths in use. Such rows are kept to the bit, so that storing and reading again changes nothing.
const UNIT_TOLERANCE: f64 = 4e-6;

/// A matrix of vectors `[len, dim]`, row-major. Every row is finite and of unit length.
///
/// The matrix also holds the length that each row had before it was normalized ([`Embeddings::norm`]),
/// because pseudo-word methods need the raw feature.
#[derive(Debug, Clone)]
pub struct Embeddings {
    dim: usize,
    data: Vec<f32>,
    /// Number of values in `data` before the first row. With them, the first row begins at a cache line.
    start: usize,
    norms: Vec<f32>,
}

/// Compares the rows and their former lengths.
impl PartialEq for Embeddings {
    fn eq(&self, other: &Self) -> bool {
        (self.dim, self.as_slice(), &self.norms) == (other.dim, other.as_slice(), &other.norms)
    }
}

impl Embeddings {
    /// Normalizes each row of a row-major matrix `[n, dim]`.
    ///
    /// A row whose length is 1 within rounding is left as it is.
    ///
    /// # Errors
    /// [`Error::Length`] if `data` is not a whole number of rows; [`Error::NonFinite`] and [`Error::ZeroRow`]
    /// with the number of the first such row.
    pub fn normalize(dim: usize, mut data: Vec<f32>) -> Result<Self> {
        if dim == 0 || !data.len().is_multiple_of(dim) {
            let expected = data.len().checked_div(dim).unwrap_or(0) * dim;
            return Err(Error::Length {
                what: "embedding values (a whole number of rows)",
                expected,
                got: data.len(),
            });
        }
        let norms = data
            .chunks_exact_mut(dim)
            .enumerate()
            .map(|(row, values)| normalize_row(row, values))
            .collect::<Result<_>>()?;
        let (data, start) = on_a_cache_line(data);
        Ok(Self { dim, data, start, norms })
    }

    /// Makes a matrix of width `dim` without rows, to append to.
    pub fn empty(dim: usize) -> Self {
        Self { dim, data: Vec::new(), start: 0, norms: Vec::new() }
    }

    /// Appends the rows of `other`.
    ///
    /// # Errors
    /// [`Error::Length`] if the widths differ.
    pub fn append(&mut self, other: &Self) -> Result<()> {
        Error::check_length("width of the appended embeddings", self.dim, other.dim)?;
        self.data.extend_from_slice(other.as_slice());
        self.norms.extend_from_slice(&other.norms);
        Ok(())
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.norms.len()
    }

    /// Tells whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.norms.is_empty()
    }

    /// Returns the width of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns row `row`, `[dim]`, of unit length.
    ///
    /// # Panics
    /// Panics if `row` is not below [`Embeddings::len`].
    pub fn row(&self, row: usize) -> &[f32] {
        &self.as_slice()[row * self.dim..][..self.dim]
    }

    /// Returns the length that row `row` had before it was normalized.
    ///
    /// # Panics
    /// Panics if `row` is not below [`Embeddings::len`].
    pub fn norm(&self, row: usize) -> f32 {
        self.norms[row]
    }

    /// Returns all rows, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.as_slice().chunks_exact(self.dim.max(1))
    }

    /// Returns the whole matrix `[len, dim]`, row-major.
    pub fn as_slice(&self) -> &[f32] {
        &self.data[self.start..]
    }

    /// Returns the whole matrix as queries.
    pub fn queries(&self) -> Queries<'_> {
        Queries { dim: self.dim, data: self.as_slice() }
    }

    /// Returns row `row` with its former length.
    ///
    /// # Panics
    /// Panics if `row` is not below [`Embeddings::len`].
    pub fn vector(&self, row: usize) -> UnitVector {
        UnitVector { values: self.row(row).to_vec(), norm: self.norm(row) }
    }
}

/// Moves the values of a large matrix up to the beginning of a cache line, and returns by how many values.
/// Products then read the rows without copying them. If the memory moves later, products are only slower.
fn on_a_cache_line(mut data: Vec<f32>) -> (Vec<f32>, usize) {
    const LINE_BYTES: usize = 64;
    const VALUES: usize = LINE_BYTES / size_of::<f32>();
    /// Number of values (1 MB) below which a matrix fits into the caches, where copying costs little.
    const LARGE: usize = 1 << 18;
    if data.len() < LARGE {
        return (data, 0);
    }
    data.reserve_exact(VALUES);
    let start = data.as_ptr().align_offset(LINE_BYTES).min(VALUES);
    let len = data.len();
    data.resize(len + start, 0.0);
    data.copy_within(..len, start);
    (data, start)
}

/// Normalizes one row in place and returns its former length.
fn normalize_row(row: usize, values: &mut [f32]) -> Result<f32> {
    // A sum in f64 neither overflows nor vanishes for any finite row.
    let squared: f64 = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    if !squared.is_finite() {
        let column = values.iter().position(|v| !v.is_finite()).unwrap_or_default();
        return Err(Error::NonFinite { row, column, value: values[column] });
    }
    if squared == 0.0 {
        return Err(Error::ZeroRow { row });
    }
    if (squared - 1.0).abs() > UNIT_TOLERANCE {
        let scale = 1.0 / squared.sqrt();
        for v in values.iter_mut() {
            *v = (f64::from(*v) * scale) as f32;
        }
    }
    Ok(squared.sqrt() as f32)
}

/// One finite vector of unit length, with the length it had before it was normalized.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitVector {
    values: Vec<f32>,
    norm: f32,
}

impl UnitVector {
    /// Normalizes a vector.
    ///
    /// # Errors
    /// [`Error::NonFinite`] or [`Error::ZeroRow`], with row 0.
    pub fn normalize(mut values: Vec<f32>) -> Result<Self> {
        let norm = normalize_row(0, &mut values)?;
        Ok(Self { values, norm })
    }

    /// Returns the length that the vector had before it was normalized.
    pub fn norm(&self) -> f32 {
        self.norm
    }

    /// Returns the vector as one query.
    pub fn queries(&self) -> Queries<'_> {
        Queries { dim: self.values.len(), data: &self.values }
    }
}

impl Deref for UnitVector {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values
    }
}

/// A block of query vectors `[len, dim]`, row-major, that an archive is searched by.
///
/// The vectors need not be of unit length: a method may search by a weighted sum.
#[derive(Debug, Clone, Copy)]
pub struct Queries<'a> {
    dim: usize,
    data: &'a [f32],
}

impl<'a> Queries<'a> {
    /// Views a row-major matrix `[n, dim]` as queries.
    ///
    /// # Errors
    /// [`Error::Length`] if `data` is not a whole number of rows.
    pub fn new(dim: usize, data: &'a [f32]) -> Result<Self> {
        if dim == 0 || !data.len().is_multiple_of(dim) {
            return Err(Error::Length {
                what: "query values (a whole number of rows)",
                expected: dim,
                got: data.len(),
            });
        }
        Ok(Self { dim, data })
    }

    /// Returns the number of queries.
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.dim).unwrap_or(0)
    }

    /// Tells whether there are no queries.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Returns the width of a query.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the whole matrix `[len, dim]`, row-major.
    pub fn as_slice(&self) -> &'a [f32] {
        self.data
    }

    /// Returns query `row`, `[dim]`.
    ///
    /// # Panics
    /// Panics if `row` is not below [`Queries::len`].
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.dim..][..self.dim]
    }

    /// Checks that these queries and a score buffer `[len, rows]` fit an archive of `rows` vectors of width
    /// `dim`.
    ///
    /// # Errors
    /// [`Error::Length`], which says whether the width or the buffer does not fit.
    pub fn check(&self, dim: usize, rows: usize, scores: &[f32]) -> Result<()> {
        Error::check_length("width of the query", dim, self.dim)?;
        Error::check_length(
            "score buffer (queries x archive rows)",
            self.len().saturating_mul(rows),
            scores.len(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn large_matrices_begin_a_cache_line() {
        let values: Vec<f32> =
            (0..6000 * 48).map(|i| if i % 48 == i / 48 % 48 { 1.0 } else { 0.0 }).collect();
        let mut rows = Embeddings::normalize(48, values.clone()).unwrap();
        assert_eq!(rows.as_slice().as_ptr().align_offset(64), 0);
        assert_eq!(
            (rows.as_slice(), rows.row(47), rows.len()),
            (&values[..], &values[47 * 48..48 * 48], 6000)
        );
        assert_eq!(rows.clone(), rows);
        let few = Embeddings::normalize(48, values[..96].to_vec()).unwrap();
        rows.append(&few).unwrap();
        let mut appended = Embeddings::empty(48);
        appended.append(&rows).unwrap();
        assert_eq!((rows.row(6001), rows.rows().len()), (&values[48..96], 6002));
        assert_eq!(appended, rows);
    }

    #[test]
    fn bad_rows_are_named() {
        assert!(matches!(
            Embeddings::normalize(2, vec![1.0, 0.0, 3.0, f32::NAN]),
            Err(Error::NonFinite { row: 1, column: 1, .. })
        ));
        assert!(matches!(
            Embeddings::normalize(2, vec![1.0, 0.0, f32::INFINITY, 0.0]),
            Err(Error::NonFinite { row: 1, column: 0, .. })
        ));
        assert!(matches!(Embeddings::normalize(2, vec![1.0, 0.0, 0.0, 0.0]), Err(Error::ZeroRow { row: 1 })));
        assert!(matches!(Embeddings::normalize(2, vec![1.0; 3]), Err(Error::Length { .. })));
        assert!(matches!(Embeddings::normalize(0, vec![]), Err(Error::Length { .. })));
    }

    #[test]
    fn the_former_length_is_kept() {
        let e = Embeddings::normalize(2, vec![3.0, 4.0, 0.0, 1.0]).unwrap();
        assert_eq!((e.norm(0), e.norm(1)), (5.0, 1.0));
        assert_eq!(e.row(0), [0.6, 0.8]);
    }

    proptest! {
        #[test]
        fn rows_are_unit_and_normalizing_again_changes_no_bit(
            values in prop::collection::vec(-1e30f32..1e30, 1..64),
        ) {
            prop_assume!(values.iter().any(|v| *v != 0.0));
            let once = Embeddings::normalize(values.len(), values).unwrap();
            let length: f64 = once.row(0).iter().map(|&v| f64::from(v).powi(2)).sum();
            prop_assert!((length - 1.0).abs() < 1e-6);
            let twice = Embeddings::normalize(once.dim(), once.as_slice().to_vec()).unwrap();
            prop_assert_eq!(once.as_slice(), twice.as_slice());
        }
    }
}
