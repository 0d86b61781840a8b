#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod blocks;
mod emb;
mod error;
mod features;
mod files;
mod geometry;
mod group;
mod import;
mod layout;
mod options;
mod parquet_file;
mod tally;
mod values;
mod vectors;
mod write;

pub use blocks::{Block, Blocks};
pub use error::{Error, Result};
pub use features::{ReadFeatures, read_features};
pub use files::{LeftOutColumn, VectorFiles, is_table};
pub use import::{ImportOptions, Imported, import_vectors};
pub use options::ReadOptions;
pub use tally::{LeftOut, LeftOutReason, RowPlace, Tally};
pub use write::{ExportOptions, Exported, StacExport, export_geoparquet, export_stac};
