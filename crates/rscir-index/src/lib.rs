#![doc = include_str!("../README.md")]

mod columns;
mod compact;
mod digest;
mod directory;
mod error;
mod features;
mod filter;
mod import;
mod key_index;
mod key_table;
mod manifest;
mod memory;
mod moments;
mod names;
mod product;
mod quantised;
mod row_set;
mod rows;
mod runs;
mod search;
mod searcher;
mod segment;
mod shards;
pub mod storage;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod verify;
mod writer;
mod writer_columns;

pub use columns::{Column, Columns};
pub use compact::Compaction;
pub use error::{Error, IoAction, Result};
pub use features::{Features, KeyKind};
pub use filter::{Filter, Literal, Selection};
pub use import::{ImportOptions, Imported, LeftOut, LeftOutReason, import_vectors};
pub use manifest::RowOrder;
pub use memory::{MemoryArchive, MemorySink};
pub use quantised::Int8Index;
pub use rows::{RowBlock, StoredRows};
pub use search::{Hit, PartScore, RowFilter, SearchOptions, Statistics, search, search_batch, search_with};
pub use searcher::{SearchPath, Searcher};
pub use shards::ShardedArchive;
pub use store::DiskArchive;
pub use verify::{Damage, Misplaced, Repair, Verification, repair, repair_with, verify, verify_with};
pub use writer::ArchiveWriter;
