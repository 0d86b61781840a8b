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
mod quantised;
mod row_set;
mod rows;
mod search;
mod segment;
mod shards;
pub mod storage;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod verify;
mod writer;

pub use error::{Error, IoAction, Result};
pub use features::{Features, KeyKind};
pub use memory::{MemoryArchive, MemorySink};
pub use quantised::Int8Index;
pub use rows::{RowBlock, StoredRows};
pub use search::{Hit, RowFilter, SearchOptions, Statistics, search, search_batch, search_with};
pub use shards::ShardedArchive;
pub use store::DiskArchive;
pub use verify::{Damage, Repair, Verification, repair, repair_with, verify, verify_with};
pub use writer::ArchiveWriter;
