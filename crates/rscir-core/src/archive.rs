use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::columns::{ColumnType, ColumnValues, Value};
use crate::{
    ColumnSchema, Embeddings, EncoderSpec, Error, Moments, QuantizedPart, Queries, Result, RowValues, Scored,
    UnitVector,
};

/// Number of similarities that [`Archive::nearest`] holds at once: 64 MB, enough for some hundred queries on
/// a hundred thousand rows.
const NEAREST_VALUES: usize = 16 << 20;

/// A searchable set of unit vectors with keys. A *row* is a position in the archive, from 0.
///
/// Rows and keys of an archive never change: it is a snapshot. References, `Box` and `Arc` of an archive are
/// archives, too.
pub trait Archive: Send + Sync {
    /// Returns the record of the encoder that made the vectors.
    fn spec(&self) -> &EncoderSpec;

    /// Returns the number of rows.
    fn len(&self) -> usize;

    /// Returns the key of row `row`.
    ///
    /// # Panics
    /// Panics if `row` is not below [`Archive::len`].
    fn key(&self, row: usize) -> &str;

    /// Returns the key of row `row` if the key is in order. An archive that checks keys only when they are
    /// asked for has an empty text as [`Archive::key`] in place of a damaged key.
    ///
    /// # Errors
    /// [`Error::Source`] with what is damaged. The default implementation returns no error.
    ///
    /// # Panics
    /// Panics if `row` is not below [`Archive::len`].
    fn checked_key(&self, row: usize) -> Result<&str> {
        Ok(self.key(row))
    }

    /// Returns the row of `key`, or `None` if no row has this key.
    fn find(&self, key: &str) -> Option<usize>;

    /// Returns the vector of row `row`, `[dim]`. Vectors that the archive stores in fewer bits are widened to
    /// `f32`.
    ///
    /// # Panics
    /// Panics if `row` is not below [`Archive::len`].
    fn vector(&self, row: usize) -> Cow<'_, [f32]>;

    /// Begins to fetch the vectors of some rows before they are used, if the archive lies on a slow medium.
    /// Default: does nothing.
    ///
    /// # Panics
    /// Panics if a row is not below [`Archive::len`].
    fn fetch(&self, _rows: Range<usize>) {}

    /// Computes the dot products of every query with every row, as one matrix product. `scores` is `[queries,
    /// rows]`: `scores[q * len + row]`.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the width of the queries or the length of `scores` does not
    /// fit.
    fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> Result<()>;

    /// Returns count, mean and scatter of all rows.
    fn moments(&self) -> &Moments;

    /// Returns the `k` rows most similar to each query, best first, in the order of [`top_k`](crate::top_k).
    /// There is one list for each query.
    ///
    /// # Errors
    /// The errors of [`Archive::similarities`].
    fn nearest(&self, queries: Queries<'_>, k: usize) -> Result<Vec<Vec<Scored>>> {
        let rows = self.len();
        queries.check(self.dim(), 0, &[])?;
        if rows == 0 {
            return Ok(vec![Vec::new(); queries.len()]);
        }
        let together = (NEAREST_VALUES / rows).clamp(1, queries.len().max(1));
        let mut scores = vec![0.0; together * rows];
        let mut nearest = Vec::with_capacity(queries.len());
        for block in queries.as_slice().chunks(together * self.dim()) {
            let block = Queries::new(self.dim(), block)?;
            let scores = &mut scores[..block.len() * rows];
            self.similarities(block, scores)?;
            nearest.extend(scores.chunks_exact(rows).map(|scores| crate::top_k(scores, k)));
        }
        Ok(nearest)
    }

    /// Returns the 8-bit copies of rows that the archive keeps. A search by them reads a quarter of the
    /// bytes. A row is in at most one part. Default: none.
    fn quantized(&self) -> Vec<QuantizedPart<'_>> {
        Vec::new()
    }

    /// Returns the names and types of the columns that the archive has beside its vectors, sorted by name.
    /// Default: none.
    fn columns(&self) -> Vec<(&str, ColumnType)> {
        Vec::new()
    }

    /// Returns the [`Archive::len`] values of column `name`, or `None` if there is no such column.
    fn column(&self, _name: &str) -> Option<ColumnValues<'_>> {
        None
    }

    /// Checks all values of column `name`. An archive that checks values only when they are asked for has
    /// `None` in place of a damaged value. Returns `Ok` if there is no such column.
    ///
    /// # Errors
    /// [`Error::Source`] with what is damaged. The default implementation returns no error.
    fn check_column(&self, _name: &str) -> Result<()> {
        Ok(())
    }

    /// Returns the value of column `name` in row `row`, or `None` without such a column or such a value.
    fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
        self.column(name)?.nth(row)?
    }

    /// Returns the width of the vectors.
    fn dim(&self) -> usize {
        self.spec().dim
    }

    /// Returns the keys of all rows, in row order.
    fn keys(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new((0..self.len()).map(|row| self.key(row)))
    }

    /// Returns the vector under `key` for use in a query, or `None` if no row has this key. A row that is
    /// stored in fewer bits than `f32` is normalized again.
    fn unit_vector(&self, key: &str) -> Option<UnitVector> {
        UnitVector::normalize(self.vector(self.find(key)?).into_owned()).ok()
    }

    /// Tells whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Implements [`Archive`] for a pointer to an archive.
