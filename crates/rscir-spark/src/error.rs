use std::path::PathBuf;

use rscir_core::files::FileError;
use rscir_core::{ColumnType, ErrorKind};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a table on shared storage, or with the engine that reads it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value or a shape.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// An archive, a filter or a search.
    #[error(transparent)]
    Index(#[from] rscir_index::Error),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A method cannot be built.
    #[error(transparent)]
    Method(#[from] rscir_weicom::Error),
    /// A part cannot be written as Parquet.
    #[error("{}: the part cannot be written: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the writer says.
        source: parquet::errors::ParquetError,
    },
    /// The archive has no row to publish.
    #[error("the archive has no rows: a table of none has no vectors to ask for")]
    NoRows,
    /// A column has a name that a published table keeps for itself.
    #[error("the column {column:?} cannot be published: tables keep this name for {what}; rename the column")]
    ReservedColumn {
        /// The column.
        column: String,
        /// What the name stands for.
        what: &'static str,
    },
    /// There is no published table.
    #[error("{}: no table was published here (no {file}); check the path, or publish an archive", path.display(), file = crate::table::POINTER)]
    NotPublished {
        /// The folder.
        path: PathBuf,
    },
    /// A file beside the parts is not what was written, or of a version to come.
    #[error("{}: {reason}; publish the archive again", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A method has no form as a function of two similarities whose bounds are proven.
    #[error(
        "{label} is not offered on an engine: methods that are a function of each row's two similarities are (image, text, \
         sum, product, min, weicom, dbsf, stouffer); open the archive to rank by it"
    )]
    MethodNotOffered {
        /// The method.
        label: String,
    },
    /// An engine failed, or refused a question.
    #[error("the engine says: {message}")]
    Engine {
        /// The engine's own words.
        message: String,
    },
}

impl Error {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(error) => error.kind(),
            Self::Index(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::Method(error) => error.kind(),
            Self::Parquet { .. } => ErrorKind::Io,
            Self::NoRows | Self::ReservedColumn { .. } => ErrorKind::InvalidInput,
            Self::NotPublished { .. } => ErrorKind::NotFound,
            Self::Description { .. } => ErrorKind::Damaged,
            Self::MethodNotOffered { .. } => ErrorKind::Unsupported,
            Self::Engine { .. } => ErrorKind::Other,
        }
    }

    /// A description that is not what was written.
    pub(crate) fn description(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Description { path: path.into(), reason: reason.into() }
    }
}

/// The type of a column in the words of files: `text`, `int`, ...
pub(crate) fn type_named(name: &str) -> Option<ColumnType> {
    ColumnType::ALL.into_iter().find(|column_type| column_type.name() == name)
}
