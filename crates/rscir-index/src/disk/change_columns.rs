use std::collections::HashMap;

use rscir_core::{Embeddings, SinkRow};

use crate::Columns;
use crate::Result;
use crate::disk::segment::{Row, RowValues, Segment};
use crate::disk::writer::{ArchiveWriter, check_distinct, segment_at};

impl ArchiveWriter {
    /// [`commit`](rscir_core::EmbeddingSink::commit) with columns: row `i` of `columns` is that of `rows[i]`.
    ///
    /// Batches need not have the same columns; a row has no value in those it came without. A column in which no row
    /// has a value is not kept.
    ///
    /// # Errors
    /// As there, and [`Error::ColumnLength`](crate::Error::ColumnLength);
    /// [`Error::ColumnType`](crate::Error::ColumnType) if the archive has a column of that name and of another type (until a
    /// compaction also if its rows are all deleted); [`Error::TooManyColumns`](crate::Error::TooManyColumns).
    pub fn commit_with_columns(
        &mut self,
        rows: &[SinkRow<'_>],
        embeddings: &Embeddings,
        columns: &Columns,
    ) -> Result<()> {
        self.append(rows, embeddings, Some(columns))
    }

    /// Gives the rows under `keys` other columns, in place of all that they have, and tells how many were changed; row
    /// `i` of `columns` is that of `keys[i]`. A key without a row is passed over, and so is a row that has these values.
    ///
    /// A row that is changed moves to the end of the order of commits, with its vector and its fingerprint. To change some
    /// columns and leave the others, see [`ArchiveWriter::update_columns`].
    ///
    /// # Errors
    /// As [`ArchiveWriter::commit_with_columns`], and [`Error::Damaged`](crate::Error::Damaged) as
    /// [`ArchiveWriter::compact`].
    pub fn set_columns(&mut self, keys: &[&str], columns: &Columns) -> Result<usize> {
        self.change_columns(keys, columns, |columns, i, _, _| RowValues::Given(columns, i))
    }

    /// Gives the rows under `keys` the values of these columns, and leaves their other columns as they are; otherwise as
    /// [`ArchiveWriter::set_columns`]. Where a column has no value for a row, the row has none afterwards.
    ///
    /// # Errors
    /// As [`ArchiveWriter::set_columns`].
    pub fn update_columns(&mut self, keys: &[&str], columns: &Columns) -> Result<usize> {
        self.change_columns(keys, columns, |columns, i, segment, row| {
            RowValues::Updated(columns, i, segment, row)
        })
    }

    fn change_columns(
        &mut self,
        keys: &[&str],
        columns: &Columns,
        values: impl for<'a> Fn(&'a Columns, usize, &'a Segment, usize) -> RowValues<'a> + Sync,
    ) -> Result<usize> {
        self.check_health()?;
        columns.check_rows(keys.len())?;
        check_distinct(keys.iter().copied())?;
        self.check_types(columns)?;
        self.merge_small_segments(keys.len())?;
        let changed: Vec<(usize, usize, usize)> = keys
            .iter()
            .enumerate()
            .filter_map(|(i, &key)| {
                let (segment, row) = self.row_of(key)?;
                let stored = &self.segments[segment].segment;
                let new = values(columns, i, stored, row).all();
                (RowValues::Stored(stored, row).all() != new).then_some((i, segment, row))
            })
            .collect();
        if changed.is_empty() {
            return Ok(0);
        }
        self.check_copied(changed.iter().map(|&(_, segment, _)| segment))?;
        let written = self.write_segments(changed.len(), &|at| {
            let (i, segment, row) = changed[at];
            let stored = &self.segments[segment].segment;
            Row { values: values(columns, i, stored, row), ..stored.row(row) }
        });
        let written = self.note_doubt(written)?;
        let mut manifest = self.manifest.clone();
        let changed_keys: Vec<&str> = changed.iter().map(|&(i, ..)| keys[i]).collect();
        let places = self.places(&changed_keys);
        self.mark_deleted(&mut manifest, &places);
        self.publish(manifest, written, &[])?;
        Ok(changed.len())
    }

    /// Those of `rows`, by their position, whose key has a row with columns: its segment and its row there. The segments are
    /// what was written, for the values are to be copied.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged).
    pub(crate) fn valued_rows(&self, rows: &[SinkRow<'_>]) -> Result<HashMap<usize, (usize, usize)>> {
        if self.segments.iter().all(|s| s.segment.columns().next().is_none()) {
            return Ok(HashMap::new());
        }
        let valued: HashMap<usize, (usize, usize)> = rows
            .iter()
            .enumerate()
            .filter_map(|(i, row)| {
                let (segment, row) = self.row_of(row.key)?;
                let values = RowValues::Stored(&self.segments[segment].segment, row).all();
                (!values.is_empty()).then_some((i, (segment, row)))
            })
            .collect();
        self.check_copied(valued.values().map(|&(segment, _)| segment))?;
        Ok(valued)
    }

    /// Position of the segment that holds the row of a key, and the row there.
    fn row_of(&self, key: &str) -> Option<(usize, usize)> {
        let place = self.find(key)?.place;
        Some((segment_at(&self.segments, place), place.row as usize))
    }
}
