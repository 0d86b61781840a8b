use std::collections::BTreeSet;

use rscir_core::{RowValues, Value};

use super::Segment;
use crate::Columns;

/// A place that values of a row come from.
#[derive(Clone, Copy)]
pub(crate) enum Layer<'a> {
    /// A row of columns that were handed in.
    Columns(&'a Columns, usize),
    /// What was handed in with the row.
    Row(&'a RowValues<'a>),
    /// A row of a segment.
    Stored(&'a Segment, usize),
}

impl<'a> Layer<'a> {
    fn has(self, name: &str) -> bool {
        match self {
            Self::Columns(columns, _) => columns.get(name).is_some(),
            Self::Row(values) => values.columns().iter().any(|column| column.name == name),
            Self::Stored(segment, _) => segment.column(name).is_some(),
        }
    }

    fn get(self, name: &str) -> Option<Value<'a>> {
        match self {
            Self::Columns(columns, row) => columns.value(name, row),
            Self::Row(values) => values.get(name),
            Self::Stored(segment, row) => segment.value(name, row),
        }
    }

    fn names(self) -> Vec<&'a str> {
        match self {
            Self::Columns(columns, _) => columns.types().map(|(name, _)| name).collect(),
            Self::Row(values) => values.columns().iter().map(|column| column.name.as_str()).collect(),
            Self::Stored(segment, _) => segment.columns().map(|(name, _)| name).collect(),
        }
    }
}

/// The values of a row: those of the upper layer in the columns that it has, those of the lower layer in all others.
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

    pub(crate) fn get(self, name: &str) -> Option<Value<'a>> {
        self.upper.filter(|layer| layer.has(name)).or(self.lower)?.get(name)
    }

    /// The values that there are, by name.
    pub(crate) fn all(self) -> Vec<(&'a str, Value<'a>)> {
        let names: BTreeSet<&str> =
            [self.upper, self.lower].into_iter().flatten().flat_map(Layer::names).collect();
        names.into_iter().filter_map(|name| Some((name, self.get(name)?))).collect()
    }
}
