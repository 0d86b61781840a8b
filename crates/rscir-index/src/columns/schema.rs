use std::collections::BTreeMap;

use rscir_core::{ColumnSchema, ColumnType};

use super::{MAX_COLUMNS, check_name};
use crate::{Error, Result};

/// Names and types of an archive's columns, merged from those of its parts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema(BTreeMap<String, ColumnType>);

impl Schema {
    /// Merges the columns of all parts.
    pub(crate) fn of<'a>(columns: impl IntoIterator<Item = (&'a str, ColumnType)>) -> Result<Self> {
        let mut schema = Self::default();
        schema.add(columns)?;
        Ok(schema)
    }

    /// Adds the columns of a part. A name has the same type in all parts.
    pub(crate) fn add<'a>(&mut self, columns: impl IntoIterator<Item = (&'a str, ColumnType)>) -> Result<()> {
        for (name, got) in columns {
            match self.0.get(name) {
                Some(&expected) if expected == got => {}
                Some(&expected) => return Err(Error::ColumnType { column: name.into(), expected, got }),
                None if self.0.len() == MAX_COLUMNS => {
                    return Err(Error::TooManyColumns { limit: MAX_COLUMNS });
                }
                None => {
                    check_name(name)?;
                    self.0.insert(name.into(), got);
                }
            }
        }
        Ok(())
    }

    /// Adds the columns of a part, as [`Schema::add`] does.
    pub(crate) fn add_all(&mut self, columns: &[ColumnSchema]) -> Result<()> {
        self.add(columns.iter().map(|column| (column.name.as_str(), column.column_type)))
    }

    /// Returns the schema's own copy of a column's name, or `None` if there is no such column.
    pub(crate) fn name(&self, name: &str) -> Option<&str> {
        self.0.get_key_value(name).map(|(name, _)| name.as_str())
    }

    /// Returns names and types of the columns, sorted by name.
    pub(crate) fn types(&self) -> Vec<(&str, ColumnType)> {
        self.0.iter().map(|(name, &column_type)| (name.as_str(), column_type)).collect()
    }
}
