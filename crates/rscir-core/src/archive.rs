use std::borrow::Cow;
use std::sync::Arc;

use crate::columns::{ColumnType, ColumnValues, Value};
use crate::{
    ColumnSchema, Embeddings, EncoderSpec, Error, Moments, QuantizedPart, Queries, Result, RowValues, Scored,
    UnitVector,
};

/// Similarities that [`Archive::nearest`] holds at once: 64 MB, some hundred queries on a hundred thousand rows.
const NEAREST_VALUES: usize = 16 << 20;

/// A searchable set of unit vectors with keys. A *row* is a position in it, from 0.
///
/// Rows and keys of one value never change: an archive is a snapshot. References, `Box` and `Arc` of an archive are
/// archives.
pub trait Archive: Send + Sync {
    /// The encoder of the vectors.
    fn spec(&self) -> &EncoderSpec;

    /// Number of rows.
    fn len(&self) -> usize;

    /// Key of row `row`.
    ///
    /// # Panics
    /// If `row` is not below [`Archive::len`], as a slice does.
    fn key(&self, row: usize) -> &str;

    /// Gives the key of row `row`, or says what is wrong with it. An archive that looks at keys only when they are asked for
    /// has an empty text as [`Archive::key`] in place of a damaged one.
    ///
    /// # Errors
    /// What is damaged, in [`Error::Source`]. By default there is nothing that can be.
    ///
    /// # Panics
    /// As [`Archive::key`].
    fn checked_key(&self, row: usize) -> Result<&str> {
        Ok(self.key(row))
    }

    /// Row of `key`.
    fn find(&self, key: &str) -> Option<usize>;

    /// Vector of row `row`, `[dim]`, widened to `f32` where the archive stores less.
    ///
    /// # Panics
    /// If `row` is not below [`Archive::len`], as a slice does.
    fn vector(&self, row: usize) -> Cow<'_, [f32]>;

    /// Dot products of every query with every row: `scores[q * len + row]`, as one matrix product.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the width of the queries or the length of `scores` does not fit.
    fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> Result<()>;

    /// Count, mean and scatter of all rows.
    fn moments(&self) -> &Moments;

    /// The `k` rows most similar to each query, best first: those of [`top_k`](crate::top_k) of its similarities.
    ///
    /// # Errors
    /// As [`Archive::similarities`].
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

    /// Returns 8-bit copies of rows, where the archive keeps some: a search by them reads a quarter of the bytes. A row is
    /// in one part at the most.
    fn quantized(&self) -> Vec<QuantizedPart<'_>> {
        Vec::new()
    }

    /// Names and types of the columns that the archive has beside its vectors, sorted by name.
    fn columns(&self) -> Vec<(&str, ColumnType)> {
        Vec::new()
    }

    /// The values of column `name`, [`Archive::len`] of them; `None` without such a column.
    fn column(&self, _name: &str) -> Option<ColumnValues<'_>> {
        None
    }

    /// Tells whether each value of column `name` is what it should be: an archive that looks at values only when they are
    /// asked for has none in place of a damaged one. `Ok` without such a column.
    ///
    /// # Errors
    /// What is damaged, in [`Error::Source`]. By default there is nothing that can be.
    fn check_column(&self, _name: &str) -> Result<()> {
        Ok(())
    }

    /// What column `name` holds for row `row`, if there is such a column and it has a value there.
    fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
        self.column(name)?.nth(row)?
    }

    /// Width of the vectors.
    fn dim(&self) -> usize {
        self.spec().dim
    }

    /// The keys of all rows, in order.
    fn keys(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new((0..self.len()).map(|row| self.key(row)))
    }

    /// The vector under `key`, to ask with; `None` without such a row. A row that is stored in less than `f32` is
    /// normalized again.
    fn unit_vector(&self, key: &str) -> Option<UnitVector> {
        UnitVector::normalize(self.vector(self.find(key)?).into_owned()).ok()
    }

    /// True without rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Makes a pointer to an archive an archive.
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

/// Identifies the content a row was encoded from, so that a changed file is encoded again.
///
/// Sixteen opaque bytes, compared for equality only. Whoever feeds a sink decides what goes in (size and time of
/// change, or a hash of the content); the sink keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// Makes a fingerprint of the first half of a SHA-256.
    #[must_use]
    pub fn of_sha256(digest: [u8; 32]) -> Self {
        let mut fingerprint = Self::default();
        fingerprint.0.copy_from_slice(&digest[..16]);
        fingerprint
    }
}

/// One row handed to a sink.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SinkRow<'a> {
    /// Key of the row; a row already there under this key is replaced.
    pub key: &'a str,
    /// What it was encoded from.
    pub fingerprint: Fingerprint,
    /// Values of some columns, in place of what the row under the key has in them; its other columns stay. `None`: all of
    /// them stay.
    pub values: Option<&'a RowValues<'a>>,
}

impl<'a> SinkRow<'a> {
    /// Describes a row by its key and by what it was encoded from.
    #[must_use]
    pub fn new(key: &'a str, fingerprint: Fingerprint) -> Self {
        Self { key, fingerprint, values: None }
    }

    /// Sets the values of some columns.
    #[must_use]
    pub fn values(mut self, values: &'a RowValues<'a>) -> Self {
        self.values = Some(values);
        self
    }
}

/// Takes encoded rows, durably if it is a store.
pub trait EmbeddingSink: Send {
    /// The fingerprint of the row under `key`, `None` without such a row.
    fn fingerprint(&self, key: &str) -> Option<Fingerprint>;

    /// Takes a batch: `rows[i]` is described by row `i` of `embeddings`. All of it or, on an error, none of it.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the counts or the width do not fit, the sink's own errors in
    /// [`Error::Source`](crate::Error::Source).
    fn commit(&mut self, rows: &[SinkRow<'_>], embeddings: &Embeddings) -> Result<()>;

    /// Tells whether rows with values of such columns can be committed. A sink that keeps no columns, as by default, takes no
    /// rows with values.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the sink keeps no columns, the sink's own errors if it has a column of one of these names
    /// and of another type.
    fn check_columns(&self, columns: &[ColumnSchema]) -> Result<()> {
        match columns {
            [] => Ok(()),
            [..] => Err(Error::Unsupported { what: "a column beside the vectors", by: "this sink".into() }),
        }
    }

    /// Gives rows that are there other values of some columns, and tells how many rows that changed: row `keys[i]` has
    /// `values[i]` in these columns afterwards, and its vector, its fingerprint and its other columns as before. A key without
    /// a row is passed over. All of it or, on an error, none of it.
    ///
    /// # Errors
    /// As [`EmbeddingSink::check_columns`], and [`Error::Length`] if the counts differ.
    fn update_values(&mut self, keys: &[&str], values: &[RowValues<'_>]) -> Result<usize> {
        let _ = keys;
        values.first().map_or(Ok(()), |row| self.check_columns(row.columns())).map(|()| 0)
    }
}
