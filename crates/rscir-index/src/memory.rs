use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use rscir_core::{
    Archive, ColumnSchema, ColumnType, ColumnValues, EmbeddingSink, Embeddings, EncoderSpec,
    Error as CoreError, Fingerprint, Moments, Queries, RowValues, Scored, SinkRow, Value,
};

use crate::columns::{Columns, Schema};
use crate::key_index::KeyIndex;
use crate::moments::moments_of;
use crate::search::nearest;
use crate::{Error, Result};

/// An archive in memory, with rows of `f32`.
///
/// ```
/// use rscir_core::{Archive, Embeddings, EncoderSpec};
/// use rscir_index::MemoryArchive;
///
/// let rows = Embeddings::normalize(2, vec![3.0, 4.0, 1.0, 0.0])?;
/// let archive = MemoryArchive::new(EncoderSpec::unknown(2), vec!["a.png".into(), "b.png".into()], rows)?;
/// assert_eq!(archive.find("b.png"), Some(1));
/// # Ok::<(), rscir_index::Error>(())
/// ```
pub struct MemoryArchive {
    spec: EncoderSpec,
    keys: Vec<String>,
    index: KeyIndex,
    rows: Embeddings,
    columns: Columns,
    moments: OnceLock<Moments>,
}

impl fmt::Debug for MemoryArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryArchive")
            .field("rows", &self.keys.len())
            .field("dim", &self.spec.dim)
            .finish_non_exhaustive()
    }
}

impl MemoryArchive {
    /// Makes an archive in which row `i` of `rows` has the key `keys[i]`. `spec` describes the encoder of the
    /// rows.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`] if two keys are equal; [`rscir_core::Error::Length`] if there is not one key per
    /// row, or the width of the rows is not the spec's.
    pub fn new(spec: EncoderSpec, keys: Vec<String>, rows: Embeddings) -> Result<Self> {
        CoreError::check_length("keys (one per row)", rows.len(), keys.len())?;
        CoreError::check_length("width of the rows", spec.dim, rows.dim())?;
        let index = index_of_unique(keys.len(), |row| &keys[row])?;
        Ok(Self { spec, keys, index, rows, columns: Columns::default(), moments: OnceLock::new() })
    }

    /// Sets the columns, which have one row for each row of the archive.
    ///
    /// # Errors
    /// [`Error::ColumnLength`] if the counts differ.
    pub fn with_columns(self, columns: Columns) -> Result<Self> {
        columns.check_rows(self.len())?;
        Ok(Self { columns, ..self })
    }

    /// Returns all rows, in order.
    pub fn embeddings(&self) -> &Embeddings {
        &self.rows
    }
}

impl Archive for MemoryArchive {
    fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> &str {
        &self.keys[row]
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.index.find(key, |row| &self.keys[row])
    }

    fn vector(&self, row: usize) -> Cow<'_, [f32]> {
        self.rows.row(row).into()
    }

    fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> rscir_core::Result<()> {
        queries.check(self.dim(), self.len(), scores)?;
        rscir_kernels::matmul_nt(
            queries.as_slice(),
            self.rows.as_slice(),
            queries.len(),
            self.len(),
            self.dim(),
            scores,
        );
        Ok(())
    }

    /// Returns the moments of all rows. The first call computes them with `len * dim^2` multiplications; searches
    /// with the default statistics do not call it.
    fn moments(&self) -> &Moments {
        self.moments.get_or_init(|| {
            let dim = self.dim();
            moments_of(dim, 0..self.len(), &|range, rows| {
                rows.copy_from_slice(&self.rows.as_slice()[range.start * dim..range.end * dim]);
            })
        })
    }

    fn nearest(&self, queries: Queries<'_>, k: usize) -> rscir_core::Result<Vec<Vec<Scored>>> {
        nearest(self, queries, k)
    }

    fn columns(&self) -> Vec<(&str, ColumnType)> {
        self.columns.types().collect()
    }

    fn column(&self, name: &str) -> Option<ColumnValues<'_>> {
        self.columns.values(name)
    }

    fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
        self.columns.value(name, row)
    }
}

/// Makes an index of keys, each of which one row has.
///
/// # Errors
/// [`Error::DuplicateKey`] if two rows have the same key.
pub(crate) fn index_of_unique<'a>(rows: usize, key: impl Fn(usize) -> &'a str) -> Result<KeyIndex> {
    let index = KeyIndex::new(rows, &key);
    for second in 0..rows {
        // Of two rows with one key, the index finds the first.
        if let Some(first) = index.find(key(second), &key)
            && first != second
        {
            return Err(Error::DuplicateKey { key: key(second).into(), first, second });
        }
    }
    Ok(index)
}

