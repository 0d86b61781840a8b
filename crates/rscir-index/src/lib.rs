//! Archives of normalised embeddings, in memory and on disk, with exact composed search.

mod compact;
mod digest;
mod directory;
mod error;
mod features;
mod key_index;
mod manifest;
mod memory;
mod moments;
mod row_set;
mod rows;
mod search;
mod segment;
pub mod storage;
mod store;
mod writer;

pub use digest::{Digest, ParseDigestError};
pub use error::{Error, IoAction, Result};
pub use features::{Features, KeyKind};
pub use memory::{MemoryArchive, MemorySink};
pub use rows::{RowBlock, StoredRows};
pub use search::{Hit, RowFilter, SearchOptions, Statistics, search, search_batch, search_with};
pub use store::DiskArchive;
pub use writer::ArchiveWriter;
