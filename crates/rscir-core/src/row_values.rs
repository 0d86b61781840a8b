use crate::{ColumnType, Date, Error, Result, Value};

/// Name and type of a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnSchema {
    /// Name of the column.
    pub name: String,
    /// Type of the column's values.
    pub column_type: ColumnType,
}

impl ColumnSchema {
    /// Makes a schema of a name and a type.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self { name: name.into(), column_type }
    }
}

/// Values of a row beside its vector: one or none for each of its columns.
///
/// ```
/// use rscir_core::{ColumnSchema, ColumnType, RowValues, Value};
///
/// let columns =
///     [ColumnSchema::new("label", ColumnType::Text), ColumnSchema::new("footprint", ColumnType::Floats)];
/// let mut row = RowValues::new(&columns);
/// row.set("label", Value::Text("harbor"))?;
/// assert_eq!((row.get("label"), row.get("footprint")), (Some(Value::Text("harbor")), None));
/// assert!(row.set("label", Value::Int(7)).is_err());
/// # Ok::<(), rscir_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RowValues<'s> {
    columns: &'s [ColumnSchema],
    /// Either one entry for each column, or empty as long as no value was set.
    values: Vec<Option<OwnedValue>>,
}

/// A value that the row owns.
#[derive(Debug, Clone, PartialEq)]
enum OwnedValue {
    Text(Box<str>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Date(Date),
    Floats(Box<[f64]>),
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Text(v) => Self::Text(v.into()),
            Value::Int(v) => Self::Int(v),
            Value::Float(v) => Self::Float(v),
            Value::Bool(v) => Self::Bool(v),
            Value::Date(v) => Self::Date(v),
            Value::Floats(v) => Self::Floats(v.into()),
        }
    }
}

impl OwnedValue {
    fn view(&self) -> Value<'_> {
        match self {
            Self::Text(v) => Value::Text(v),
            Self::Int(v) => Value::Int(*v),
            Self::Float(v) => Value::Float(*v),
            Self::Bool(v) => Value::Bool(*v),
            Self::Date(v) => Value::Date(*v),
            Self::Floats(v) => Value::Floats(v),
        }
    }
}

impl<'s> RowValues<'s> {
    /// Makes a row without a value in any of `columns`.
    #[must_use]
    pub fn new(columns: &'s [ColumnSchema]) -> Self {
        Self { columns, values: Vec::new() }
    }

    /// Returns the columns.
    #[must_use]
    pub fn columns(&self) -> &'s [ColumnSchema] {
        self.columns
    }

    /// Sets the value of column `name`, and replaces an earlier one.
    ///
    /// # Errors
    /// [`Error::NoColumn`] if there is no column `name`; [`Error::ColumnValue`] if the column has another
    /// type. On an error, nothing changes.
    pub fn set(&mut self, name: &str, value: Value<'_>) -> Result<()> {
        let got = value.column_type();
        let Some(at) = self.position(name) else {
            return Err(Error::NoColumn { column: name.into() });
        };
        let expected = self.columns[at].column_type;
        if expected != got {
            return Err(Error::ColumnValue { column: name.into(), expected, got });
        }
        self.values.resize(self.columns.len(), None);
        self.values[at] = Some(value.into());
        Ok(())
    }

    /// Returns the value of column `name`, or `None` if the row has no such value or no such column.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.value(self.position(name)?)
    }

    /// Returns all columns with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'s ColumnSchema, Option<Value<'_>>)> {
        self.columns.iter().enumerate().map(|(at, column)| (column, self.value(at)))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    fn value(&self, at: usize) -> Option<Value<'_>> {
        self.values.get(at)?.as_ref().map(OwnedValue::view)
    }
}
