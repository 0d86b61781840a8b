//! Archives of normalised embeddings, in memory and on disk, with exact composed search.
//!
//! A [`DiskArchive`] is a snapshot of what an [`ArchiveWriter`] has stored, a [`MemoryArchive`] holds its rows itself,
//! and [`search`] finds the best rows of either for a composed query.
//!
//! ```
//! use rscir_core::{ComposedQuery, Embeddings, EncoderSpec, UnitVector};
//! use rscir_index::{MemoryArchive, search};
//! use rscir_weicom::WeiCom;
//!
//! let spec = EncoderSpec::unknown(2);
//! let rows = Embeddings::normalize(2, vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0])?;
//! let archive = MemoryArchive::new(spec.clone(), vec!["a".into(), "b".into(), "c".into()], rows)?;
//! let query = ComposedQuery::new(spec)
//!     .with_image(UnitVector::normalize(vec![1.0, 0.1])?)?
//!     .with_text(UnitVector::normalize(vec![0.1, 1.0])?)?;
//! assert_eq!(search(&archive, &WeiCom::default(), &query, 1)?[0].key, "b");
//! # Ok::<(), rscir_index::Error>(())
//! ```
//!
//! Rows carry [`Columns`], such as a label, a date or a bounding box, if their writer gives them; a [`Filter`] on them says
//! which rows may answer. [`search_batch`] answers many queries with one matrix product, [`Int8Index`] reads a quarter of the bytes and gives
//! the same answer, a [`ShardedArchive`] is several archives searched as one, and [`Features`] reads and writes the
//! formats of others (Parquet with the feature `tables`). All of it is exact: no graph, no clustering, no recall to tune.
//!
//! It encodes nothing and knows no method by name: vectors come from elsewhere, methods through
//! [`Method`](rscir_core::Method).

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
