mod codes;
mod int8_index;
mod pruned;

pub(crate) use codes::RowCodes;
pub use int8_index::Int8Index;
