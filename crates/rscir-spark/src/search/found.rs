use std::borrow::Cow;
use std::collections::BTreeMap;

use rscir_core::{Archive, ColumnType, ColumnValues, Date, Embeddings, EncoderSpec, Moments, Queries, Value};
use rscir_index::{Columns, Hit, MemoryArchive};

use super::{Candidate, OwnedValue};
use crate::Result;

/// The answer to a query to a table.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// Best rows, best first. Tables do not number their rows, so the row of a hit is its row in [`Found::rows`].
    pub hits: Vec<Hit>,
    /// Rows that the engine returned, sorted by key, with vectors and columns; the hits are among them.
    pub rows: FoundRows,
    /// Number of times that the engine was asked ([`Engine::best`](crate::Engine::best)) until this answer was proven, those for the
    /// extreme similarities that some methods need included. A call for several queries counts for each of them.
    pub asked: usize,
}

/// Rows that an engine returned, as an archive. [`Archive::moments`] are those of the whole table.
#[derive(Debug)]
pub struct FoundRows {
    /// Keys and columns. The vectors in here are normalized again and are not read.
    rows: MemoryArchive,
    /// Vectors as the table stores them, `[len, dim]`. Those of an archive that stores less than `f32` are not
    /// quite of unit length.
    vectors: Vec<f32>,
    moments: Moments,
}

impl FoundRows {
    /// Makes an archive of candidates, sorted by key. If candidates have one key, the first is kept.
    pub(crate) fn new(
        spec: &EncoderSpec,
        columns: &BTreeMap<String, ColumnType>,
        moments: &Moments,
        mut candidates: Vec<Candidate>,
    ) -> Result<Self> {
        candidates.sort_by(|a, b| a.key.cmp(&b.key));
        candidates.dedup_by(|a, b| a.key == b.key);
        let keys = candidates.iter().map(|candidate| candidate.key.clone()).collect();
        let vectors: Vec<f32> =
            candidates.iter().flat_map(|candidate| candidate.vector.iter().copied()).collect();
        let mut table = Columns::new(candidates.len());
        for (i, (name, column_type)) in columns.iter().enumerate() {
            let values = candidates.iter().map(|candidate| candidate.values.get(i)?.as_ref());
            table = with_column(table, name, *column_type, values)?;
        }
        let embeddings = Embeddings::normalize(spec.dim, vectors.clone())?;
        let rows = MemoryArchive::new(spec.clone(), keys, embeddings)?.with_columns(table)?;
        Ok(Self { rows, vectors, moments: moments.clone() })
    }
}

/// Adds a column to a table. A value of another type counts as absent.
fn with_column<'a>(
    table: Columns,
    name: &str,
    column_type: ColumnType,
    values: impl Iterator<Item = Option<&'a OwnedValue>>,
) -> Result<Columns> {
    macro_rules! of {
        ($variant:ident, $type:ty) => {
            table.with(
                name,
                values
                    .map(|value| match value {
                        Some(OwnedValue::$variant(value)) => Some(value.clone()),
                        _ => None,
                    })
                    .collect::<Vec<Option<$type>>>(),
            )
        };
    }
    Ok(match column_type {
        ColumnType::Text => of!(Text, String),
        ColumnType::Int => of!(Int, i64),
        ColumnType::Float => of!(Float, f64),
        ColumnType::Bool => of!(Bool, bool),
        ColumnType::Date => of!(Date, Date),
        ColumnType::Floats => of!(Floats, Vec<f64>),
    }?)
}

impl Archive for FoundRows {
    fn spec(&self) -> &EncoderSpec {
        self.rows.spec()
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> &str {
        self.rows.key(row)
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.rows.find(key)
    }

    fn vector(&self, row: usize) -> Cow<'_, [f32]> {
        let dim = self.dim();
        self.vectors[row * dim..(row + 1) * dim].into()
    }

    fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> rscir_core::Result<()> {
        queries.check(self.dim(), self.len(), scores)?;
        let (queries, count) = (queries.as_slice(), queries.len());
        rscir_kernels::matmul_nt(queries, &self.vectors, count, self.len(), self.dim(), scores);
        Ok(())
    }

    /// Returns the moments of the whole table's vectors.
    fn moments(&self) -> &Moments {
        &self.moments
    }

    fn columns(&self) -> Vec<(&str, ColumnType)> {
        self.rows.columns()
    }

    fn column(&self, name: &str) -> Option<ColumnValues<'_>> {
        self.rows.column(name)
    }

    fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
        self.rows.value(name, row)
    }
}
