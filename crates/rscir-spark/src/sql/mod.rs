#[cfg(feature = "spark")]
mod batch;
mod filter;
mod statement;
mod text;

#[cfg(feature = "spark")]
pub(crate) use batch::Batch;
pub(crate) use filter::check_types;
pub use statement::statement;
#[cfg(feature = "spark")]
pub(crate) use statement::{CENSUS, rows_under};
pub use text::{Sql, SqlValue, TableName};
