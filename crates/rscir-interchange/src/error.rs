use std::path::PathBuf;

use rscir_core::files::FileError;
use rscir_core::{ColumnType, ErrorKind};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with vectors that others made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core refused something.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// An archive refused something, or a file claims what it cannot hold.
    #[error(transparent)]
    Index(#[from] rscir_index::Error),
    /// A file or a folder cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A Parquet file cannot be decoded.
    #[error("{}: this Parquet file cannot be decoded: {source}; restore it from a copy, or write it anew", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What its decoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder has no Parquet file.
    #[error("{}: no file here or in a folder below is named *.parquet, *.geoparquet or *.pq; name the folder that has them", path.display())]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },
    /// A name cannot be a part of a key.
    #[error("{}: the path is not UTF-8, and keys are made of it; rename the file", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// A file lacks a column that is needed.
    #[error("{}: there is no column {wanted}; name the one that holds {what}; present: {present}", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// What the column would hold: `vectors` or `keys`.
        what: &'static str,
        /// The names that were looked for.
        wanted: String,
        /// Names and types of the columns that are there.
        present: String,
    },
    /// A column is of a type that vectors or keys are not read from.
    #[error("{}: column {column:?} is of type {got}, and {expected}; name another column, or cast it", path.display())]
    ColumnKind {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What can be read.
        expected: &'static str,
        /// Its type in the file.
        got: String,
    },
    /// Two files have a column of one name and of different types.
    #[error(
        "{}: column {column:?} holds {got}, and {expected} in {}; read the files one by one, or cast it",
        path.display(),
        other.display()
    )]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type in the other file.
        expected: ColumnType,
        /// Its type in this file.
        got: ColumnType,
        /// The file that was read before.
        other: PathBuf,
    },
    /// A row's vector has another width than those before it, or than the encoder's.
    #[error(
        "{}: the vector of row {row} (from 0) has {got} numbers, not {expected}: it comes from another model; leave the row out",
        path.display()
    )]
    Width {
        /// The file.
        path: PathBuf,
        /// The row of the file, from 0.
        row: u64,
        /// The width that fits.
        expected: usize,
        /// The width of the row.
        got: usize,
    },
    /// No row has a vector.
    #[error("{}: there are no rows with a vector", path.display())]
    NoRows {
        /// What was read.
        path: PathBuf,
    },
    /// A part of a file's metadata that should be JSON is not, or is JSON of something else.
    #[error("{}: the metadata {name:?}: {source}; write the file anew without it", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The name in the metadata.
        name: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It is not known when the imagery was taken, and STAC has no items without a time.
    #[error("{}: no row has a date in a column datetime, and STAC's items have one; say when the imagery was taken", path.display())]
    NoDate {
        /// The file that the item would be of.
        path: PathBuf,
    },
    /// Vectors have no place on the Earth, and STAC describes what has.
    #[error("{}: no row has a place, and STAC describes what has one; the archive is of plain images", path.display())]
    NoPlace {
        /// The file that the item would be of.
        path: PathBuf,
    },
    /// An export was stopped, and nothing was written.
    #[error("stopped: nothing was written")]
    Stopped,
    /// A file changed while it was read.
    #[error("{}: the file changed while it was read; read it again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(error) => error.kind(),
            Self::Index(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::Parquet { .. } | Self::Json { .. } => ErrorKind::Damaged,
            Self::NoFiles { .. } | Self::NoColumn { .. } => ErrorKind::NotFound,
            Self::Name { .. } | Self::NoRows { .. } | Self::NoDate { .. } | Self::NoPlace { .. } => {
                ErrorKind::InvalidInput
            }
            Self::Stopped => ErrorKind::Other,
            Self::ColumnKind { .. } => ErrorKind::Unsupported,
            Self::ColumnType { .. } | Self::Width { .. } | Self::Changed { .. } => ErrorKind::Mismatch,
        }
    }
}
