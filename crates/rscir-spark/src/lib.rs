#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

#[cfg(feature = "spark")]
mod engine;
mod error;
mod location;
mod publish;
mod search;
mod sql;
mod store;
mod table;

#[cfg(feature = "spark")]
pub use engine::{SparkArchive, Table};
pub use error::{Error, PartProblem, Result};
pub use location::Location;
pub use publish::{ExportOptions, Published, export_parquet};
pub use search::{
    Ask, Bound, Candidate, Engine, Found, FoundRows, OwnedValue, RowTest, TableFacts, TableSearch, answer,
};
pub use sql::{Sql, SqlValue, TableName, statement};
pub use table::{PartEntry, TableVersion};