macro_rules! archive_through {
    ($($pointer:ty),+) => {$(
        impl<A: Archive + ?Sized> Archive for $pointer {
            fn spec(&self) -> &EncoderSpec {
                (**self).spec()
            }

            fn len(&self) -> usize {
                (**self).len()
            }

            fn key(&self, row: usize) -> &str {
                (**self).key(row)
            }

            fn checked_key(&self, row: usize) -> Result<&str> {
                (**self).checked_key(row)
            }

            fn find(&self, key: &str) -> Option<usize> {
                (**self).find(key)
            }

            fn vector(&self, row: usize) -> Cow<'_, [f32]> {
                (**self).vector(row)
            }

            fn fetch(&self, rows: Range<usize>) {
                (**self).fetch(rows);
            }

            fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> Result<()> {
                (**self).similarities(queries, scores)
            }

            fn moments(&self) -> &Moments {
                (**self).moments()
            }

            fn nearest(&self, queries: Queries<'_>, k: usize) -> Result<Vec<Vec<Scored>>> {
                (**self).nearest(queries, k)
            }

            fn quantized(&self) -> Vec<QuantizedPart<'_>> {
                (**self).quantized()
            }

            fn columns(&self) -> Vec<(&str, ColumnType)> {
                (**self).columns()
            }

            fn column(&self, name: &str) -> Option<ColumnValues<'_>> {
                (**self).column(name)
            }

            fn check_column(&self, name: &str) -> Result<()> {
                (**self).check_column(name)
            }

            fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
                (**self).value(name, row)
            }

            fn dim(&self) -> usize {
                (**self).dim()
            }

            fn keys(&self) -> Box<dyn Iterator<Item = &str> + '_> {
                (**self).keys()
            }

            fn unit_vector(&self, key: &str) -> Option<UnitVector> {
                (**self).unit_vector(key)
            }

            fn is_empty(&self) -> bool {
                (**self).is_empty()
            }
        }
    )+};
}

archive_through!(&A, Box<A>, Arc<A>);

/// Identifies the content that a row was encoded from, so that a changed file is encoded again.
///
/// The sixteen bytes are compared for equality only. The code that feeds a sink decides what goes in (size
/// and time of change, or a hash of the content); the sink stores them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// Makes a fingerprint of the first half of a SHA-256 digest.
    #[must_use]
    pub fn of_sha256(digest: [u8; 32]) -> Self {
        let mut fingerprint = Self::default();
        fingerprint.0.copy_from_slice(&digest[..16]);
        fingerprint
    }
}

/// One row that is handed to a sink.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SinkRow<'a> {
    /// Key of the row. An existing row with this key is replaced.
    pub key: &'a str,
    /// Fingerprint of the content that the row was encoded from.
    pub fingerprint: Fingerprint,
    /// Values of some columns. The row's other columns keep their values; `None` keeps the values of all
    /// columns.
    pub values: Option<&'a RowValues<'a>>,
}

impl<'a> SinkRow<'a> {
    /// Describes a row by its key and its fingerprint.
    #[must_use]
    pub fn new(key: &'a str, fingerprint: Fingerprint) -> Self {
        Self { key, fingerprint, values: None }
    }

    /// Sets the values of some columns. Default: none, so that an existing row keeps its values.
    #[must_use]
    pub fn values(mut self, values: &'a RowValues<'a>) -> Self {
        self.values = Some(values);
        self
    }
}

/// Stores encoded rows. A sink on disk stores them durably.
pub trait EmbeddingSink: Send {
    /// Returns the fingerprint of the row under `key`, or `None` if there is no such row.
    fn fingerprint(&self, key: &str) -> Option<Fingerprint>;

    /// Stores a batch: `rows[i]` describes row `i` of `embeddings`. On an error, no row of the batch is
    /// stored.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the counts or the width do not fit; the sink's own errors
    /// in [`Error::Source`](crate::Error::Source).
    fn commit(&mut self, rows: &[SinkRow<'_>], embeddings: &Embeddings) -> Result<()>;

    /// Checks that rows with values of these columns can be committed. By default a sink keeps no columns and
    /// accepts no values.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the sink keeps no columns; the sink's own errors if it has a column of one
    /// of these names and of another type.
    fn check_columns(&self, columns: &[ColumnSchema]) -> Result<()> {
        match columns {
            [] => Ok(()),
            [..] => Err(Error::Unsupported { what: "a column beside the vectors", by: "this sink".into() }),
        }
    }

    /// Changes the values of existing rows and returns the number of rows that changed. Row `keys[i]` gets
    /// `values[i]`; its vector, its fingerprint and its other columns stay. A key without a row is skipped.
    /// On an error, nothing changes.
    ///
    /// # Errors
    /// The errors of [`EmbeddingSink::check_columns`]; [`Error::Length`] if the counts differ.
    fn update_values(&mut self, keys: &[&str], values: &[RowValues<'_>]) -> Result<usize> {
        let _ = keys;
        values.first().map_or(Ok(()), |row| self.check_columns(row.columns())).map(|()| 0)
    }

    /// Deletes the rows for whose key and fingerprint `keep` returns `false`. On an error, no row is deleted.
    /// Returns the number of deleted rows, or `None` if the sink cannot delete rows. Default: `None`.
    ///
    /// # Errors
    /// The sink's own errors in [`Error::Source`](crate::Error::Source).
    fn retain(&mut self, keep: &mut dyn FnMut(&str, Fingerprint) -> bool) -> Result<Option<usize>> {
        let _ = keep;
        Ok(None)
    }
}
