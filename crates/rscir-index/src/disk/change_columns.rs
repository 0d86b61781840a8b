use std::collections::HashMap;

use rscir_core::{Embeddings, Error as CoreError, RowValues, SinkRow};

use crate::Columns;
use crate::Result;
use crate::disk::commit::check_distinct;
use crate::disk::segment::{Layer, Layers, Row, Segment};
use crate::disk::writer::{ArchiveWriter, segment_at};

/// Values that rows are to have.
#[derive(Clone, Copy)]
enum Change<'a> {
    /// These, and no others.
    Replace(&'a Columns),
    /// These in their columns, the others as they are.
    Update(&'a Columns),
    /// As `Update`, for each row its own columns.
    UpdateRows(&'a [RowValues<'a>]),
}

impl<'a> Change<'a> {
    /// The values of row `i` of the change, whose present ones are in a segment.
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
        columns.check_rows(keys.len())?;
        self.check_types(columns)?;
        self.change_columns(keys, Change::Replace(columns))
    }

    /// Gives the rows under `keys` the values of these columns, and leaves their other columns as they are; otherwise as
    /// [`ArchiveWriter::set_columns`]. Where a column has no value for a row, the row has none afterwards.
    ///
    /// # Errors
    /// As [`ArchiveWriter::set_columns`].
    pub fn update_columns(&mut self, keys: &[&str], columns: &Columns) -> Result<usize> {
        columns.check_rows(keys.len())?;
        self.check_types(columns)?;
        self.change_columns(keys, Change::Update(columns))
    }

    /// As [`ArchiveWriter::update_columns`], with the values of row `i` in `values[i]`.
    pub(crate) fn update_rows(&mut self, keys: &[&str], values: &[RowValues<'_>]) -> Result<usize> {
        CoreError::check_length("rows of values (one per key)", keys.len(), values.len())?;
        self.check_row_types(values.iter())?;
        self.change_columns(keys, Change::UpdateRows(values))
    }

    fn change_columns(&mut self, keys: &[&str], change: Change<'_>) -> Result<usize> {
        self.check_health()?;
        check_distinct(keys.iter().copied())?;
        // A merge moves rows, so it comes first; it is in vain where nothing changes.
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

    /// The rows that a change changes: position in `keys`, segment, row there.
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
                let values = Layers::from(Layer::Stored(&self.segments[segment].segment, row)).all();
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
