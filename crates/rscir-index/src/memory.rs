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

/// An archive held in memory, in `f32`.
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
    /// Holds `rows`, row `i` under `keys[i]`.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`]; [`rscir_core::Error::Length`] if the counts differ, or the width is not the spec's.
    pub fn new(spec: EncoderSpec, keys: Vec<String>, rows: Embeddings) -> Result<Self> {
        CoreError::check_length("keys (one per row)", rows.len(), keys.len())?;
        CoreError::check_length("width of the rows", spec.dim, rows.dim())?;
        let index = index_of_unique(keys.len(), |row| &keys[row])?;
        Ok(Self { spec, keys, index, rows, columns: Columns::default(), moments: OnceLock::new() })
    }

    /// With columns, one row of them for each of its rows.
    ///
    /// # Errors
    /// [`Error::ColumnLength`] if the counts differ.
    pub fn with_columns(self, columns: Columns) -> Result<Self> {
        columns.check_rows(self.len())?;
        Ok(Self { columns, ..self })
    }

    /// All rows, in order.
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

    /// Computed when first asked for: `len * dim^2` multiplications, which a search does not need.
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

/// Finds rows by key, of rows that all have their own.
pub(crate) fn index_of_unique<'a>(rows: usize, key: impl Fn(usize) -> &'a str) -> Result<KeyIndex> {
    let index = KeyIndex::new(rows, &key);
    for second in 0..rows {
        // The first of two rows is found first.
        if let Some(first) = index.find(key(second), &key)
            && first != second
        {
            return Err(Error::DuplicateKey { key: key(second).into(), first, second });
        }
    }
    Ok(index)
}

/// Takes encoded rows into memory, with their columns; [`MemorySink::into_archive`] makes them searchable.
///
/// A row that is replaced keeps its place, and the columns in which the new row has no values.
#[derive(Clone)]
pub struct MemorySink {
    spec: EncoderSpec,
    rows_by_key: HashMap<String, usize>,
    fingerprints: Vec<Fingerprint>,
    /// `[len, dim]`.
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
    /// An empty sink for vectors that `spec` describes.
    pub fn new(spec: EncoderSpec) -> Self {
        Self {
            spec,
            rows_by_key: HashMap::new(),
            fingerprints: Vec::new(),
            rows: Vec::new(),
            columns: Columns::default(),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.fingerprints.len()
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.fingerprints.is_empty()
    }

    /// The rows as an archive.
    ///
    /// # Errors
    /// [`rscir_core::Error::Length`] if the spec's width is 0.
    pub fn into_archive(self) -> Result<MemoryArchive> {
        // Unit rows are kept to the bit.
        let rows = Embeddings::normalize(self.spec.dim, self.rows)?;
        let mut keys = vec![String::new(); self.rows_by_key.len()];
        for (key, row) in self.rows_by_key {
            keys[row] = key;
        }
        MemoryArchive::new(self.spec, keys, rows)?.with_columns(self.columns)
    }

    /// Refuses values of another type than that of the column that is there.
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