/// Collects encoded rows and their columns in memory; [`MemorySink::into_archive`] makes them searchable.
///
/// A row whose key is already there replaces that row in its place. Columns that the new row does not name keep
/// the old value.
#[derive(Clone)]
pub struct MemorySink {
    spec: EncoderSpec,
    rows_by_key: HashMap<String, usize>,
    fingerprints: Vec<Fingerprint>,
    /// The vectors, `[len, dim]`.
    rows: Vec<f32>,
    columns: Columns,
}

impl fmt::Debug for MemorySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySink")
            .field("rows", &self.fingerprints.len())
            .field("dim", &self.spec.dim)
            .finish_non_exhaustive()
    }
}

impl MemorySink {
    /// Makes an empty sink for vectors that `spec` describes.
    pub fn new(spec: EncoderSpec) -> Self {
        Self {
            spec,
            rows_by_key: HashMap::new(),
            fingerprints: Vec::new(),
            rows: Vec::new(),
            columns: Columns::default(),
        }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.fingerprints.len()
    }

    /// Tells whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.fingerprints.is_empty()
    }

    /// Makes an archive of the rows.
    ///
    /// # Errors
    /// [`rscir_core::Error::Length`] if the spec's width is 0.
    pub fn into_archive(self) -> Result<MemoryArchive> {
        // Normalizing keeps unit rows to the bit.
        let rows = Embeddings::normalize(self.spec.dim, self.rows)?;
        let mut keys = vec![String::new(); self.rows_by_key.len()];
        for (key, row) in self.rows_by_key {
            keys[row] = key;
        }
        MemoryArchive::new(self.spec, keys, rows)?.with_columns(self.columns)
    }

    /// Checks that values have the types of the columns that are already there.
    fn check_values<'a>(&self, rows: impl Iterator<Item = &'a RowValues<'a>>) -> Result<()> {
        let mut schema = Schema::of(self.columns.types())?;
        rows.into_iter().try_for_each(|row| schema.add_all(row.columns()))
    }
}

impl EmbeddingSink for MemorySink {
    fn fingerprint(&self, key: &str) -> Option<Fingerprint> {
        self.rows_by_key.get(key).map(|&row| self.fingerprints[row])
    }

    fn commit(&mut self, rows: &[SinkRow<'_>], embeddings: &Embeddings) -> rscir_core::Result<()> {
        CoreError::check_length("described rows (one per embedding)", embeddings.len(), rows.len())?;
        CoreError::check_length("width of the embeddings", self.spec.dim, embeddings.dim())?;
        self.check_values(rows.iter().filter_map(|row| row.values))?;
        for (row, vector) in rows.iter().zip(embeddings.rows()) {
            if let Some(&at) = self.rows_by_key.get(row.key) {
                self.fingerprints[at] = row.fingerprint;
                self.rows[at * self.spec.dim..][..self.spec.dim].copy_from_slice(vector);
            } else {
                self.rows_by_key.insert(row.key.into(), self.len());
                self.fingerprints.push(row.fingerprint);
                self.rows.extend_from_slice(vector);
                self.columns.extend_to(self.fingerprints.len());
            }
            if let (Some(values), Some(&at)) = (row.values, self.rows_by_key.get(row.key)) {
                self.columns.set_row(at, values);
            }
        }
        Ok(())
    }

    fn check_columns(&self, columns: &[ColumnSchema]) -> rscir_core::Result<()> {
        Ok(Schema::of(self.columns.types())?.add_all(columns)?)
    }

    fn update_values(&mut self, keys: &[&str], values: &[RowValues<'_>]) -> rscir_core::Result<usize> {
        CoreError::check_length("rows of values (one per key)", keys.len(), values.len())?;
        self.check_values(values.iter())?;
        let mut changed = 0;
        for (key, values) in keys.iter().zip(values) {
            let Some(&at) = self.rows_by_key.get(*key) else { continue };
            let same = |(schema, value): (&ColumnSchema, _)| self.columns.value(&schema.name, at) == value;
            if !values.iter().all(same) {
                self.columns.set_row(at, values);
                changed += 1;
            }
        }
        Ok(changed)
    }
}
