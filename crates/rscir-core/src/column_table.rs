use crate::{ColumnSchema, Result, RowValues};

/// Values of columns under the keys of rows, such as a table beside a list of images.
///
/// A row is a position in the table, from 0. Keys are distinct.
pub trait ColumnTable: Send + Sync {
    /// Returns the columns.
    fn columns(&self) -> &[ColumnSchema];

    /// Returns the number of rows.
    fn len(&self) -> usize;

    /// Returns the key of row `row`.
    fn key(&self, row: usize) -> &str;

    /// Returns the row of `key`, or `None` if the table has no such key.
    fn find(&self, key: &str) -> Option<usize>;

    /// Sets the values of row `row` in `values`, which may have other columns too.
    ///
    /// # Errors
    /// The errors of [`RowValues::set`].
    fn values(&self, row: usize, values: &mut RowValues<'_>) -> Result<()>;

    /// Tells whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
