use std::path::PathBuf;

use rscir_core::files::FileError;
use rscir_core::{ColumnType, ErrorKind};

/// Result of a function of this crate; the error is [`Error`] if none is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of this crate: of tables on shared storage, and of the engines that read them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of `rscir-core`: a value, a vector or a shape does not fit.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// An error of `rscir-index`: an archive, a filter or a search.
    #[error(transparent)]
    Index(#[from] rscir_index::Error),
    /// A file or a folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A method cannot be built.
    #[error(transparent)]
    Method(#[from] rscir_weicom::Error),
    /// A part cannot be written as Parquet.
    #[error("{}: the part cannot be written: {source}", path.display())]
    Parquet {
        /// File of the part.
        path: PathBuf,
        /// Error of the Parquet writer.
        source: parquet::errors::ParquetError,
    },
    /// An archive without rows was to be published.
    #[error("the archive has no rows to publish; publish an archive that has rows")]
    NoRows,
    /// A column has the name of a column that every table has.
    #[error("the column {column:?} cannot be published: tables keep this name for {what}; rename the column")]
    ReservedColumn {
        /// Name of the archive's column.
        column: String,
        /// What tables keep the name for.
        what: &'static str,
    },
    /// A folder holds no published table.
    #[error("{}: no table was published here (there is no {file}); check the path, or publish an archive", path.display(), file = crate::table::POINTER)]
    NotPublished {
        /// Folder that was opened as a table.
        path: PathBuf,
    },
    /// A file that describes a table is damaged, or of a format that this release does not read.
    #[error("{}: {reason}; publish the archive again", path.display())]
    Description {
        /// File that describes the table.
        path: PathBuf,
        /// What is wrong with the file.
        reason: String,
    },
    /// No bound is known for the scores of a method, so an engine cannot choose candidates for it.
    #[error(
        "an engine cannot rank by {label}: choose a method that scores a row by its two similarities alone (image, text, sum, \
         product, min, weicom, dbsf or stouffer), or search the archive itself"
    )]
    MethodNotOffered {
        /// Label of the method.
        label: String,
    },
    /// An engine failed or refused a question.
    #[error("the engine says: {message}")]
    Engine {
        /// Message of the engine.
        message: String,
    },
}

impl Error {
    /// Returns the kind of the error, by which callers decide what to do.
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

    /// Makes an [`Error::Description`].
    pub(crate) fn description(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Description { path: path.into(), reason: reason.into() }
    }
}

/// Returns the type of a column by its name in files, such as `text` or `int`; `None` if no type has this name.
pub(crate) fn type_named(name: &str) -> Option<ColumnType> {
    ColumnType::ALL.into_iter().find(|column_type| column_type.name() == name)
}
