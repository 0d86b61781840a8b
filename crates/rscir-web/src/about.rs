use std::collections::HashMap;

use rscir_core::{Archive, ColumnType, EncoderSpec, Value};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::places::{Places, survey};

/// Different values of a column that are listed at most: more are no choice that people make from a list.
const MAX_VALUES: usize = 100;

/// Different values of a column that are counted at most: beyond, a map of all would take as much as the column.
const MAX_COUNTED: usize = 10_000;

/// What an archive has, for a page that asks it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct About {
    rows: usize,
    dim: usize,
    /// What is recorded of the encoder.
    #[schema(value_type = Object)]
    spec: EncoderSpec,
    places: Option<PlacesAbout>,
    columns: Vec<ColumnAbout>,
}

/// Where the rows lie.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PlacesAbout {
    /// How many have a place.
    rows: usize,
    /// West, south, east, north of all of them, in degrees.
    bounds: [f64; 4],
}

/// A column, with what a filter can be built from.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ColumnAbout {
    name: String,
    /// `text`, `int`, `float`, `bool`, `date` or `floats`.
    #[serde(rename = "type")]
    column_type: &'static str,
    /// How many rows have a value.
    filled: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    min: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    max: Option<serde_json::Value>,
    /// How many different values there are; absent for numbers, null beyond 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    distinct: Option<Option<usize>>,
    /// The values, the most frequent first, if there are 100 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<ValueAbout>>,
}

/// A value of a column.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ValueAbout {
    #[schema(value_type = Object)]
    value: serde_json::Value,
    /// How many rows have it.
    rows: usize,
}

impl About {
    /// Reads all columns and places.
    pub(crate) fn of(archive: &dyn Archive, places: Option<&dyn Places>) -> Self {
        let columns = archive.columns().into_iter().map(|(name, of)| column(archive, name, of)).collect();
        let places = places.and_then(|places| survey(places, archive));
        Self {
            rows: archive.len(),
            dim: archive.dim(),
            spec: archive.spec().clone(),
            places: places.map(|(rows, bounds)| PlacesAbout { rows, bounds }),
            columns,
        }
    }
}

fn column(archive: &dyn Archive, name: &str, column_type: ColumnType) -> ColumnAbout {
    let values = || archive.column(name).into_iter().flatten().flatten();
    let mut about = ColumnAbout {
        name: name.into(),
        column_type: column_type.name(),
        filled: values().count(),
        min: None,
        max: None,
        distinct: None,
        values: None,
    };
    match column_type {
        ColumnType::Int | ColumnType::Float | ColumnType::Date => {
            let ordered = |a: Value<'_>, b: Value<'_>| match (a, b) {
                (Value::Int(a), Value::Int(b)) => a < b,
                (Value::Float(a), Value::Float(b)) => a < b,
                (Value::Date(a), Value::Date(b)) => a < b,
                _ => false,
            };
            let numbers = || values().filter(|value| !matches!(value, Value::Float(v) if !v.is_finite()));
            let least = numbers().reduce(|a, b| if ordered(b, a) { b } else { a });
            let most = numbers().reduce(|a, b| if ordered(a, b) { b } else { a });
            (about.min, about.max) = (least.map(|v| json!(v)), most.map(|v| json!(v)));
        }
        ColumnType::Text | ColumnType::Bool | ColumnType::Floats => {}
    }
    if matches!(column_type, ColumnType::Text | ColumnType::Bool | ColumnType::Int) {
        let counts = counted(values());
        if column_type == ColumnType::Text {
            about.distinct = Some(counts.as_ref().map(Vec::len));
        }
        about.values = counts.filter(|counts| counts.len() <= MAX_VALUES);
    }
    about
}

/// Counts how many rows have each different value, the most frequent first, then by value; `None` if they are too many.
fn counted<'a>(values: impl Iterator<Item = Value<'a>>) -> Option<Vec<ValueAbout>> {
    /// A value that can be looked up.
    #[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
    enum Known<'a> {
        Bool(bool),
        Int(i64),
        Text(&'a str),
    }
    let mut counts: HashMap<Known<'a>, usize> = HashMap::new();
    for value in values {
        let known = match value {
            Value::Bool(value) => Known::Bool(value),
            Value::Int(value) => Known::Int(value),
            Value::Text(value) => Known::Text(value),
            _ => continue,
        };
        *counts.entry(known).or_default() += 1;
        if counts.len() > MAX_COUNTED {
            return None;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(a, in_a), (b, in_b)| in_b.cmp(in_a).then_with(|| a.cmp(b)));
    let about = |(known, rows)| {
        let value = match known {
            Known::Bool(value) => Value::Bool(value),
            Known::Int(value) => Value::Int(value),
            Known::Text(value) => Value::Text(value),
        };
        ValueAbout { value: json!(value), rows }
    };
    Some(counts.into_iter().map(about).collect())
}
