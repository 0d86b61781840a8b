mod codes;
mod int8_index;

pub use int8_index::Int8Index;
