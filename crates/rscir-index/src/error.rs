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

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core refused a value or a shape.
    #[error(transparent)]
    Core(rscir_core::Error),
    /// Two rows have one key.
    #[error(
        "key {key:?} is given to row {first} and to row {second}: keys must be unique; rename or drop one"
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// The first row that has it.
        first: usize,
        /// The next row that has it.
        second: usize,
    },
    /// What is wrong with one file.
    #[error("{}: {problem}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<Error>,
    },
    /// The extension of a feature file is none that is known.
    #[error("the extension {extension:?} names no format of features; known extensions: {known}")]
    UnknownExtension {
        /// What was given, empty for a name without one.
        extension: String,
        /// The known ones.
        known: String,
    },
    /// A file does not begin as its extension says.
    #[error("this is no {format} file, whatever its name says")]
    NotTheFormat {
        /// The format that the extension names.
        format: &'static str,
    },
    /// A version of the npy format that does not exist yet.
    #[error("npy version {major}.{minor} is not known; versions 1, 2 and 3 are")]
    NpyVersion {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// The header of an npy file cannot be read.
    #[error("the npy header is malformed: expected {expected} at its byte {at}")]
    NpyHeader {
        /// What should stand there.
        expected: &'static str,
        /// Byte of the header, from 0.
        at: usize,
    },
    /// A part of a file that should be JSON is not, or is JSON of something else.
    #[error("{what}: {source}")]
    Json {
        /// The part.
        what: &'static str,
        /// Where and why it cannot be read.
        source: serde_json::Error,
    },
    /// A file lacks a named part.
    #[error("{what} {name} is missing; present: {present}")]
    MissingEntry {
        /// What kind of part.
        what: &'static str,
        /// Its name.
        name: String,
        /// The names that are there.
        present: String,
    },
    /// Numbers of a type that embeddings are not read from.
    #[error("elements of type {got} are not read as embeddings; known types: {known}")]
    ElementType {
        /// The file's name of the type.
        got: String,
        /// The types that are read.
        known: &'static str,
    },
    /// An array that is no matrix.
    #[error("the array has shape {shape:?}, embeddings need [rows, dim]")]
    NotAMatrix {
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A list beside the rows has another length.
    #[error("there are {got} {what} for {rows} rows: each row needs one, in row order")]
    RowCount {
        /// The list: `keys`, `texts` or `labels`.
        what: &'static str,
        /// Number of rows.
        rows: usize,
        /// Length of the list.
        got: usize,
    },
    /// A list beside an array was written with another array.
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
        /// What the list says.
        expected: String,
        /// What the array has.
        got: String,
    },
    /// A file without rows.
    #[error("there are no rows")]
    NoRows,
    /// Rows without values.
    #[error("the rows have no columns, so they have no direction: write them anew")]
    NoColumns,
    /// Rows of another width than needed.
    #[error("the rows are {got} wide, not {expected}: they come from another model")]
    Width {
        /// The width that fits.
        expected: usize,
        /// The width of the rows.
        got: usize,
    },
    /// A column has another number of rows than there are.
    #[error("column {column:?} has {got} rows, not {rows}: each row needs a value or none, in row order")]
    ColumnLength {
        /// The column.
        column: String,
        /// Number of rows.
        rows: usize,
        /// Rows of the column.
        got: usize,
    },
    /// A name that columns cannot have.
    #[error("{name:?} cannot name a column: names have 1 to {limit} bytes and no control characters")]
    ColumnName {
        /// The name.
        name: String,
        /// Most bytes of a name.
        limit: usize,
    },
    /// More columns than an archive has.
    #[error("there are more than {limit} columns: leave some out")]
    TooManyColumns {
        /// Most columns.
        limit: usize,
    },
    /// A column meets values of another type.
    #[error("column {column:?}: expected {expected}, got {got}")]
    ColumnType {
        /// The column.
        column: String,
        /// The type it has.
        expected: ColumnType,
        /// The type of the values.
        got: ColumnType,
    },
    /// A filter asks for a column that is not there.
    #[error("there is no column {column:?}; present: {present}")]
    UnknownColumn {
        /// The column.
        column: String,
        /// Names and types of those that are there.
        present: String,
    },
    /// A list of numbers is no bounding box.
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
    /// A filter is not written as filters are.
    #[error("the filter is malformed at its byte {at}: expected {expected}, got {got}")]
    FilterSyntax {
        /// Byte of the text, from 0.
        at: usize,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        got: String,
    },
    /// No archives to search as one.
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
        /// The shard that does not fit, from 0.
        shard: usize,
        /// The shard it was compared with.
        other: usize,
        /// The field that differs, the value of `other` as the archive's.
        mismatch: rscir_core::SpecMismatch,
    },
    /// Archives are not the shards of one split ingest.
    #[error(transparent)]
    Shards(Box<ShardProblem>),
    /// A pickle cannot be read or written.
    #[error(transparent)]
    Pickle(#[from] rscir_pickle::Error),
    /// A Parquet file cannot be read or written.
    #[error("{source}")]
    Parquet {
        /// What polars says of it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The metadata of a Parquet file or the header of one of its pages are none.
    #[error(
        "the Parquet metadata make no sense at byte {at}: the file is damaged; write it anew or restore it from a copy"
    )]
    ParquetMetadata {
        /// Where reading them ended.
        at: u64,
    },
    /// A Parquet file claims more than is decoded from one of its size.
    #[error(
        "the file claims {claimed} {what}, and {limit} at most are read from one of its size: it is damaged, or \
         compressed too well; write it anew, without compression"
    )]
    ParquetClaim {
        /// What is claimed.
        what: &'static str,
        /// How many or much of it.
        claimed: u64,
        /// What is accepted.
        limit: u64,
    },
    /// A column of a table is none that can be read, or lacks values that it needs.
    #[error("column {column:?}: expected {expected}, got {got}; cast it, or leave it out")]
    TableColumn {
        /// The column.
        column: String,
        /// What it should hold.
        expected: &'static str,
        /// What it holds.
        got: String,
    },
    /// A file that was named is none that is read or replaced.
    #[error(transparent)]
    Input(FileError),
    /// The file system, or what an archive lies on, refused.
    #[error("{}: {action} failed: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: IoAction,
        /// What the medium said.
        source: io::Error,
    },
    /// An earlier sync or rename failed, so it is unknown what is on the medium.
    #[error(
        "{}: an earlier sync failed, so this writer takes nothing more; see to the medium, then open the archive \
         again: all that was acknowledged is there",
        path.display()
    )]
    Poisoned {
        /// The archive.
        path: PathBuf,
    },
    /// The file that a writer has locked is no longer the archive's.
    #[error(
        "{}: the lock of this writer is gone (its file was removed or replaced), so another writer may have the archive: \
         nothing was published and nothing more is; let one writer open the archive again, and leave the file lock alone",
        path.display()
    )]
    LockLost {
        /// The archive.
        path: PathBuf,
    },
    /// Something else lies where an archive has a file or a folder.
    #[error(
        "{}: this is {found}, and an archive has {expected} here: links, pipes and devices are no part of one; nothing was \
         followed or changed; take it away, or restore the archive from a copy",
        path.display()
    )]
    WrongKind {
        /// Where it lies.
        path: PathBuf,
        /// What belongs there.
        expected: FileKind,
        /// What is there.
        found: FileKind,
    },
    /// Another writer has the archive.
    #[error("{}: another writer has this archive open; wait for it to end (readers need not)", path.display())]
    Locked {
        /// The archive.
        path: PathBuf,
    },
    /// There is no archive.
    #[error("{}: no archive here (no manifest.json); check the path, or create one", path.display())]
    NotFound {
        /// The folder that was asked for.
        path: PathBuf,
    },
    /// There is something where an archive should be created.
    #[error("{}: cannot create an archive here, the folder holds {found}; choose another path", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
        /// What is in it: `an archive`, or the path of a file.
        found: String,
    },
    /// An archive is asked to hold another precision than it was created with.
    #[error(
        "{}: the archive holds {holds} rows, not {asked}: the precision is chosen when an archive is created",
        path.display()
    )]
    Precision {
        /// The archive.
        path: PathBuf,
        /// The precision of its rows.
        holds: Precision,
        /// The precision that was asked for.
        asked: Precision,
    },
    /// Another format, or a format version to come.
    #[error(
        "{}: format {format:?}, version {version}; this program reads rscir-archive up to version {supported}: use a \
         newer one",
        path.display()
    )]
    Version {
        /// The manifest.
        path: PathBuf,
        /// Its `format` field.
        format: String,
        /// Its version.
        version: u32,
        /// The newest version that can be read.
        supported: u32,
    },
    /// A file of an archive is not what it was when it was written.
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
        /// Bytes it should have.
        expected: u64,
        /// Bytes it has.
        got: u64,
    },
    /// A segment that the manifest names is not there.
    #[error("{}: the file is missing; {REMEDY}", path.display())]
    MissingSegment {
        /// The file.
        path: PathBuf,
    },
    /// A manifest whose checksum is right is not as this format version has it.
    #[error("{}: not a manifest of this format version: {source}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where, and what was expected.
        source: serde_json::Error,
    },
    /// A manifest counts rows that cannot be.
    #[error("{}: the rows of segment {segment} and those deleted from it do not agree; {REMEDY}", path.display())]
    SegmentRows {
        /// The manifest.
        path: PathBuf,
        /// The segment, from 0.
        segment: usize,
    },
    /// A file is no safetensors file.
    #[error("{}: not a safetensors file, or a damaged one: {source}; restore it from a copy", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// A tensor of a segment is missing or is not what the manifest says.
    #[error("{}: tensor {tensor}: expected {expected}, got {got}; {REMEDY}", path.display())]
    SegmentTensor {
        /// The segment.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// Number format, shape and alignment that fit.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A value of a segment is none of its column's type, or not where its offset says.
    #[error("{}: column {column:?} holds no {column_type} for row {row}; {REMEDY}", path.display())]
    SegmentColumn {
        /// The segment.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        column_type: ColumnType,
        /// Row of the segment, from 0.
        row: usize,
    },
    /// A key of a segment is no text, or not where its offset says.
    #[error("{}: the key of row {row} is no UTF-8 text within the tensor keys; {REMEDY}", path.display())]
    SegmentKey {
        /// The segment.
        path: PathBuf,
        /// Row of the segment, from 0.
        row: usize,
    },
}

/// What to do about a damaged archive.
const REMEDY: &str = "verify the archive to see all damage, then restore it from a copy or repair it";

/// What to do about a damaged file of an archive: no repair gets by without the manifest.
fn remedy(path: &Path) -> &'static str {
    if path.file_name().is_some_and(|name| name == MANIFEST) {
        "without it nothing is known of the rows: restore it from a copy, or make the archive anew"
    } else {
        REMEDY
    }
}

impl Error {
    /// With the path of the file it is about.
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
            // The others name a path themselves.
            _ => self,
        }
    }

    /// Names the path and the action of an error of the medium.
    pub(crate) fn io(action: IoAction, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.downcast::<WrongKind>() {
            Ok(WrongKind { path, expected, found }) => Self::WrongKind { path, expected, found },
            Err(source) => Self::Io { path: path.into(), action, source },
        }
    }

    /// True if it is unknown, after this error, what is on the medium.
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
    /// An error of this crate that has passed through one of the core's traits is again what it was.
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
