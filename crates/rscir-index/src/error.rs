mod action;
mod kind;
mod shards;

use std::io;
use std::path::{Path, PathBuf};

use rscir_core::files::FileError;
use rscir_core::{ColumnType, Precision};

pub use action::IoAction;
pub use shards::ShardProblem;

use crate::disk::MANIFEST;
use crate::storage::{FileKind, WrongKind};

/// Result of the functions of this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of an archive, of a feature file or of a search.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `rscir-core` refused a value or a shape.
    #[error(transparent)]
    Core(rscir_core::Error),
    /// Two rows have the same key.
    #[error(
        "key {key:?} is given to row {first} and to row {second}: keys must be unique; rename or drop one"
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// First row that has the key.
        first: usize,
        /// Next row that has the key.
        second: usize,
    },
    /// A file cannot be read or written.
    #[error("{}: {problem}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with the file.
        problem: Box<Error>,
    },
    /// The extension of a feature file names no known format.
    #[error("the extension {extension:?} names no format of features; known extensions: {known}")]
    UnknownExtension {
        /// The extension; empty if the name has none.
        extension: String,
        /// The known extensions.
        known: String,
    },
    /// A file does not begin as files of the format that its extension names.
    #[error(
        "the file is not in the format {format}, which its extension names: rename the file or write it anew"
    )]
    NotTheFormat {
        /// The format that the extension names.
        format: &'static str,
    },
    /// The version of the npy format is unknown.
    #[error("npy version {major}.{minor} is unknown: write the array in version 1, 2 or 3")]
    NpyVersion {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// The header of an npy file cannot be read.
    #[error("the npy header is malformed: expected {expected} at its byte {at}; write the array anew")]
    NpyHeader {
        /// What was expected.
        expected: &'static str,
        /// Byte of the header at which it was expected, from 0.
        at: usize,
    },
    /// A part of a file is not the JSON that it should be.
    #[error("{what}: {source}; correct the file or write it anew")]
    Json {
        /// The part of the file.
        what: &'static str,
        /// Where and why the part cannot be read.
        source: serde_json::Error,
    },
    /// A file lacks a named entry that is needed.
    #[error("{what} {name} is missing; present: {present}")]
    MissingEntry {
        /// The kind of entry: a column, a tensor, a dict entry or a metadata entry.
        what: &'static str,
        /// Name of the entry.
        name: String,
        /// Names of the entries that the file has.
        present: String,
    },
    /// An array holds numbers of a type that embeddings cannot have.
    #[error("elements of type {got} are not read as embeddings: convert them to one of {known}")]
    ElementType {
        /// The type, as the file names it.
        got: String,
        /// The types that are read.
        known: &'static str,
    },
    /// An array has other than two dimensions.
    #[error("the array has shape {shape:?}, embeddings need [rows, dim]: reshape the array")]
    NotAMatrix {
        /// Shape of the array.
        shape: Vec<usize>,
    },
    /// A list beside the rows has another length than there are rows.
    #[error("there are {got} {what} for {rows} rows: each row needs one, in row order")]
    RowCount {
        /// The list: `keys`, `texts` or `labels`.
        what: &'static str,
        /// Number of rows.
        rows: usize,
        /// Length of the list.
        got: usize,
    },
    /// A list of keys or texts belongs to another array than the one it lies beside.
    #[error(
        "{} was written with an array whose {what} is {expected}, not {got}: one of the two files was replaced or \
         damaged; restore it from a copy, or write both anew",
        list.display()
    )]
    OtherArray {
        /// The list.
        list: PathBuf,
        /// What differs: `number of rows` or `SHA-256`.
        what: &'static str,
        /// The value in the list.
        expected: String,
        /// The value of the array.
        got: String,
    },
    /// There are no rows where at least one is needed.
    #[error("there are no rows: at least one is needed")]
    NoRows,
    /// The rows have no values.
    #[error("the rows have no columns, so they have no direction: write them anew")]
    NoColumns,
    /// The rows have another width than expected.
    #[error("the rows are {got} wide, not {expected}: they come from another model")]
    Width {
        /// The expected width.
        expected: usize,
        /// The width of the rows.
        got: usize,
    },
    /// A column has another number of rows than the archive.
    #[error("column {column:?} has {got} rows, not {rows}: each row needs a value or none, in row order")]
    ColumnLength {
        /// The column.
        column: String,
        /// Number of rows.
        rows: usize,
        /// Number of rows of the column.
        got: usize,
    },
    /// A name is empty, too long or has control characters, so it cannot name a column.
    #[error("{name:?} cannot name a column: names have 1 to {limit} bytes and no control characters")]
    ColumnName {
        /// The name.
        name: String,
        /// Largest number of bytes of a name.
        limit: usize,
    },
    /// There are more columns than an archive can have.
    #[error("there are more than {limit} columns: leave some out")]
    TooManyColumns {
        /// Largest number of columns.
        limit: usize,
    },
    /// The values given for a column, or compared with it, are of another type than the column.
    #[error("column {column:?}: expected {expected}, got {got}")]
    ColumnType {
        /// The column.
        column: String,
        /// Type of the column.
        expected: ColumnType,
        /// Type of the values.
        got: ColumnType,
    },
    /// A filter names a column that the archive does not have.
    #[error("there is no column {column:?}; present: {present}")]
    UnknownColumn {
        /// The column.
        column: String,
        /// Names and types of the columns that the archive has.
        present: String,
    },
    /// A list of numbers has other than four of them, so it is not a bounding box.
    #[error(
        "column {column:?} holds {got} numbers for row {row}, a bounding box has 4: smallest x, smallest y, largest x, \
         largest y"
    )]
    BoundingBox {
        /// The column.
        column: String,
        /// Row of the archive, from 0.
        row: usize,
        /// Length of the list.
        got: usize,
    },
    /// The text of a filter is malformed.
    #[error("the filter is malformed at its byte {at}: expected {expected}, got {got}")]
    FilterSyntax {
        /// Byte of the text at which reading stopped, from 0.
        at: usize,
        /// What was expected there.
        expected: &'static str,
        /// What was found there.
        got: String,
    },
    /// There are no archives to search as one.
    #[error("there are no shards: give at least one archive")]
    NoShards,
    /// Two archives that should be searched as one come from different encoders.
    #[error(
        "shard {shard} and shard {other} come from different encoders: {} is {:?} in the first and {:?} in the second",
        mismatch.field,
        mismatch.query,
        mismatch.archive
    )]
    ShardSpec {
        /// Number of the shard that does not fit, from 0.
        shard: usize,
        /// Number of the shard it was compared with.
        other: usize,
        /// The field that differs; `archive` is the value of shard `other`, `query` that of shard `shard`.
        mismatch: rscir_core::SpecMismatch,
    },
    /// Archives are not the shards of one split ingest, or an archive does not hold the shard that is asked for.
    #[error(transparent)]
    Shards(Box<ShardProblem>),
    /// A pickle cannot be read or written.
    #[error(transparent)]
    Pickle(#[from] rscir_pickle::Error),
    /// A Parquet file cannot be read or written.
    #[error("{source}")]
    Parquet {
        /// The error of polars.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The metadata of a Parquet file, or the header of one of its pages, cannot be decoded.
    #[error(
        "the Parquet metadata cannot be decoded at byte {at}: the file is damaged; write it anew or restore it from a copy"
    )]
    ParquetMetadata {
        /// Byte of the file at which decoding failed, from 0.
        at: u64,
    },
    /// A Parquet file claims more than is decoded from a file of its size.
    #[error(
        "the file claims {claimed} {what}, but at most {limit} are read from a file of its size: it is damaged, or \
         compressed more than is accepted; write it anew, without compression"
    )]
    ParquetClaim {
        /// What is claimed, such as rows or bytes.
        what: &'static str,
        /// The number that is claimed.
        claimed: u64,
        /// The largest number that is accepted.
        limit: u64,
    },
    /// A column of a table has a type that is not read, or lacks values that it needs.
    #[error("column {column:?}: expected {expected}, got {got}; cast it, or leave it out")]
    TableColumn {
        /// The column.
        column: String,
        /// What the column should hold.
        expected: &'static str,
        /// What the column holds.
        got: String,
    },
    /// A named file is of a kind that is not read or replaced, such as a folder or a pipe, or its content is
    /// malformed.
    #[error(transparent)]
    Input(FileError),
    /// The file system, or another storage of an archive, returned an error.
    #[error("{}: {action} failed: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was done when the error came.
        action: IoAction,
        /// The error of the storage.
        source: io::Error,
    },
    /// An earlier sync or rename of this writer failed, so it is unknown what the storage holds.
    #[error(
        "{}: an earlier sync or rename failed, so this writer accepts no more changes; check the disk, then open the \
         archive again: every commit that returned without an error is there",
        path.display()
    )]
    Poisoned {
        /// The archive.
        path: PathBuf,
    },
    /// The lock file that this writer holds was removed or replaced.
    #[error(
        "{}: the file `lock` that this writer holds was removed or replaced, so another writer may have the archive open: \
         this writer stored nothing and accepts no more changes; open the archive again with one writer, and leave \
         `lock` in place",
        path.display()
    )]
    LockLost {
        /// The archive.
        path: PathBuf,
    },
    /// A name of an archive stands for something of another kind, such as a link where a file should be.
    #[error(
        "{}: this is {found}, but an archive has {expected} here: nothing was followed or changed; remove it, or \
         restore the archive from a copy",
        path.display()
    )]
    WrongKind {
        /// Path of what was found.
        path: PathBuf,
        /// The kind that an archive has there.
        expected: FileKind,
        /// The kind that was found.
        found: FileKind,
    },
    /// Another writer has the archive open.
    #[error("{}: another writer has this archive open; wait until it ends (reading is possible meanwhile)", path.display())]
    Locked {
        /// The archive.
        path: PathBuf,
    },
    /// The folder holds no archive.
    #[error("{}: no archive here (no manifest.json); check the path, or create one", path.display())]
    NotFound {
        /// The folder that was asked for.
        path: PathBuf,
    },
    /// The folder in which an archive should be created is not empty.
    #[error("{}: cannot create an archive here, the folder holds {found}; choose another path", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
        /// What the folder holds: `an archive`, or the path of a file.
        found: String,
    },
    /// Rows of another precision are asked for than the archive was created with.
    #[error(
        "{}: the archive holds {holds} rows, not {asked}: use its precision, or create another archive",
        path.display()
    )]
    Precision {
        /// The archive.
        path: PathBuf,
        /// Precision of the archive's rows.
        holds: Precision,
        /// The precision that was asked for.
        asked: Precision,
    },
    /// The manifest is of another format, or of a newer version of it.
    #[error(
        "{}: format {format:?}, version {version}; this program reads rscir-archive up to version {supported}: use a \
         newer one",
        path.display()
    )]
    Version {
        /// The manifest.
        path: PathBuf,
        /// The manifest's field `format`.
        format: String,
        /// The manifest's version.
        version: u32,
        /// Newest version that can be read.
        supported: u32,
    },
    /// The SHA-256 of a file is not the one that was recorded when the file was written.
    #[error("{}: damaged, its SHA-256 is not what was recorded; {}", path.display(), remedy(path))]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A file has another length than its header or the manifest says.
    #[error(
        "{}: the file has {got} bytes and should have {expected}: it was cut short or damaged; write it anew or \
         restore it from a copy (an archive can also be repaired)",
        path.display()
    )]
    FileSize {
        /// The file.
        path: PathBuf,
        /// Number of bytes that the file should have.
        expected: u64,
        /// Number of bytes that the file has.
        got: u64,
    },
    /// The file of a segment that the manifest names does not exist.
    #[error("{}: the file is missing; {REMEDY}", path.display())]
    MissingSegment {
        /// The file.
        path: PathBuf,
    },
    /// A manifest has the right checksum, but not the form of this format version.
    #[error("{}: not a manifest of this format version: {source}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where reading failed, and what was expected there.
        source: serde_json::Error,
    },
    /// A manifest's number of rows of a segment does not agree with its deleted rows.
    #[error("{}: the row count and the deleted rows of segment {segment} do not agree; {REMEDY}", path.display())]
    SegmentRows {
        /// The manifest.
        path: PathBuf,
        /// Number of the segment, from 0.
        segment: usize,
    },
    /// A file is not a safetensors file.
    #[error("{}: not a safetensors file, or a damaged one: {source}; restore it from a copy", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        source: safetensors::SafeTensorError,
    },
    /// A tensor of a segment is missing, or has another format or shape than the manifest implies.
    #[error("{}: tensor {tensor}: expected {expected}, got {got}; {REMEDY}", path.display())]
    SegmentTensor {
        /// The segment.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// Number format, shape and alignment that the tensor should have.
        expected: String,
        /// What the file has.
        got: String,
    },
    /// The value of a row is not of its column's type, or lies outside the tensor.
    #[error("{}: column {column:?} holds no {column_type} for row {row}; {REMEDY}", path.display())]
    SegmentColumn {
        /// The segment.
        path: PathBuf,
        /// The column.
        column: String,
        /// Type of the column.
        column_type: ColumnType,
        /// Row of the segment, from 0.
        row: usize,
    },
    /// The key of a row is not UTF-8 text, or lies outside the tensor `keys`.
    #[error("{}: the key of row {row} is not UTF-8 text within the tensor keys; {REMEDY}", path.display())]
    SegmentKey {
        /// The segment.
        path: PathBuf,
        /// Row of the segment, from 0.
        row: usize,
    },
}

