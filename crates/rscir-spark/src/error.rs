use rscir_core::files::FileError;
use rscir_core::{ColumnType, ErrorKind};

use crate::Location;

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
    #[error("{file}: the part cannot be written: {source}")]
    Parquet {
        /// File of the part.
        file: Location,
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
    /// The names of two columns differ in upper and lower case alone, and are equal to engines.
    #[error(
        "the columns {other:?} and {column:?} cannot both be published: to engines their names are equal; rename one"
    )]
    ColumnTwice {
        /// Name of a column.
        column: String,
        /// Name of the other column.
        other: String,
    },
    /// A place holds no published table.
    #[error("{table}: no table was published here (there is no {file}); check the path, or publish an archive", file = crate::table::POINTER)]
    NotPublished {
        /// Place that was opened as a table.
        table: Location,
    },
    /// A file that describes a table is damaged, or of a format that this release does not read.
    #[error("{file}: {reason}; publish the archive again")]
    Description {
        /// File that describes the table.
        file: Location,
        /// What is wrong with the file.
        reason: String,
    },
    /// Another version was published while this one was written.
    #[error("{table}: another version was published meanwhile, and stays; publish again to replace it")]
    PublishedMeanwhile {
        /// Table.
        table: Location,
    },
    /// A table is in an object store, which this build does not reach.
    #[error("{url}: this build does not reach object stores; build with the feature `cloud`")]
    NoCloud {
        /// URL of the table.
        url: String,
    },
    /// An object store failed or refused a request.
    #[cfg(feature = "cloud")]
    #[error("{url}: {source}; check the URL and the environment's variables of the store")]
    Store {
        /// URL of the object.
        url: String,
        /// Error of the store's client.
        source: Box<object_store::Error>,
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
    /// A part of a table is not as it was published.
    #[error("table {table}: part {part}: {problem}; an answer would be wrong: publish the archive again")]
    Part {
        /// Name of the table.
        table: String,
        /// Mark of the part.
        part: String,
        /// What is wrong with the part.
        problem: PartProblem,
    },
    /// A table has no column of a name.
    #[error(
        "table {table}: there is no column {column:?}, only {present}: check the name of the table, or publish again"
    )]
    NoColumn {
        /// Table.
        table: String,
        /// Name of the column.
        column: String,
        /// Names of the table's columns.
        present: String,
    },
    /// A column of a table has another type than the archive's.
    #[error(
        "table {table}: column {column:?} should hold {expected}, and the engine says {got}: check the name of the table, or publish \
         again"
    )]
    ColumnType {
        /// Table.
        table: String,
        /// Name of the column.
        column: String,
        /// Type of the archive's column.
        expected: String,
        /// Type that the engine names.
        got: String,
    },
    /// An engine failed or refused a statement.
    #[error("table {table}: the engine says: {message}")]
    Engine {
        /// Table.
        table: String,
        /// Message of the engine.
        message: String,
    },
    /// No engine answers at an address.
    #[error("{address}: no engine answers here ({reason}): start one, or check the address")]
    Unreachable {
        /// Address without its parameters.
        address: String,
        /// Reason, as far as it is known.
        reason: String,
    },
    /// A table or an engine's answer is not of the form that was asked for.
    #[error("table {table}: the engine's answer has {what}: check the table, or use another engine")]
    Answer {
        /// Table.
        table: String,
        /// What the answer has.
        what: String,
    },
    /// The engine's bound of a row is not what it was asked to compute.
    #[error(
        "the engine bounds the row {key:?} by {bound}, where only {least} to {greatest} is possible: it computes something else than it \
         is asked for, so use another engine"
    )]
    Bound {
        /// Key of the row.
        key: String,
        /// Bound that the engine computed.
        bound: f64,
        /// Least bound that the row can have, whatever the engine rounds.
        least: f64,
        /// Greatest bound that the row can have.
        greatest: f64,
    },
    /// The engine answered a question for the best of all rows with fewer rows than there are.
    #[error(
        "the engine gives {got} rows where the table has {rows}: it leaves out rows, so check the table, or use another engine"
    )]
    Rows {
        /// Number of rows of the table.
        rows: u64,
        /// Number of rows in the answer.
        got: u64,
    },
}

/// Problem of a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartProblem {
    /// The part is missing.
    #[error("the part is missing")]
    Missing,
    /// The part has another number of rows.
    #[error("the part has {got} rows instead of {expected}")]
    Rows {
        /// Number of rows that were published.
        expected: u64,
        /// Number of rows that the engine counts.
        got: u64,
    },
    /// The part is of another version, or of another encoder's vectors.
    #[error("the part is of another version or another encoder")]
    Foreign,
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
            Self::NoRows | Self::ReservedColumn { .. } | Self::ColumnTwice { .. } => ErrorKind::InvalidInput,
            Self::NotPublished { .. } | Self::NoColumn { .. } => ErrorKind::NotFound,
            Self::Description { .. } | Self::Part { .. } => ErrorKind::Damaged,
            Self::MethodNotOffered { .. } | Self::NoCloud { .. } => ErrorKind::Unsupported,
            Self::PublishedMeanwhile { .. } => ErrorKind::Busy,
            Self::ColumnType { .. } => ErrorKind::Mismatch,
            Self::Engine { .. } | Self::Answer { .. } | Self::Bound { .. } | Self::Rows { .. } => {
                ErrorKind::Other
            }
            Self::Unreachable { .. } => ErrorKind::Unavailable,
            #[cfg(feature = "cloud")]
            Self::Store { source, .. } => kind_of(source),
        }
    }

    /// Makes an [`Error::Description`].
    pub(crate) fn description(file: impl Into<Location>, reason: impl Into<String>) -> Self {
        Self::Description { file: file.into(), reason: reason.into() }
    }
}

/// Returns the kind of a store's error.
#[cfg(feature = "cloud")]
fn kind_of(error: &object_store::Error) -> ErrorKind {
    use object_store::Error::{NotFound, PermissionDenied, Unauthenticated};
    match error {
        NotFound { .. } => ErrorKind::NotFound,
        PermissionDenied { .. } | Unauthenticated { .. } => ErrorKind::Io,
        _ => ErrorKind::Unavailable,
    }
}

/// Returns the type of a column by its name in files, such as `text` or `int`; `None` if no type has this name.
pub(crate) fn type_named(name: &str) -> Option<ColumnType> {
    ColumnType::ALL.into_iter().find(|column_type| column_type.name() == name)
}
