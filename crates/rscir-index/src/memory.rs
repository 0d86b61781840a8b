use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use rscir_core::{
    Archive, EmbeddingSink, Embeddings, EncoderSpec, Error as CoreError, Fingerprint, Moments, Queries,
    SinkRow,
};

use crate::moments::moments_of;
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
    keys: KeyTable,
    rows: Embeddings,
    moments: OnceLock<Moments>,
}

impl MemoryArchive {
    /// Holds `rows`, row `i` under `keys[i]`.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`]; [`rscir_core::Error::Length`] if the counts differ, or the width is not the spec's.
    pub fn new(spec: EncoderSpec, keys: Vec<String>, rows: Embeddings) -> Result<Self> {
        CoreError::check_length("keys (one per row)", rows.len(), keys.len())?;
        CoreError::check_length("width of the rows", spec.dim, rows.dim())?;
        let mut table = KeyTable::default();
        for key in keys {
            let second = table.names.len();
            if let Some(first) = table.find(&key) {
                return Err(Error::DuplicateKey { key, first, second });
            }
            table.push(key.into());
        }
        Ok(Self { spec, keys: table, rows, moments: OnceLock::new() })
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
        &self.keys.names[row]
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.keys.find(key)
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
}

/// Takes encoded rows into memory; [`MemorySink::into_archive`] makes them searchable.
///
/// A row that is replaced keeps its place.
pub struct MemorySink {
    spec: EncoderSpec,
    keys: KeyTable,
    fingerprints: Vec<Fingerprint>,
    rows: Vec<f32>,
}

impl MemorySink {
    /// An empty sink for vectors that `spec` describes.
    pub fn new(spec: EncoderSpec) -> Self {
        Self { spec, keys: KeyTable::default(), fingerprints: Vec::new(), rows: Vec::new() }
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
        Ok(MemoryArchive { spec: self.spec, keys: self.keys, rows, moments: OnceLock::new() })
    }
}

impl EmbeddingSink for MemorySink {
    fn fingerprint(&self, key: &str) -> Option<Fingerprint> {
        self.keys.find(key).map(|row| self.fingerprints[row])
    }

    fn commit(&mut self, rows: &[SinkRow<'_>], embeddings: &Embeddings) -> rscir_core::Result<()> {
        CoreError::check_length("described rows (one per embedding)", embeddings.len(), rows.len())?;
        CoreError::check_length("width of the embeddings", self.spec.dim, embeddings.dim())?;
        for (row, vector) in rows.iter().zip(embeddings.rows()) {
            if let Some(at) = self.keys.find(row.key) {
                self.fingerprints[at] = row.fingerprint;
                self.rows[at * self.spec.dim..][..self.spec.dim].copy_from_slice(vector);
            } else {
                self.keys.push(row.key.into());
                self.fingerprints.push(row.fingerprint);
                self.rows.extend_from_slice(vector);
            }
        }
        Ok(())
    }
}

/// Keys in row order and rows by key; each key is stored once.
#[derive(Default)]
struct KeyTable {
    names: Vec<Arc<str>>,
    rows: HashMap<Arc<str>, usize>,
}

impl KeyTable {
    fn find(&self, key: &str) -> Option<usize> {
        self.rows.get(key).copied()
    }

    /// Appends a key that is not there yet.
    fn push(&mut self, key: Arc<str>) {
        self.rows.insert(Arc::clone(&key), self.names.len());
        self.names.push(key);
    }
}
