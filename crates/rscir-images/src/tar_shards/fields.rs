//! What the members of a sample beside its image say, as columns.

use std::collections::BTreeMap;

use rscir_core::{ColumnSchema, ColumnType, Date, Result, RowValues, Value};
use serde_json::Value as Json;

/// The values of all samples, and what type each column has so far.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// By sample: name and value.
    samples: Vec<Vec<(String, Json)>>,
    types: BTreeMap<String, Kind>,
    /// Values that no column can hold.
    pub(super) nested: usize,
}

/// What all values of a column have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Is(ColumnType),
    /// Texts that are all days.
    Days,
}

impl Kind {
    /// The type of a value that is not null; `None` if columns hold no such values.
    fn of(value: &Json) -> Option<Self> {
        Some(Self::Is(match value {
            Json::String(text) if text.parse::<Date>().is_ok() => return Some(Self::Days),
            Json::String(_) => ColumnType::Text,
            Json::Bool(_) => ColumnType::Bool,
            Json::Number(number) if number.is_i64() => ColumnType::Int,
            Json::Number(number) if number.is_f64() => ColumnType::Float,
            // More than 64 bits with a sign hold.
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
    /// Makes room for a sample, and returns its number.
    pub(super) fn add_sample(&mut self) -> usize {
        self.samples.push(Vec::new());
        self.samples.len() - 1
    }

    /// Takes the fields of an object.
    pub(super) fn add_json(&mut self, sample: usize, text: &[u8]) -> Result<(), String> {
        match serde_json::from_slice(text) {
            Ok(Json::Object(fields)) => {
                fields.into_iter().for_each(|(name, value)| self.add(sample, name, value));
                Ok(())
            }
            Ok(_) => Err("it is no object of names and values".into()),
            Err(error) => Err(format!("it is not JSON: {error}")),
        }
    }

    /// Takes a text as the value of a column.
    pub(super) fn add_text(&mut self, sample: usize, name: &str, text: &[u8]) -> Result<(), String> {
        let text = str::from_utf8(text).map_err(|_| "it is not UTF-8")?.trim_end_matches(['\r', '\n']);
        self.add(sample, name.into(), text.into());
        Ok(())
    }

    /// Takes a class: a whole number, or a text.
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

    /// The columns, sorted by name.
    pub(super) fn schema(&self) -> Vec<ColumnSchema> {
        let columns = self.types.iter();
        columns.map(|(name, kind)| ColumnSchema::new(name.as_str(), kind.column_type())).collect()
    }

    /// Sets the values of a sample; of two of one name the later one counts.
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
                // The types were made of these values.
                _ => continue,
            };
            row.set(name, value)?;
        }
        Ok(())
    }
}
