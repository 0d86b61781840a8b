//! Archives of normalised embeddings, in memory and on disk, with exact composed search.

mod error;
mod memory;

pub use error::{Error, Result};
pub use memory::{MemoryArchive, MemorySink};
