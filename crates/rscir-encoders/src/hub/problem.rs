use std::error::Error as StdError;

use rscir_core::ErrorKind;

/// Reason why a hub did not give a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadProblem {
    /// The hub answers with an error.
    #[error("the hub answers {status}: {}", advice(*.status))]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The answer of the hub lacks a header that a download needs, or its value cannot be used.
    #[error("the answer of the hub has no usable {header}: {value:?}; check the address of the hub")]
    Header {
        /// Name of the header.
        header: &'static str,
        /// Value of the header. Empty if the header is missing.
        value: String,
    },
    /// The connection ended too early.
    #[error(
        "the connection ended after {got} of {size} bytes; the bytes are kept, try again to continue from there"
    )]
    BrokenOff {
        /// Number of bytes that are on this machine.
        got: u64,
        /// Number of bytes of the whole file.
        size: u64,
        /// Error of the connection, if it gave one.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The hub cannot be reached.
    #[error("the hub cannot be reached; check the connection and the address of the hub")]
    Unreachable(#[source] Box<dyn StdError + Send + Sync>),
}

impl DownloadProblem {
    /// Returns the kind of the error, which tells what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Status { status: 404 } => ErrorKind::NotFound,
            // 401 and 403 ask for a token. Any other status below 500 would be the same the next time.
            Self::Status { status: 429 | 500.. } => ErrorKind::Unavailable,
            Self::Status { .. } | Self::Header { .. } => ErrorKind::InvalidInput,
            Self::BrokenOff { .. } | Self::Unreachable(_) => ErrorKind::Unavailable,
        }
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "only accounts with access may have the file; set the token of one",
        404 => "there is no such file, or only some accounts may see the repository",
        429 => "there were too many requests; try again later",
        500.. => "the hub is at fault; try again later",
        _ => "the hub does not give the file",
    }
}
