use std::io;

use crate::files::FileError;
use crate::{Channels, ColumnType, ErrorKind, SpecMismatch, Stage};

/// Result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate's types and traits.
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
    /// A vector is all zeros and has no direction.
    #[error("row {row} is all zeros and has no direction: drop or re-encode this row")]
    ZeroRow {
        /// Row of the matrix, from 0.
        row: usize,
    },
    /// A buffer or a list has the wrong length.
    #[error("{what}: expected length {expected}, got {got}")]
    Length {
        /// What has this length, such as "width of the appended embeddings".
        what: &'static str,
        /// The length that it must have.
        expected: usize,
        /// The length that it has.
        got: usize,
    },
    /// The archive and the query come from different encoders, so their vectors cannot be compared.
    #[error(transparent)]
    Spec(#[from] SpecMismatch),
    /// A method needs a part that the query does not have.
    #[error("{method} needs the query's {part}: add it to the query or choose a method without it")]
    MissingPart {
        /// Label of the method.
        method: String,
        /// The missing part: `image`, `text`, `words`, ...
        part: &'static str,
    },
    /// A parameter is outside its range.
    #[error("{name} is {value}, but must be {expected}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// The value that was given.
        value: String,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// An image has other channels than the encoder takes.
    #[error("the encoder takes images of {takes}, not of {got}: choose another model, or other bands")]
    Channels {
        /// The channels that the encoder takes.
        takes: Channels,
        /// The channels of the image.
        got: Channels,
    },
    /// An implementor does not offer an operation.
    #[error("{by} does not offer {what}: use one that does")]
    Unsupported {
        /// The operation.
        what: &'static str,
        /// The implementor.
        by: String,
    },
    /// A value was set for a column that its row does not have.
    #[error("there is no column {column:?} to set: list it among the columns of the source")]
    NoColumn {
        /// The column's name.
        column: String,
    },
    /// A value has another type than its column.
    #[error(
        "column {column:?} takes values of the type {expected}, not {got}: convert the value, or list the column as {got}"
    )]
    ColumnValue {
        /// The column's name.
        column: String,
        /// The type of the column.
        expected: ColumnType,
        /// The type of the value.
        got: ColumnType,
    },
    /// A source refuses an item.
    #[error("{reason}")]
    Refused {
        /// The stage at which the item failed.
        stage: Stage,
        /// Why the item was refused.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// An implementor's own error.
    #[error("{during}")]
    Source {
        /// What the implementor was doing.
        during: String,
        /// The kind of the error, by which a caller decides what to do.
        kind: ErrorKind,
        /// The implementor's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Wraps an implementor's error with a text of what was being done. The kind is that of the error if it
    /// is an [`io::Error`], a [`FileError`] or an [`Error`], and [`ErrorKind::Other`] otherwise;
    /// [`Error::of_kind`] sets another.
    pub fn from_source(
        during: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let source = source.into();
        let io = source.downcast_ref::<io::Error>().map(ErrorKind::from);
        let file = || source.downcast_ref::<FileError>().map(FileError::kind);
        let own = || source.downcast_ref::<Self>().map(Self::kind);
        let kind = io.or_else(file).or_else(own).unwrap_or(ErrorKind::Other);
        Self::Source { during: during.into(), kind, source }
    }

    /// Sets the kind of an [`Error::Source`]. All other errors keep the kind that they have.
    #[must_use]
    pub fn of_kind(mut self, new: ErrorKind) -> Self {
        if let Self::Source { kind, .. } = &mut self {
            *kind = new;
        }
        self
    }

    /// Returns the kind of the error, by which a caller decides what to do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NonFinite { .. } | Self::ZeroRow { .. } | Self::Parameter { .. } => ErrorKind::InvalidInput,
            Self::Length { .. } | Self::MissingPart { .. } | Self::Channels { .. } => ErrorKind::InvalidInput,
            Self::NoColumn { .. } | Self::ColumnValue { .. } | Self::Refused { .. } => {
                ErrorKind::InvalidInput
            }
            Self::Spec(_) => ErrorKind::Mismatch,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::File(error) => error.kind(),
            Self::Source { kind, .. } => *kind,
        }
    }

    /// Makes the error by which a source refuses an item at `stage`, for `reason`.
    pub fn refused(stage: Stage, reason: impl Into<String>) -> Self {
        Self::Refused { stage, reason: reason.into() }
    }

    /// Checks that two lengths agree.
    ///
    /// # Errors
    /// [`Error::Length`] if they differ.
    pub fn check_length(what: &'static str, expected: usize, got: usize) -> Result<()> {
        if expected == got { Ok(()) } else { Err(Self::Length { what, expected, got }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    fn full() -> io::Error {
        io::ErrorKind::StorageFull.into()
    }

    #[test]
    fn a_full_disk_is_io_however_deep_it_lies_and_its_own_error_is_a_source() {
        let inner = Error::from_source("writing rows", full());
        let error = Error::from_source("a sink failed", inner);
        assert_eq!(error.kind(), ErrorKind::Io);
        let io = error.source().and_then(|error| error.source()).unwrap().downcast_ref::<io::Error>();
        assert_eq!(io.unwrap().kind(), io::ErrorKind::StorageFull);
        let missing = Error::from_source("reading", io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn an_implementor_says_of_what_kind_its_error_is() {
        assert_eq!(Error::from_source("asking", "no answer").kind(), ErrorKind::Other);
        assert_eq!(
            Error::from_source("asking", "no answer").of_kind(ErrorKind::Busy).kind(),
            ErrorKind::Busy
        );
        assert_eq!(Error::ZeroRow { row: 1 }.of_kind(ErrorKind::Busy).kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_file_that_is_not_there_is_told_from_one_that_is_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        let kind = |path: &std::path::Path| crate::files::read_bounded(path, 3).unwrap_err().kind();
        assert_eq!(kind(&path), ErrorKind::NotFound);
        std::fs::write(&path, "more").unwrap();
        assert_eq!(kind(&path), ErrorKind::TooLarge);
        assert_eq!(kind(folder.path()), ErrorKind::Unsupported);
    }
}
