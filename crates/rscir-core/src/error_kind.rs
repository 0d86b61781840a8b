use std::fmt;
use std::io;

/// Kind of an error, by which a caller decides what to do, whichever crate the error comes from.
///
/// Every error type of the crates that depend on this one has a method `kind`. An error that wraps another
/// has the kind of the inner one, and `source` leads to it: a full disk is [`ErrorKind::Io`] with an
/// [`io::Error`] whose own kind is [`io::ErrorKind::StorageFull`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The named thing is missing: a file, an archive, a model, a column or a key.
    NotFound,
    /// The thing to be created exists already.
    AlreadyExists,
    /// The input cannot be used: a value, a text or a path that names no file.
    InvalidInput,
    /// The data is damaged or of an unknown form: fetch it again, restore it or write it anew.
    Damaged,
    /// The data or the request is valid, but this program does not support it: convert the data, or choose
    /// something else.
    Unsupported,
    /// The data exceeds a limit.
    TooLarge,
    /// Two things do not belong together: vectors of two encoders, weights and another architecture, an array
    /// and the keys of another.
    Mismatch,
    /// Another writer holds the resource: try again when it has finished.
    Busy,
    /// A service does not answer at the moment: try again later.
    Unavailable,
    /// The system failed to read or write. Its own error is a source.
    Io,
    /// A computation failed on its device.
    Compute,
    /// An implementor's own error, about which nothing more is known.
    Other,
}

impl ErrorKind {
    /// Returns the kind in lowercase words, for messages and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::InvalidInput => "invalid input",
            Self::Damaged => "damaged",
            Self::Unsupported => "unsupported",
            Self::TooLarge => "too large",
            Self::Mismatch => "mismatch",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Io => "input or output",
            Self::Compute => "compute",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&io::Error> for ErrorKind {
    /// Tells a missing file from all other errors of the system.
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::Io,
        }
    }
}
