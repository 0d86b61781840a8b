use std::collections::HashMap;

use rscir_core::{Embeddings, Error as CoreError, RowValues, SinkRow};

use crate::Columns;
use crate::Result;
use crate::disk::commit::check_distinct;
use crate::disk::segment::{Layer, Layers, Row, Segment};
use crate::disk::writer::{ArchiveWriter, segment_at};

/// The values that rows get.
#[derive(Clone, Copy)]
enum Change<'a> {
    /// Rows get the values of these columns, and no others.
    Replace(&'a Columns),
    /// Rows get the values of these columns, and keep those of all other columns.
    Update(&'a Columns),
    /// Like `Update`, with columns of its own for each row.
    UpdateRows(&'a [RowValues<'a>]),
}

impl<'a> Change<'a> {
    /// Returns the new values of row `i` of the change. Row `row` of `segment` has its present ones.
    fn values(self, i: usize, segment: &'a Segment, row: usize) -> Layers<'a> {
        let stored = Some(Layer::Stored(segment, row));
        match self {
            Self::Replace(columns) => Layer::Columns(columns, i).into(),
            Self::Update(columns) => Layers::new(Some(Layer::Columns(columns, i)), stored),
            Self::UpdateRows(rows) => Layers::new(rows.get(i).map(Layer::Row), stored),
        }
    }
}

impl ArchiveWriter {
    /// Commits a batch like [`commit`](rscir_core::EmbeddingSink::commit), with columns: row `i` of `columns`
    /// belongs to `rows[i]`.
    ///
    /// Batches may have different columns; a row has no value in the columns that its batch lacks. A column
    /// without a value in any row is not stored.
    ///
    /// # Errors
    /// The errors of [`ArchiveWriter::commit`]; [`Error::ColumnLength`](crate::Error::ColumnLength) if the counts
    /// differ; [`Error::ColumnType`](crate::Error::ColumnType) if the archive has a column of this name with
    /// another type (also one whose rows are all deleted, until a compaction);
    /// [`Error::TooManyColumns`](crate::Error::TooManyColumns) if the archive would have more than 64 columns.
    pub fn commit_with_columns(
        &mut self,
        rows: &[SinkRow<'_>],
        embeddings: &Embeddings,
        columns: &Columns,
    ) -> Result<()> {
        self.append(rows, embeddings, Some(columns))
    }

    /// Replaces all columns of the rows under `keys`, and returns the number of rows that changed. Row `i` of
    /// `columns` belongs to `keys[i]`. Keys without a row are skipped, and so are rows that already have these
    /// values.
    ///
    /// A row that changes moves to the end of the order of commits, with its vector and its fingerprint.
    /// [`ArchiveWriter::update_columns`] changes some columns and keeps the others.
    ///
    /// # Errors
    /// The errors of [`ArchiveWriter::commit_with_columns`]; [`Error::Damaged`](crate::Error::Damaged) if a
    /// segment from which rows are copied is damaged.
    pub fn set_columns(&mut self, keys: &[&str], columns: &Columns) -> Result<usize> {
        columns.check_rows(keys.len())?;
        self.check_types(columns)?;
        self.change_columns(keys, Change::Replace(columns))
    }

    /// Sets some columns of the rows under `keys`, and keeps their other columns; otherwise like
    /// [`ArchiveWriter::set_columns`]. If a column has no value for a row, the row has none afterwards.
    ///
    /// # Errors
    /// The errors of [`ArchiveWriter::set_columns`].
    pub fn update_columns(&mut self, keys: &[&str], columns: &Columns) -> Result<usize> {
        columns.check_rows(keys.len())?;
        self.check_types(columns)?;
        self.change_columns(keys, Change::Update(columns))
    }

    /// Updates columns like [`ArchiveWriter::update_columns`]; `values[i]` are the new values of the row under
    /// `keys[i]`.
    pub(crate) fn update_rows(&mut self, keys: &[&str], values: &[RowValues<'_>]) -> Result<usize> {
        CoreError::check_length("rows of values (one per key)", keys.len(), values.len())?;
        self.check_row_types(values.iter())?;
        self.change_columns(keys, Change::UpdateRows(values))
    }

    /// Writes the rows that a change changes anew, and returns their number.
    fn change_columns(&mut self, keys: &[&str], change: Change<'_>) -> Result<usize> {
        self.check_health()?;
        check_distinct(keys.iter().copied())?;
        // A merge moves rows, so it must precede the search for changed rows. It is skipped if no row changes.
        if self.changed_rows(keys, change).next().is_none() {
            return Ok(0);
        }
        self.merge_small_segments(keys.len())?;
        let changed: Vec<(usize, usize, usize)> = self.changed_rows(keys, change).collect();
        self.check_copied(changed.iter().map(|&(_, segment, _)| segment))?;
        let written = self.write_segments(changed.len(), &|at| {
            let (i, segment, row) = changed[at];
            let stored = &self.segments[segment].segment;
            Row { values: change.values(i, stored, row), ..stored.row(row) }
        });
        let written = self.note_doubt(written)?;
        let mut manifest = self.manifest.begun();
        let changed_keys: Vec<&str> = changed.iter().map(|&(i, ..)| keys[i]).collect();
        let places = self.places(&changed_keys);
        self.mark_deleted(&mut manifest, &places);
        self.publish(manifest, written, &[])?;
        Ok(changed.len())
    }

    /// Iterates over the rows that a change changes: position in `keys`, segment, row of the segment.
    fn changed_rows<'a>(
        &'a self,
        keys: &'a [&str],
        change: Change<'a>,
    ) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        keys.iter().enumerate().filter_map(move |(i, &key)| {
            let (segment, row) = self.row_of(key)?;
            let stored = &self.segments[segment].segment;
            let new = change.values(i, stored, row).all();
            (Layers::from(Layer::Stored(stored, row)).all() != new).then_some((i, segment, row))
        })
    }

    /// Finds those of `rows` whose key has a stored row with values in columns. Returns segment and row by the
    /// position in `rows`. Compares the segments with their checksums, because the values will be copied.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) if a segment differs.
    pub(crate) fn valued_rows(&self, rows: &[SinkRow<'_>]) -> Result<HashMap<usize, (usize, usize)>> {
        if self.segments.iter().all(|s| s.segment.columns().next().is_none()) {
            return Ok(HashMap::new());
        }
        let valued: HashMap<usize, (usize, usize)> = rows
            .iter()
            .enumerate()
            .filter_map(|(i, row)| {
                let (segment, row) = self.row_of(row.key)?;
                let values = Layers::from(Layer::Stored(&self.segments[segment].segment, row)).all();
                (!values.is_empty()).then_some((i, (segment, row)))
            })
            .collect();
        self.check_copied(valued.values().map(|&(segment, _)| segment))?;
        Ok(valued)
    }

    /// Returns the position of the segment that holds the row of a key, and the row's number in it.
    fn row_of(&self, key: &str) -> Option<(usize, usize)> {
        let place = self.find(key)?.place;
        Some((segment_at(&self.segments, place), place.row as usize))
    }
}