/// What to do about a damaged archive.
const REMEDY: &str = "verify the archive to see all damage, then restore it from a copy or repair it";

/// Returns what to do about a damaged file of an archive. A repair needs the manifest, so a damaged one is
/// restored.
fn remedy(path: &Path) -> &'static str {
    if path.file_name().is_some_and(|name| name == MANIFEST) {
        "nothing can be read without the manifest: restore it from a copy, or make the archive anew"
    } else {
        REMEDY
    }
}

impl Error {
    /// Adds the path of the file to an error that does not name one.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Core(_)
            | Self::DuplicateKey { .. }
            | Self::UnknownExtension { .. }
            | Self::NotTheFormat { .. }
            | Self::NpyVersion { .. }
            | Self::NpyHeader { .. }
            | Self::Json { .. }
            | Self::MissingEntry { .. }
            | Self::ElementType { .. }
            | Self::NotAMatrix { .. }
            | Self::RowCount { .. }
            | Self::OtherArray { .. }
            | Self::NoRows
            | Self::NoColumns
            | Self::Width { .. }
            | Self::ColumnLength { .. }
            | Self::ColumnName { .. }
            | Self::TooManyColumns { .. }
            | Self::ColumnType { .. }
            | Self::Parquet { .. }
            | Self::ParquetMetadata { .. }
            | Self::ParquetClaim { .. }
            | Self::TableColumn { .. }
            | Self::Pickle(_) => Self::File { path: path.into(), problem: Box::new(self) },
            // The other errors name a path themselves.
            _ => self,
        }
    }

    /// Returns a function that adds the path and the action to an error of the storage.
    pub(crate) fn io(action: IoAction, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.downcast::<WrongKind>() {
            Ok(WrongKind { path, expected, found }) => Self::WrongKind { path, expected, found },
            Err(source) => Self::Io { path: path.into(), action, source },
        }
    }

    /// Tells whether it is unknown after this error what the storage holds.
    pub(crate) fn leaves_doubt(&self) -> bool {
        matches!(self, Self::Io { action: IoAction::Sync | IoAction::Rename | IoAction::SyncDir, .. })
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { path, action, source } => Self::Io { path, action: action.into(), source },
            other => Self::Input(other),
        }
    }
}

impl From<rscir_core::Error> for Error {
    /// Converts the error. An error of this crate that has passed through a trait of `rscir-core` becomes what it
    /// was.
    fn from(error: rscir_core::Error) -> Self {
        match error {
            rscir_core::Error::Source { during, kind, source } => match source.downcast() {
                Ok(own) => *own,
                Err(source) => Self::Core(rscir_core::Error::Source { during, kind, source }),
            },
            other => Self::Core(other),
        }
    }
}

impl From<Error> for rscir_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(core) => core,
            other => {
                let kind = other.kind();
                Self::from_source("the archive failed", other).of_kind(kind)
            }
        }
    }
}
