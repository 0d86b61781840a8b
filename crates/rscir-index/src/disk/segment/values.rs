use std::collections::BTreeSet;

use rscir_core::{RowValues, Value};

use super::Segment;
use crate::Columns;

/// A source of a row's values.
#[derive(Clone, Copy)]
pub(crate) enum Layer<'a> {
    /// A row of columns that a caller passed.
    Columns(&'a Columns, usize),
    /// Values that a caller passed with the row.
    Row(&'a RowValues<'a>),
    /// A row of a segment.
    Stored(&'a Segment, usize),
}

impl<'a> Layer<'a> {
    /// Tells whether the source has a column of this name.
    fn has(self, name: &str) -> bool {
        match self {
            Self::Columns(columns, _) => columns.get(name).is_some(),
            Self::Row(values) => values.columns().iter().any(|column| column.name == name),
            Self::Stored(segment, _) => segment.column(name).is_some(),
        }
    }

    /// Returns the value in a column, or `None` if there is none.
    fn get(self, name: &str) -> Option<Value<'a>> {
        match self {
            Self::Columns(columns, row) => columns.value(name, row),
            Self::Row(values) => values.get(name),
            Self::Stored(segment, row) => segment.value(name, row),
        }
    }

    /// Returns the names of the source's columns.
    fn names(self) -> Vec<&'a str> {
        match self {
            Self::Columns(columns, _) => columns.types().map(|(name, _)| name).collect(),
            Self::Row(values) => values.columns().iter().map(|column| column.name.as_str()).collect(),
            Self::Stored(segment, _) => segment.columns().map(|(name, _)| name).collect(),
        }
    }
}

/// The values of a row: those of the upper layer in its columns, those of the lower layer in all others.
#[derive(Clone, Copy, Default)]
pub(crate) struct Layers<'a> {
    upper: Option<Layer<'a>>,
    lower: Option<Layer<'a>>,
}

impl<'a> From<Layer<'a>> for Layers<'a> {
    fn from(lower: Layer<'a>) -> Self {
        Self { upper: None, lower: Some(lower) }
    }
}

impl<'a> Layers<'a> {
    /// Puts one layer over another.
    pub(crate) fn new(upper: Option<Layer<'a>>, lower: Option<Layer<'a>>) -> Self {
        Self { upper, lower }
    }

    /// Returns the value in a column, or `None` if there is none.
    pub(crate) fn get(self, name: &str) -> Option<Value<'a>> {
        self.upper.filter(|layer| layer.has(name)).or(self.lower)?.get(name)
    }

    /// Returns all values with the names of their columns, sorted by name.
    pub(crate) fn all(self) -> Vec<(&'a str, Value<'a>)> {
        let names: BTreeSet<&str> =
            [self.upper, self.lower].into_iter().flatten().flat_map(Layer::names).collect();
        names.into_iter().filter_map(|name| Some((name, self.get(name)?))).collect()
    }
}
