//! The columns of tiles in an archive.

use std::collections::BTreeMap;

use rscir_core::{ColumnSchema, ColumnType};

use crate::list::ListedScene;
use crate::stac::{Properties, common_type};

/// The most columns for properties of STAC items. An archive has at most 64 columns.
const MAX_PROPERTIES: usize = 40;

/// Names and types of the columns that all scenes have.
pub(super) const COLUMNS: [(&str, ColumnType); 13] = [
    ("scene", ColumnType::Text),
    ("crs", ColumnType::Text),
    ("west", ColumnType::Float),
    ("south", ColumnType::Float),
    ("east", ColumnType::Float),
    ("north", ColumnType::Float),
    ("footprint", ColumnType::Floats),
    ("gsd", ColumnType::Float),
    ("valid", ColumnType::Float),
    ("bands", ColumnType::Text),
    ("stretch", ColumnType::Text),
    // Text, since the value may be NaN, which a column of numbers cannot hold.
    ("nodata", ColumnType::Text),
    ("datetime", ColumnType::Text),
];

/// Tells whether an archive can have a column with this name, by the rule of its format.
fn is_column_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// The columns of the tiles of some scenes.
#[derive(Debug)]
pub(super) struct Columns {
    /// The columns that all scenes have, then those of properties, by name.
    pub(super) schemas: Vec<ColumnSchema>,
    /// Number of properties without a column, since there are too many or a column cannot have their name.
    pub(super) left_out: usize,
    /// Names of properties without a column, since a column of all scenes has the name.
    pub(super) hidden: Vec<String>,
}

impl Columns {
    pub(super) fn of(scenes: &[ListedScene]) -> Self {
        let mut properties: BTreeMap<&str, ColumnType> = BTreeMap::new();
        let all = scenes.iter().flat_map(|scene| {
            let Properties { values, .. } = &scene.properties;
            values.iter()
        });
        for (name, property) in all {
            let column = property.column_type();
            properties.entry(name).and_modify(|known| *known = common_type(*known, column)).or_insert(column);
        }
        let is_own = |name: &str| COLUMNS.iter().any(|(own, _)| *own == name);
        let hidden = properties.keys().filter(|name| is_own(name)).map(ToString::to_string).collect();
        properties.retain(|name, _| !is_own(name));
        let all = properties.len();
        properties.retain(|name, _| is_column_name(name));
        let left_out = all - properties.len().min(MAX_PROPERTIES);
        let own = COLUMNS.into_iter().chain(properties.into_iter().take(MAX_PROPERTIES));
        Self {
            schemas: own.map(|(name, column)| ColumnSchema::new(name, column)).collect(),
            left_out,
            hidden,
        }
    }
}
