#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod error;
mod publish;
mod search;
mod sql;
mod table;

pub use error::{Error, Result};
pub use publish::{ExportOptions, Published, export_parquet};
pub use search::{
    Ask, Bound, Candidate, Engine, Found, FoundRows, OwnedValue, RowTest, TableFacts, TableSearch, answer,
};
pub use sql::{Sql, SqlValue, TableName, statement};
pub use table::{PartEntry, TableVersion};
