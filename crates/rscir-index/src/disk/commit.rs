use std::collections::HashMap;

use rscir_core::{
    ColumnSchema, EmbeddingSink, Embeddings, Error as CoreError, Fingerprint, RowValues, SinkRow,
};

use crate::columns::Columns;
use crate::disk::segment::{Layer, Layers, Row};
use crate::disk::writer::{ArchiveWriter, segment_at};
use crate::rows::encode;
use crate::{Error, Result};

impl ArchiveWriter {
    /// Commits a batch, durably: `rows[i]` describes row `i` of `embeddings`.
    ///
    /// A row whose key is already there replaces that row and moves to the end of the order of commits. Columns
    /// that the new row's [values](SinkRow::values) do not name keep the old value.
    ///
    /// # Errors
    /// [`rscir_core::Error::Length`] if the counts or the width do not fit; [`Error::DuplicateKey`] if the batch
    /// has a key twice; [`Error::ColumnType`] if a column of the archive has another type;
    /// [`Error::TooManyColumns`] if the archive would have more than 64 columns; [`Error::Damaged`] if a segment
    /// is damaged from which rows or values are copied; [`Error::Io`] if a file cannot be written;
    /// [`Error::LockLost`] if the lock is lost; [`Error::Poisoned`] after a failed sync.
    pub fn commit(&mut self, rows: &[SinkRow<'_>], embeddings: &Embeddings) -> Result<()> {
        self.append(rows, embeddings, None)
    }

    /// Checks that the archive can take these columns.
    pub(crate) fn check_types(&self, columns: &Columns) -> Result<()> {
        self.schema()?.add(columns.types())
    }

    /// Checks that the archive can take rows with these values.
    pub(crate) fn check_row_types<'a>(&self, values: impl Iterator<Item = &'a RowValues<'a>>) -> Result<()> {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let mut schema = self.schema()?;
        let mut last: &[ColumnSchema] = &[];
        for row in values {
            // Rows of one source share their columns, so most comparisons are of pointers.
            if !std::ptr::eq(last, row.columns()) {
                last = row.columns();
                schema.add_all(last)?;
            }
        }
        Ok(())
    }

    /// Commits rows with `columns`, or, without them, each row with the columns of the row that it replaces.
    /// Values that a row itself carries take precedence.
    pub(crate) fn append(
        &mut self,
        rows: &[SinkRow<'_>],
        embeddings: &Embeddings,
        columns: Option<&Columns>,
    ) -> Result<()> {
        self.check_health()?;
        CoreError::check_length("described rows (one per embedding)", embeddings.len(), rows.len())?;
        CoreError::check_length("width of the embeddings", self.spec().dim, embeddings.dim())?;
        check_distinct(rows.iter().map(|row| row.key))?;
        if let Some(columns) = columns {
            columns.check_rows(rows.len())?;
            self.check_types(columns)?;
        }
        self.check_row_types(rows.iter().filter_map(|row| row.values))?;
        if rows.is_empty() {
            return Ok(());
        }
        self.merge_small_segments(rows.len())?;

        let dim = self.spec().dim;
        let encoded = encode(self.precision(), dim, embeddings.as_slice())?;
        let kept = if columns.is_none() { self.valued_rows(rows)? } else { HashMap::new() };
        let values = |i: usize| {
            let lower = match columns {
                Some(columns) => Some(Layer::Columns(columns, i)),
                None => {
                    kept.get(&i).map(|&(segment, row)| Layer::Stored(&self.segments[segment].segment, row))
                }
            };
            Layers::new(rows[i].values.map(Layer::Row), lower)
        };
        let written = self.write_segments(rows.len(), &|i| Row {
            key: rows[i].key,
            fingerprint: rows[i].fingerprint,
            vector: encoded.stored().slice(dim, i..i + 1),
            values: values(i),
        });
        let written = self.note_doubt(written)?;
        let mut manifest = self.manifest.begun();
        let keys: Vec<&str> = rows.iter().map(|row| row.key).collect();
        let places = self.places(&keys);
        self.mark_deleted(&mut manifest, &places);
        self.publish(manifest, written, &[])
    }
}

/// Checks that a batch has each key once, because readers could not know the order of two rows of one key.
///
/// # Errors
/// [`Error::DuplicateKey`] with the first key that is there twice.
pub(crate) fn check_distinct<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> Result<()> {
    let mut first_rows = HashMap::with_capacity(keys.len());
    for (second, key) in keys.enumerate() {
        if let Some(first) = first_rows.insert(key, second) {
            return Err(Error::DuplicateKey { key: key.into(), first, second });
        }
    }
    Ok(())
}

impl EmbeddingSink for ArchiveWriter {
    fn fingerprint(&self, key: &str) -> Option<Fingerprint> {
        let place = self.find(key)?.place;
        Some(self.segments[segment_at(&self.segments, place)].segment.fingerprint(place.row as usize))
    }

    /// Commits a batch, as [`ArchiveWriter::commit`] does.
    fn commit(&mut self, rows: &[SinkRow<'_>], embeddings: &Embeddings) -> rscir_core::Result<()> {
        Ok(self.append(rows, embeddings, None)?)
    }

    fn check_columns(&self, columns: &[ColumnSchema]) -> rscir_core::Result<()> {
        Ok(self.schema()?.add_all(columns)?)
    }

    /// Updates columns, as [`ArchiveWriter::update_columns`] does, with the values of each row given apart.
    fn update_values(&mut self, keys: &[&str], values: &[RowValues<'_>]) -> rscir_core::Result<usize> {
        Ok(self.update_rows(keys, values)?)
    }

    /// Deletes rows, as [`ArchiveWriter::delete`] does.
    fn retain(
        &mut self,
        keep: &mut dyn FnMut(&str, Fingerprint) -> bool,
    ) -> rscir_core::Result<Option<usize>> {
        let is_going = |key: &&str| self.fingerprint(key).is_some_and(|fingerprint| !keep(key, fingerprint));
        let going: Vec<String> = self.keys().filter(is_going).map(String::from).collect();
        let going: Vec<&str> = going.iter().map(String::as_str).collect();
        Ok(Some(self.delete(&going)?))
    }
}
