use std::error::Error as StdError;

use rscir_core::ErrorKind;

/// Why a hub did not give a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadProblem {
    /// The hub answers with an error.
    #[error("the hub answers {status}: {}", advice(*.status))]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The hub's answer lacks what a download needs, or has it in no usable form.
    #[error("the hub's answer has no usable {header}: {value:?}; is its address right?")]
    Header {
        /// Name of the header.
        header: &'static str,
        /// Its value, empty if it is not there.
        value: String,
    },
    /// The connection ended too early.
    #[error(
        "the connection ended after {got} of {size} bytes; they are kept, and the next try goes on from there"
    )]
    BrokenOff {
        /// Bytes that are on this machine.
        got: u64,
        /// Bytes of the whole file.
        size: u64,
        /// What ended it, if the connection says.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The hub cannot be reached.
    #[error("the hub cannot be reached")]
    Unreachable(#[source] Box<dyn StdError + Send + Sync>),
}

impl DownloadProblem {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Status { status: 404 } => ErrorKind::NotFound,
            // 401 and 403 ask for a token, and what else a hub says of a request is no better the next time.
            Self::Status { status: 429 | 500.. } => ErrorKind::Unavailable,
            Self::Status { .. } | Self::Header { .. } => ErrorKind::InvalidInput,
            Self::BrokenOff { .. } | Self::Unreachable(_) => ErrorKind::Unavailable,
        }
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "the file asks for an account that was given access; set its token",
        404 => "there is no such file, or the repository asks for an account",
        429 => "it was asked too often; try again later",
        500.. => "it is at fault; try again later",
        _ => "it does not give the file",
    }
}
