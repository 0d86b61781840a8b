use crate::{ColumnType, SpecMismatch, Stage};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong at the seams of rscir.
///
/// Implementors of the traits wrap their own errors in [`Error::Source`] (see [`Error::from_source`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A vector holds NaN or an infinity.
    #[error(
        "row {row} holds {value} at column {column}: embeddings must be finite; drop or re-encode this row"
    )]
    NonFinite {
        /// Row of the matrix, from 0.
        row: usize,
        /// Column of the matrix, from 0.
        column: usize,
        /// The value found there.
        value: f32,
    },
    /// A vector without a direction.
    #[error("row {row} is all zeros and has no direction: drop or re-encode this row")]
    ZeroRow {
        /// Row of the matrix, from 0.
        row: usize,
    },
    /// A buffer or a list has the wrong length.
    #[error("{what}: expected length {expected}, got {got}")]
    Length {
        /// What was measured.
        what: &'static str,
        /// The length that fits.
        expected: usize,
        /// The length that was given.
        got: usize,
    },
    /// Two encoders differ, so their vectors cannot be compared.
    #[error(transparent)]
    Spec(#[from] SpecMismatch),
    /// A method needs a part that the query does not have.
    #[error("{method} needs the query's {part}: add it to the query or choose a method without it")]
    MissingPart {
        /// Label of the method.
        method: String,
        /// The part: `image`, `text`, `words`, ...
        part: &'static str,
    },
    /// A parameter is outside its range.
    #[error("{name} is {value}, but must be {expected}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// An implementor does not offer this operation.
    #[error("{what} is not offered by {by}")]
    Unsupported {
        /// The operation.
        what: &'static str,
        /// The implementor.
        by: String,
    },
    /// A value is for a column that is not among those of its row.
    #[error("there is no column {column:?} to set: list it among the columns of the source")]
    NoColumn {
        /// The column's name.
        column: String,
    },
    /// A value is of another type than its column.
    #[error(
        "column {column:?} takes values of the type {expected}, not {got}: convert the value, or list the column as {got}"
    )]
    ColumnValue {
        /// The column's name.
        column: String,
        /// The type that was announced.
        expected: ColumnType,
        /// The type of the value.
        got: ColumnType,
    },
    /// A source refuses an item.
    #[error("{reason}")]
    Refused {
        /// Where the item failed.
        stage: Stage,
        /// Why.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] crate::files::FileError),
    /// An implementor's own error.
    #[error("{during}")]
    Source {
        /// What was being done.
        during: String,
        /// The error itself.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Wraps an implementor's error with what was being done.
    pub fn from_source(
        during: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Source { during: during.into(), source: source.into() }
    }

    /// Refuses an item of a source at `stage`, for `reason`.
    pub fn refused(stage: Stage, reason: impl Into<String>) -> Self {
        Self::Refused { stage, reason: reason.into() }
    }

    /// `Ok` if the lengths agree, [`Error::Length`] otherwise.
    pub fn check_length(what: &'static str, expected: usize, got: usize) -> Result<()> {
        if expected == got { Ok(()) } else { Err(Self::Length { what, expected, got }) }
    }
}
