mod filter;
mod statement;
mod text;

pub(crate) use filter::check_types;
pub use statement::statement;
pub use text::{Sql, SqlValue, TableName};
