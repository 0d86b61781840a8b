//! The archive on disk, in the format that docs/format.md describes.

mod archive;
mod change_columns;
mod commit;
mod compact;
mod derived;
mod directory;
mod index_keys;
mod key_file;
mod key_lookup;
mod key_table;
mod manifest;
mod merge_archives;
mod merged_moments;
mod names;
mod quantize;
mod quantized_file;
mod row_set;
mod runs;
mod segment;
mod shard;
mod shard_set;
mod verify;
mod writer;

pub use archive::DiskArchive;
pub use compact::Compaction;
pub use manifest::RowOrder;
pub use merge_archives::{Merged, merge_archives};
pub use verify::{
    Damage, DamagedCopy, Misplaced, Repair, Verification, repair, repair_with, verify, verify_with,
};
pub use writer::ArchiveWriter;

pub(crate) use commit::check_distinct;
pub(crate) use names::MANIFEST;
pub(crate) use segment::SEGMENT_ROWS;
pub(crate) use shard_set::ShardSet;
