mod keyed;
mod schema;

pub use keyed::KeyedColumns;
pub(crate) use schema::Schema;

use std::collections::BTreeMap;

use rscir_core::{Archive, ColumnType, ColumnValues, Date, RowValues, Value};

use crate::{Error, Result};

/// Largest number of columns of an archive.
pub(crate) const MAX_COLUMNS: usize = 64;

/// Largest length of a column's name, in bytes.
const MAX_NAME: usize = 64;

/// Values of one column in the order of the rows; `None` where a row has no value.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Text.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Numbers.
    Float(Vec<Option<f64>>),
    /// Truth values.
    Bool(Vec<Option<bool>>),
    /// Days.
    Date(Vec<Option<Date>>),
    /// Lists of numbers; a bounding box is smallest x, smallest y, largest x, largest y.
    Floats(Vec<Option<Vec<f64>>>),
}

impl Column {
    /// Makes a column without rows.
    fn empty(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Text => Self::Text(Vec::new()),
            ColumnType::Int => Self::Int(Vec::new()),
            ColumnType::Float => Self::Float(Vec::new()),
            ColumnType::Bool => Self::Bool(Vec::new()),
            ColumnType::Date => Self::Date(Vec::new()),
            ColumnType::Floats => Self::Floats(Vec::new()),
        }
    }

    /// Returns the type of the column's values.
    #[must_use]
    pub fn column_type(&self) -> ColumnType {
        match self {
            Self::Text(_) => ColumnType::Text,
            Self::Int(_) => ColumnType::Int,
            Self::Float(_) => ColumnType::Float,
            Self::Bool(_) => ColumnType::Bool,
            Self::Date(_) => ColumnType::Date,
            Self::Floats(_) => ColumnType::Floats,
        }
    }

    /// Returns the number of rows, including rows without a value.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(v) => v.len(),
            Self::Int(v) => v.len(),
            Self::Float(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Date(v) => v.len(),
            Self::Floats(v) => v.len(),
        }
    }

    /// Tells whether the column has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value of row `row`, or `None` if the row has no value or the column no such row.
    #[must_use]
    pub fn value(&self, row: usize) -> Option<Value<'_>> {
        match self {
            Self::Text(v) => v.get(row)?.as_deref().map(Value::Text),
            Self::Int(v) => v.get(row)?.map(Value::Int),
            Self::Float(v) => v.get(row)?.map(Value::Float),
            Self::Bool(v) => v.get(row)?.map(Value::Bool),
            Self::Date(v) => v.get(row)?.map(Value::Date),
            Self::Floats(v) => v.get(row)?.as_deref().map(Value::Floats),
        }
    }

    /// Appends a row. A value of another type than the column's counts as none.
    fn push(&mut self, value: Option<Value<'_>>) {
        self.set(self.len(), value);
    }

    /// Sets the value of row `row`, and adds rows without a value before it as far as they are missing. A value
    /// of another type than the column's counts as none.
    fn set(&mut self, row: usize, value: Option<Value<'_>>) {
        macro_rules! set {
            ($column:expr, $variant:ident, $own:expr) => {{
                if $column.len() <= row {
                    $column.resize(row + 1, None);
                }
                $column[row] = match value {
                    Some(Value::$variant(v)) => Some($own(v)),
                    _ => None,
                };
            }};
        }
        match self {
            Self::Text(column) => set!(column, Text, String::from),
            Self::Int(column) => set!(column, Int, i64::from),
            Self::Float(column) => set!(column, Float, f64::from),
            Self::Bool(column) => set!(column, Bool, bool::from),
            Self::Date(column) => set!(column, Date, Date::from),
            Self::Floats(column) => set!(column, Floats, <[f64]>::to_vec),
        }
    }
}

macro_rules! column_from {
    ($($variant:ident of $value:ty),*) => {$(
        impl From<Vec<Option<$value>>> for Column {
            fn from(values: Vec<Option<$value>>) -> Self {
                Self::$variant(values)
            }
        }

        impl From<Vec<$value>> for Column {
            /// Makes a column with a value in every row.
            fn from(values: Vec<$value>) -> Self {
                Self::$variant(values.into_iter().map(Some).collect())
            }
        }
    )*};
}

column_from!(Text of String, Int of i64, Float of f64, Bool of bool, Date of Date, Floats of Vec<f64>);

impl From<Vec<&str>> for Column {
    /// Makes a column with a value in every row.
    fn from(values: Vec<&str>) -> Self {
        values.into_iter().map(String::from).collect::<Vec<_>>().into()
    }
}

/// Named columns of equal length: what is known about the rows beside their vectors.
///
/// ```
/// use rscir_core::{ColumnType, Value};
/// use rscir_index::Columns;
///
/// let columns = Columns::new(2)
///     .with("label", vec!["harbor", "sea"])?
///     .with("cloud", vec![Some(0.25), None])?
///     .with("bbox", vec![vec![4.1, 51.9, 4.2, 52.0], vec![3.0, 52.0, 3.1, 52.1]])?;
/// assert_eq!(columns.value("cloud", 0), Some(Value::Float(0.25)));
/// assert_eq!(columns.value("cloud", 1), None);
/// # Ok::<(), rscir_index::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Columns {
    rows: usize,
    columns: BTreeMap<String, Column>,
}

