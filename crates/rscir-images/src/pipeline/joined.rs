//! Items with further columns from a table.

use std::borrow::Cow;
use std::path::PathBuf;

use rscir_core::{ColumnSchema, ColumnTable, Fingerprint, ImageEncoder, RowValues, Stage};

use super::items::{Items, Look, Prepared, Refused, attempt};
use super::{IngestOptions, IngestReport};
use crate::{Error, Result};

/// Items, joined by key with the rows of a table.
pub(super) struct Joined<'a> {
    items: &'a dyn Items,
    table: &'a dyn ColumnTable,
    /// The columns of the items, then those of the table.
    columns: Vec<ColumnSchema>,
}

impl<'a> Joined<'a> {
    /// Joins items and table. The report gets the keys without a counterpart, of those in the part that is encoded.
    ///
    /// # Errors
    /// [`Error::ConfigValue`] if items and table have a column of the same name.
    pub(super) fn new(
        items: &'a dyn Items,
        table: &'a dyn ColumnTable,
        options: &IngestOptions<'_>,
        report: &mut IngestReport,
    ) -> Result<Self> {
        let mut columns = items.columns().to_vec();
        for column in table.columns() {
            if items.columns().iter().any(|known| known.name == column.name) {
                return Err(Error::ConfigValue {
                    key: "column".into(),
                    got: column.name.clone(),
                    expected: "one that the images do not have themselves: leave it out of the table",
                });
            }
            columns.push(column.clone());
        }
        let mut used = vec![false; table.len()];
        for item in 0..items.len() {
            let key = items.key(item);
            if !options.holds(&key) {
                continue;
            }
            match table.find(&key).and_then(|row| used.get_mut(row)) {
                Some(used) => *used = true,
                None => report.without_values.add(&key),
            }
        }
        let unused = used.iter().enumerate().filter(|(_, used)| !**used).map(|(row, _)| table.key(row));
        unused.filter(|key| options.holds(key)).for_each(|key| report.unused_values.add(key));
        Ok(Self { items, table, columns })
    }
}

impl Items for Joined<'_> {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn key(&self, item: usize) -> Cow<'_, str> {
        self.items.key(item)
    }

    fn path(&self, item: usize) -> PathBuf {
        self.items.path(item)
    }

    fn look(&self, item: usize, known: Fingerprint) -> Look {
        self.items.look(item, known)
    }

    fn columns(&self) -> &[ColumnSchema] {
        &self.columns
    }

    /// Returns the values of both. An item that is not in the table has no values in the table's columns, so that its
    /// row keeps its own.
    fn values(&self, item: usize) -> Result<RowValues<'_>, Refused> {
        let own = self.items.values(item)?;
        let Some(row) = self.table.find(&self.key(item)) else { return Ok(own) };
        let mut both = RowValues::new(&self.columns);
        attempt(Stage::Columns, || {
            own.iter()
                .filter_map(|(column, value)| Some((column, value?)))
                .try_for_each(|(column, value)| both.set(&column.name, value))?;
            self.table.values(row, &mut both)
        })?;
        Ok(both)
    }

    fn prepare(&self, item: usize, encoder: &dyn ImageEncoder) -> Result<Prepared, Refused> {
        self.items.prepare(item, encoder)
    }
}
