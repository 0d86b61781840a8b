mod codes;
mod int8_index;
mod pruned;

pub use int8_index::Int8Index;
