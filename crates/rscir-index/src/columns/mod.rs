mod keyed;
mod schema;

pub use keyed::KeyedColumns;
pub(crate) use schema::Schema;

use std::collections::BTreeMap;

use rscir_core::{Archive, ColumnType, ColumnValues, Date, RowValues, Value};

use crate::{Error, Result};

/// Most columns that an archive has.
pub(crate) const MAX_COLUMNS: usize = 64;

/// Most bytes of a column's name.
const MAX_NAME: usize = 64;

/// The values of one column, `None` where a row has none.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Text.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Numbers.
    Float(Vec<Option<f64>>),
    /// Yes or no.
    Bool(Vec<Option<bool>>),
    /// Days.
    Date(Vec<Option<Date>>),
    /// Lists of numbers; those of a bounding box are smallest x, smallest y, largest x, largest y.
    Floats(Vec<Option<Vec<f64>>>),
}

impl Column {
    /// A column without rows.
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

    /// The type of its values.
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

    /// Number of rows, those without a value included.
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

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it holds for row `row`: nothing too beyond its end.
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

    /// Appends what another column of its type holds for a row. A value of another type counts as none.
    fn push(&mut self, value: Option<Value<'_>>) {
        self.set(self.len(), value);
    }

    /// Sets what row `row` holds; rows before it that are not there yet get no value. A value of another type counts as none.
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
            /// A value for every row.
            fn from(values: Vec<$value>) -> Self {
                Self::$variant(values.into_iter().map(Some).collect())
            }
        }
    )*};
}

column_from!(Text of String, Int of i64, Float of f64, Bool of bool, Date of Date, Floats of Vec<f64>);

impl From<Vec<&str>> for Column {
    /// A value for every row.
    fn from(values: Vec<&str>) -> Self {
        values.into_iter().map(String::from).collect::<Vec<_>>().into()
    }
}

/// Named columns of as many rows each: what is known of the rows beside their vectors.
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
    /// No column yet, of `rows` rows.
    #[must_use]
    pub fn new(rows: usize) -> Self {
        Self { rows, columns: BTreeMap::new() }
    }

    /// All columns of an archive.
    #[must_use]
    pub fn of_archive(archive: &dyn Archive) -> Self {
        let columns = archive.columns().into_iter().map(|(name, column_type)| {
            let mut column = Column::empty(column_type);
            archive.column(name).into_iter().flatten().for_each(|value| column.push(value));
            (name.into(), column)
        });
        Self { rows: archive.len(), columns: columns.collect() }
    }

    /// All columns of some rows of an archive, in the order of `rows`. A row that is not there has no values.
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

    /// With a column, in place of one of that name.
    ///
    /// # Errors
    /// [`Error::ColumnLength`] if it has another number of rows; [`Error::ColumnName`] if the name is empty, longer than
    /// 64 bytes or has control characters; [`Error::TooManyColumns`] above 64.
    pub fn with(mut self, name: &str, column: impl Into<Column>) -> Result<Self> {
        self.insert(name, column.into())?;
        Ok(self)
    }

    /// As [`Columns::with`], in place.
    ///
    /// # Errors
    /// As [`Columns::with`]; nothing is changed then.
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

    /// Makes room for rows without a value, up to `rows` rows in all.
    pub(crate) fn extend_to(&mut self, rows: usize) {
        for column in self.columns.values_mut().filter(|column| column.len() < rows) {
            column.set(rows - 1, None);
        }
        self.rows = self.rows.max(rows);
    }

    /// Sets what row `row`, which is there, holds in the columns of `values`, whose types are those of the columns of their
    /// names.
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

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// True without a column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The columns, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), column))
    }

    /// Names and types, sorted by name.
    pub fn types(&self) -> impl Iterator<Item = (&str, ColumnType)> {
        self.iter().map(|(name, column)| (name, column.column_type()))
    }

    /// The column of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// What column `name` holds for row `row`.
    #[must_use]
    pub fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
        self.get(name)?.value(row)
    }

    /// The values of column `name`, in row order.
    pub(crate) fn values(&self, name: &str) -> Option<ColumnValues<'_>> {
        let column = self.get(name)?;
        Some(Box::new((0..self.rows).map(|row| column.value(row))))
    }

    /// `Ok` if there is a row for each of `rows` that they describe.
    pub(crate) fn check_rows(&self, rows: usize) -> Result<()> {
        match self.columns.iter().next() {
            Some((name, column)) if self.rows != rows => {
                Err(Error::ColumnLength { column: name.clone(), rows, got: column.len() })
            }
            _ => Ok(()),
        }
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Error::ColumnName { name: name.into(), limit: MAX_NAME });
    }
    Ok(())
}