impl Columns {
    /// Makes a set without columns, for `rows` rows.
    #[must_use]
    pub fn new(rows: usize) -> Self {
        Self { rows, columns: BTreeMap::new() }
    }

    /// Copies all columns of an archive.
    #[must_use]
    pub fn of_archive(archive: &dyn Archive) -> Self {
        let columns = archive.columns().into_iter().map(|(name, column_type)| {
            let mut column = Column::empty(column_type);
            archive.column(name).into_iter().flatten().for_each(|value| column.push(value));
            (name.into(), column)
        });
        Self { rows: archive.len(), columns: columns.collect() }
    }

    /// Copies all columns for some rows of an archive, in the order of `rows`. A row that the archive does not
    /// have gets no values.
    #[must_use]
    pub fn of_rows(archive: &dyn Archive, rows: &[usize]) -> Self {
        let columns = archive.columns().into_iter().map(|(name, column_type)| {
            let mut column = Column::empty(column_type);
            let value = |row: usize| (row < archive.len()).then(|| archive.value(name, row)).flatten();
            rows.iter().for_each(|&row| column.push(value(row)));
            (name.into(), column)
        });
        Self { rows: rows.len(), columns: columns.collect() }
    }

    /// Adds a column. A column of the same name is replaced.
    ///
    /// # Errors
    /// [`Error::ColumnLength`] if the column has another number of rows; [`Error::ColumnName`] if the name is
    /// empty, longer than 64 bytes or has control characters; [`Error::TooManyColumns`] if there are 64 columns
    /// already.
    pub fn with(mut self, name: &str, column: impl Into<Column>) -> Result<Self> {
        self.insert(name, column.into())?;
        Ok(self)
    }

    /// Adds a column in place. A column of the same name is replaced.
    ///
    /// # Errors
    /// The errors of [`Columns::with`]; the set is unchanged then.
    pub fn insert(&mut self, name: &str, column: Column) -> Result<()> {
        check_name(name)?;
        if column.len() != self.rows {
            return Err(Error::ColumnLength { column: name.into(), rows: self.rows, got: column.len() });
        }
        if self.columns.len() == MAX_COLUMNS && !self.columns.contains_key(name) {
            return Err(Error::TooManyColumns { limit: MAX_COLUMNS });
        }
        self.columns.insert(name.into(), column);
        Ok(())
    }

    /// Adds rows without a value until there are `rows` rows.
    pub(crate) fn extend_to(&mut self, rows: usize) {
        for column in self.columns.values_mut().filter(|column| column.len() < rows) {
            column.set(rows - 1, None);
        }
        self.rows = self.rows.max(rows);
    }

    /// Sets the values of the existing row `row`. Each value has the type of the column of its name; columns that
    /// are missing are added.
    pub(crate) fn set_row(&mut self, row: usize, values: &RowValues<'_>) {
        for (schema, value) in values.iter() {
            match self.columns.get_mut(&schema.name) {
                Some(column) => column.set(row, value),
                None if value.is_none() => {}
                None => {
                    let mut column = Column::empty(schema.column_type);
                    column.set(self.rows - 1, None);
                    column.set(row, value);
                    self.columns.insert(schema.name.clone(), column);
                }
            }
        }
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Tells whether there are no columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Iterates over the columns with their names, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), column))
    }

    /// Iterates over the names and types of the columns, sorted by name.
    pub fn types(&self) -> impl Iterator<Item = (&str, ColumnType)> {
        self.iter().map(|(name, column)| (name, column.column_type()))
    }

    /// Returns a column, or `None` if there is none of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// Returns the value of column `name` for row `row`, or `None` if the column or the row is missing or the row
    /// has no value.
    #[must_use]
    pub fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
        self.get(name)?.value(row)
    }

    /// Iterates over the values of a column in the order of the rows, or returns `None` if there is no such
    /// column.
    pub(crate) fn values(&self, name: &str) -> Option<ColumnValues<'_>> {
        let column = self.get(name)?;
        Some(Box::new((0..self.rows).map(|row| column.value(row))))
    }

    /// Checks that the columns describe `rows` rows. A set without columns fits any number.
    pub(crate) fn check_rows(&self, rows: usize) -> Result<()> {
        match self.columns.iter().next() {
            Some((name, column)) if self.rows != rows => {
                Err(Error::ColumnLength { column: name.clone(), rows, got: column.len() })
            }
            _ => Ok(()),
        }
    }
}

/// Checks that a column can have this name.
fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Error::ColumnName { name: name.into(), limit: MAX_NAME });
    }
    Ok(())
}
