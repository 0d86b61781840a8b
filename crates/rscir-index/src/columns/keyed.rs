use std::fmt;
use std::path::Path;

use rscir_core::{ColumnSchema, ColumnTable, RowValues};

use super::Columns;
use crate::Result;
use crate::key_index::KeyIndex;
use crate::memory::index_of_unique;

/// Columns with a key for each row: a table of what is known about images, beside their files.
///
/// ```
/// use rscir_core::{ColumnTable, ColumnType};
/// use rscir_index::KeyedColumns;
///
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("tiles.csv");
/// std::fs::write(&file, "key,label,cloud\na.tif,harbor,0.25\nb.tif,sea,\n")?;
/// let table = KeyedColumns::read(&file, "key")?;
/// assert_eq!(table.find("b.tif"), Some(1));
/// assert_eq!(table.columns().types().next(), Some(("cloud", ColumnType::Float)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyedColumns {
    keys: Vec<String>,
    index: KeyIndex,
    columns: Columns,
    schema: Vec<ColumnSchema>,
}

impl fmt::Debug for KeyedColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedColumns").field("rows", &self.keys.len()).field("schema", &self.schema).finish()
    }
}

impl KeyedColumns {
    /// Makes a table in which row `i` of `columns` has the key `keys[i]`.
    ///
    /// # Errors
    /// [`Error::ColumnLength`](crate::Error::ColumnLength) if the counts differ;
    /// [`Error::DuplicateKey`](crate::Error::DuplicateKey) if two keys are equal.
    pub fn new(keys: Vec<String>, columns: Columns) -> Result<Self> {
        columns.check_rows(keys.len())?;
        let index = index_of_unique(keys.len(), |row| &keys[row])?;
        let schema =
            columns.types().map(|(name, column_type)| ColumnSchema::new(name, column_type)).collect();
        Ok(Self { keys, index, columns, schema })
    }

    /// Reads a table: a `.csv` file, or with the feature `tables` a `.parquet` file. Its column `key_column`
    /// holds the keys; all others are columns, except that a column `embedding` of a Parquet file is left out.
    ///
    /// The first line of a CSV file names the columns. A column has the first of these types that all its values
    /// have: bool (`true`, `false`), int, float, date (`2024-02-29`), floats (`"[4.1, 51.9]"`), text. Values that
    /// would be written in another way than they were read (`007`, a whole number beyond 64 bits) make the column
    /// text. An empty field is no value.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) with the path if the extension is unknown, the column `key_column` is
    /// missing, a name cannot be a column's, or there are too many columns; [`Error::Input`](crate::Error::Input)
    /// with the line if a line of a CSV file has another number of fields, no key, or the key of an earlier line.
    pub fn read(path: impl AsRef<Path>, key_column: &str) -> Result<Self> {
        crate::interop::read_table(path.as_ref(), key_column)
    }

    /// Returns the columns. Their rows are in the order of the keys.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Returns the keys, in the order of the rows.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }
}

impl ColumnTable for KeyedColumns {
    fn columns(&self) -> &[ColumnSchema] {
        &self.schema
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn key(&self, row: usize) -> &str {
        &self.keys[row]
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.index.find(key, |row| &self.keys[row])
    }

    fn values(&self, row: usize, values: &mut RowValues<'_>) -> rscir_core::Result<()> {
        let present = self.columns.iter().filter_map(|(name, column)| Some((name, column.value(row)?)));
        for (name, value) in present {
            values.set(name, value)?;
        }
        Ok(())
    }
}
