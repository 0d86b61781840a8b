//! The columns of tiles.

use std::collections::BTreeMap;

use rscir_core::{ColumnSchema, ColumnType};

use crate::list::ListedScene;
use crate::stac::{Properties, common_type};

/// Columns that properties of STAC items may take, of the 64 that an archive has room for.
const MAX_PROPERTIES: usize = 40;

/// Columns of every scene.
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
    // A text, since it may be NaN, which no column of numbers holds.
    ("nodata", ColumnType::Text),
    ("datetime", ColumnType::Text),
];

/// True if an archive can have a column of this name: the rule of its format.
fn is_column_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// The columns of some scenes.
#[derive(Debug)]
pub(super) struct Columns {
    /// Those of every scene, then those of properties.
    pub(super) schemas: Vec<ColumnSchema>,
    /// How many properties have none, since there are too many or their names cannot be a column's.
    pub(super) left_out: usize,
    /// Properties whose names are those of columns of every scene.
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
