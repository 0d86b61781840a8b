#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod columns;
mod digest;
mod disk;
mod error;
mod filter;
mod int8;
mod interop;
mod key_index;
mod memory;
mod moments;
mod product;
mod rows;
mod search;
mod searcher;
mod shards;
pub mod storage;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use columns::{Column, Columns, KeyedColumns};
pub use disk::{
    ArchiveWriter, Compaction, Damage, DamagedCopy, DiskArchive, Merged, Misplaced, Repair, RowOrder,
    Verification, merge_archives, repair, repair_with, verify, verify_with,
};
pub use error::{Error, IoAction, Result, ShardProblem};
pub use filter::{Comparison, Filter, FilterView, Literal, Selection};
pub use int8::Int8Index;
pub use interop::{
    Features, ImportOptions, Imported, KeyKind, LeftOut, LeftOutReason, ParquetLimits, check_parquet_claims,
    import_vectors,
};
pub use memory::{MemoryArchive, MemorySink};
pub use rows::{RowBlock, StoredRows};
pub use search::{
    Answer, Hit, PartScore, RowFilter, SearchOptions, Statistics, answer_batch, search, search_batch,
    search_with,
};
pub use searcher::{SearchPath, Searcher, answer_fastest, search_fastest};
pub use shards::ShardedArchive;
