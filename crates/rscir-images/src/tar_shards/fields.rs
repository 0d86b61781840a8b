//! Columns from the members of a sample beside its image.

use std::collections::BTreeMap;

use rscir_core::{ColumnSchema, ColumnType, Date, Result, RowValues, Value};
use serde_json::Value as Json;

/// The values of all samples, and the type that each column has so far.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// Names and values of each sample.
    samples: Vec<Vec<(String, Json)>>,
    types: BTreeMap<String, Kind>,
    /// Number of values that no column can hold.
    pub(super) nested: usize,
}

/// The type that all values of a column have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Is(ColumnType),
    /// All values are texts that are dates.
    Days,
}

impl Kind {
    /// Returns the type of a value that is not null. Returns `None` if columns hold no such values.
    fn of(value: &Json) -> Option<Self> {
        Some(Self::Is(match value {
            Json::String(text) if text.parse::<Date>().is_ok() => return Some(Self::Days),
            Json::String(_) => ColumnType::Text,
            Json::Bool(_) => ColumnType::Bool,
            Json::Number(number) if number.is_i64() => ColumnType::Int,
            Json::Number(number) if number.is_f64() => ColumnType::Float,
            // An integer of more than 64 bits with a sign stays exact as text.
            Json::Number(_) => ColumnType::Text,
            Json::Array(list) if list.iter().all(Json::is_number) => ColumnType::Floats,
            _ => return None,
        }))
    }

    fn with(self, other: Self) -> Self {
        use ColumnType::{Float, Int, Text};
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Is(Int | Float), Self::Is(Int | Float)) => Self::Is(Float),
            _ => Self::Is(Text),
        }
    }

    fn column_type(self) -> ColumnType {
        match self {
            Self::Is(column_type) => column_type,
            Self::Days => ColumnType::Date,
        }
    }
}

impl Fields {
    /// Adds a sample without values, and returns its number.
    pub(super) fn add_sample(&mut self) -> usize {
        self.samples.push(Vec::new());
        self.samples.len() - 1
    }

    /// Adds the fields of a JSON object to a sample.
    ///
    /// # Errors
    /// A message if the text is not a JSON object.
    pub(super) fn add_json(&mut self, sample: usize, text: &[u8]) -> Result<(), String> {
        match serde_json::from_slice(text) {
            Ok(Json::Object(fields)) => {
                fields.into_iter().for_each(|(name, value)| self.add(sample, name, value));
                Ok(())
            }
            Ok(_) => Err("it is no JSON object of names and values".into()),
            Err(error) => Err(format!("it is not JSON: {error}")),
        }
    }

    /// Adds a text, without line ends at its end, as the value of a column.
    ///
    /// # Errors
    /// A message if the text is not UTF-8.
    pub(super) fn add_text(&mut self, sample: usize, name: &str, text: &[u8]) -> Result<(), String> {
        let text = str::from_utf8(text).map_err(|_| "it is not UTF-8")?.trim_end_matches(['\r', '\n']);
        self.add(sample, name.into(), text.into());
        Ok(())
    }

    /// Adds a class, an integer or else a text, as the value of a column.
    ///
    /// # Errors
    /// A message if the text is not UTF-8.
    pub(super) fn add_class(&mut self, sample: usize, name: &str, text: &[u8]) -> Result<(), String> {
        let class = str::from_utf8(text).map_err(|_| "it is not UTF-8")?.trim();
        let value = class.parse::<i64>().map_or_else(|_| class.into(), Json::from);
        self.add(sample, name.into(), value);
        Ok(())
    }

    fn add(&mut self, sample: usize, name: String, value: Json) {
        if value.is_null() {
            return;
        }
        let (Some(kind), Some(fields)) = (Kind::of(&value), self.samples.get_mut(sample)) else {
            self.nested += 1;
            return;
        };
        let known = self.types.entry(name.clone()).or_insert(kind);
        *known = known.with(kind);
        fields.push((name, value));
    }

    /// Returns the columns, sorted by name.
    pub(super) fn schema(&self) -> Vec<ColumnSchema> {
        let columns = self.types.iter();
        columns.map(|(name, kind)| ColumnSchema::new(name.as_str(), kind.column_type())).collect()
    }

    /// Sets the values of a sample in a row. If a sample has two values with one name, the later one counts.
    pub(super) fn values(&self, sample: usize, row: &mut RowValues<'_>) -> Result<()> {
        for (name, value) in self.samples.get(sample).into_iter().flatten() {
            let column_type = self.types.get(name).map(|kind| kind.column_type());
            let text;
            let numbers: Vec<f64>;
            let value = match (column_type, value) {
                (Some(ColumnType::Text), Json::String(text)) => Value::Text(text),
                (Some(ColumnType::Text), other) => {
                    text = other.to_string();
                    Value::Text(&text)
                }
                (Some(ColumnType::Date), Json::String(text)) => Value::Date(text.parse()?),
                (Some(ColumnType::Bool), Json::Bool(value)) => Value::Bool(*value),
                (Some(ColumnType::Int), Json::Number(number)) => {
                    Value::Int(number.as_i64().unwrap_or_default())
                }
                (Some(ColumnType::Float), Json::Number(number)) => {
                    Value::Float(number.as_f64().unwrap_or_default())
                }
                (Some(ColumnType::Floats), Json::Array(list)) => {
                    numbers = list.iter().filter_map(Json::as_f64).collect();
                    Value::Floats(&numbers)
                }
                // No other case occurs, since the types were found from these values.
                _ => continue,
            };
            row.set(name, value)?;
        }
        Ok(())
    }
}
