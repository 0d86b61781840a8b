use std::borrow::Cow;
use std::ops::Range;

use rscir_core::{
    Archive, ColumnType, ColumnValues, EncoderSpec, Error, Moments, QuantizedPart, Queries, Scored, Value,
};

use super::Int8Index;

/// The archive of an index, which finds nearest rows by the index. Methods that look at the archive before they
/// ask get this one.
pub(super) struct Pruned<'a, A> {
    index: &'a Int8Index<A>,
    archive: &'a A,
}

impl<'a, A: Archive> Pruned<'a, A> {
    /// Makes the archive of an index.
    pub(super) fn of(index: &'a Int8Index<A>) -> Self {
        Self { index, archive: index.archive() }
    }
}

impl<A: Archive> Archive for Pruned<'_, A> {
    fn spec(&self) -> &EncoderSpec {
        self.archive.spec()
    }

    fn len(&self) -> usize {
        self.archive.len()
    }

    fn key(&self, row: usize) -> &str {
        self.archive.key(row)
    }

    fn checked_key(&self, row: usize) -> rscir_core::Result<&str> {
        self.archive.checked_key(row)
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.archive.find(key)
    }

    fn vector(&self, row: usize) -> Cow<'_, [f32]> {
        self.archive.vector(row)
    }

    fn fetch(&self, rows: Range<usize>) {
        self.archive.fetch(rows);
    }

    fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> rscir_core::Result<()> {
        self.archive.similarities(queries, scores)
    }

    fn moments(&self) -> &Moments {
        self.archive.moments()
    }

    fn nearest(&self, queries: Queries<'_>, k: usize) -> rscir_core::Result<Vec<Vec<Scored>>> {
        if !self.index.pays(k) {
            return self.archive.nearest(queries, k);
        }
        Error::check_length("width of the query", self.dim(), queries.dim())?;
        self.index.nearest(queries, k).map_err(|error| Error::from_source("finding the nearest rows", error))
    }

    fn quantized(&self) -> Vec<QuantizedPart<'_>> {
        self.archive.quantized()
    }

    fn columns(&self) -> Vec<(&str, ColumnType)> {
        self.archive.columns()
    }

    fn column(&self, name: &str) -> Option<ColumnValues<'_>> {
        self.archive.column(name)
    }

    fn check_column(&self, name: &str) -> rscir_core::Result<()> {
        self.archive.check_column(name)
    }

    fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
        self.archive.value(name, row)
    }
}
