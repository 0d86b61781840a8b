use std::path::PathBuf;

use rscir_core::files::FileError;
use rscir_core::{ColumnType, ErrorKind};

/// Result of a function of this crate; the error is [`Error`] if none is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of this crate: of files of vectors that are read, and of archives that are exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of `rscir-core`: a value, a vector or a shape does not fit.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// An error of `rscir-index`: of an archive, or of a file that claims more than its bytes can hold.
    #[error(transparent)]
    Index(#[from] rscir_index::Error),
    /// A file or a folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A Parquet file cannot be decoded.
    #[error("{}: this Parquet file cannot be decoded: {source}; restore it from a copy, or write it anew", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Error of the decoder.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder has no Parquet file.
    #[error("{}: no file here or in a folder below is named *.parquet, *.geoparquet or *.pq; name the folder that has them", path.display())]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },
    /// A path is not UTF-8, so that no key and no reference can be made of it.
    #[error("{}: the path is not UTF-8, which keys and references have to be; rename the file", path.display())]
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
        /// Names that were looked for.
        wanted: String,
        /// Names and types of the file's columns.
        present: String,
    },
    /// A column has a type that vectors or keys are not read from.
    #[error("{}: column {column:?} is of type {got}, but {expected}; name another column, or cast this one", path.display())]
    ColumnKind {
        /// The file.
        path: PathBuf,
        /// Name of the column.
        column: String,
        /// Types that can be read, as a clause.
        expected: &'static str,
        /// Type of the column in the file.
        got: String,
    },
    /// Columns of two files have one name and different types.
    #[error(
        "{}: column {column:?} holds {got}, and {expected} in {}; read the files one by one, or cast one of the columns",
        path.display(),
        other.display()
    )]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// Name of the columns.
        column: String,
        /// Type in the other file.
        expected: ColumnType,
        /// Type in this file.
        got: ColumnType,
        /// The other file, which was read before.
        other: PathBuf,
    },
    /// A vector has another width than the first one, or than the encoder's.
    #[error(
        "{}: the vector of row {row} (from 0) has {got} numbers, not {expected}: another model made it; leave the row out, or \
         name the model that made it",
        path.display()
    )]
    Width {
        /// The file.
        path: PathBuf,
        /// Number of the row in the file, from 0.
        row: u64,
        /// Width that the vector should have.
        expected: usize,
        /// Width that the vector has.
        got: usize,
    },
    /// No row has a vector.
    #[error("{}: there is no row with a vector; choose an input that has one", path.display())]
    NoRows {
        /// The file or folder that was read, or the file that was to be written.
        path: PathBuf,
    },
    /// Metadata of a file are not the JSON that they should be.
    #[error("{}: the metadata {name:?} cannot be understood: {source}; write the file anew without them", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Name of the metadata.
        name: &'static str,
        /// Error of the JSON parser.
        source: serde_json::Error,
    },
    /// A STAC item cannot be written, because the time of the imagery is unknown.
    #[error("{}: a STAC item has a time, and no row has a date in a column datetime; say when the imagery was taken", path.display())]
    NoDate {
        /// The file that the item would describe.
        path: PathBuf,
    },
    /// A STAC item cannot be written, because no row has a place.
    #[error("{}: a STAC item has a place, and no row of the archive has one; export archives of plain images without STAC", path.display())]
    NoPlace {
        /// The file that the item would describe.
        path: PathBuf,
    },
    /// An export was stopped before its end.
    #[error("the export was stopped and no file was written; start it again")]
    Stopped,
    /// A file changed while it was read.
    #[error("{}: the file changed while it was read; read it again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// Returns the kind of the error, by which callers decide what to do.
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
