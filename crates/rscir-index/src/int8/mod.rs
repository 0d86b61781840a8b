mod codes;
mod found;
mod int8_index;
mod pass;
mod pruned;

pub(crate) use codes::RowCodes;
pub use int8_index::Int8Index;
