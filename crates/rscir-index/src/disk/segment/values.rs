use std::collections::BTreeSet;

use rscir_core::Value;

use super::Segment;
use crate::Columns;

/// Where the values of a row come from.
#[derive(Clone, Copy)]
pub(crate) enum RowValues<'a> {
    /// A row of what was handed in.
    Given(&'a Columns, usize),
    /// A row of a segment.
    Stored(&'a Segment, usize),
    /// The columns that were handed in, and the others of a row of a segment.
    Updated(&'a Columns, usize, &'a Segment, usize),
}

impl<'a> RowValues<'a> {
    pub(crate) fn get(self, name: &str) -> Option<Value<'a>> {
        match self {
            Self::Given(columns, row) => columns.value(name, row),
            Self::Stored(segment, row) => segment.value(name, row),
            Self::Updated(columns, row, ..) if columns.get(name).is_some() => columns.value(name, row),
            Self::Updated(_, _, segment, row) => segment.value(name, row),
        }
    }

    /// The values that there are, by name.
    pub(crate) fn all(self) -> Vec<(&'a str, Value<'a>)> {
        let names: Vec<&str> = match self {
            Self::Given(columns, _) => columns.types().map(|(name, _)| name).collect(),
            Self::Stored(segment, _) => segment.columns().map(|(name, _)| name).collect(),
            Self::Updated(columns, _, segment, _) => {
                let names = columns.types().chain(segment.columns()).map(|(name, _)| name);
                names.collect::<BTreeSet<_>>().into_iter().collect()
            }
        };
        names.into_iter().filter_map(|name| Some((name, self.get(name)?))).collect()
    }
}
