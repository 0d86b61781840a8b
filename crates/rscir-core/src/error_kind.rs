use std::fmt;
use std::io;

/// What a caller can do about an error, whichever crate it comes from.
///
/// Every error type of the crates that depend on this one has a method `kind`. Where an error wraps another, it is the
/// inner one's kind, and `source` leads to it: a full disk is [`ErrorKind::Io`] with an [`io::Error`] whose own kind is
/// [`io::ErrorKind::StorageFull`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was named is not there: a file, an archive, a model, a column, a key.
    NotFound,
    /// Something is where something else should be made.
    AlreadyExists,
    /// What was given cannot be taken: a value, a text, a path that names no file.
    InvalidInput,
    /// What was read is not as it was written, or of no known form: fetch it, restore it or write it anew.
    Damaged,
    /// What was read or asked for is in order and not offered here: convert it, or choose something else.
    Unsupported,
    /// What was read takes more than a limit allows.
    TooLarge,
    /// Two things do not belong together: vectors of two encoders, weights and another architecture, an array and
    /// another's keys.
    Mismatch,
    /// Another writer has it: try again when it has ended.
    Busy,
    /// A service does not answer, or not now: try again later.
    Unavailable,
    /// The system refused to read or write; its own error is a source.
    Io,
    /// A computation failed on its device.
    Compute,
    /// An implementor's own error, of which nothing more is known.
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
    /// Tells a file that is not there from all else that a system refuses.
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::Io,
        }
    }
}
