use std::io;
use std::net::SocketAddr;

use rscir_core::ErrorKind;

/// The result of everything in this crate that can fail before a request comes.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a server. What is wrong with a request is an answer to it, not this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The encoder is not the archive's.
    #[error("the encoder's vectors cannot be compared with the archive's")]
    Encoder(#[from] rscir_core::SpecMismatch),
    /// The address cannot be listened at.
    #[error("cannot listen at {addr}: choose another port if it is taken, or an address of this machine")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Other machines could ask without a secret.
    #[error("{addr} can be reached from other machines: set a token, or listen at 127.0.0.1")]
    NeedsToken {
        /// The address.
        addr: SocketAddr,
    },
    /// A token that can be guessed, or that no header can hold.
    #[error("a token has 16 to 256 letters, digits, `-`, `_`, `.` or `~`, and this has {chars} characters")]
    Token {
        /// How many characters it has.
        chars: usize,
    },
    /// A base map that is no template of addresses.
    #[error(
        "{url:?} is no template of a map's pictures: write https://HOST/.../{{z}}/{{x}}/{{y}}.png, without spaces, quotes, commas or semicolons"
    )]
    Basemap {
        /// What was given.
        url: String,
    },
    /// A server was run on a thread of a runtime of tokio, which it would block.
    #[error(
        "a server has a runtime of its own: run it on a plain thread, or serve the app's router in yours"
    )]
    InRuntime,
    /// The threads that answer cannot be started, or a socket failed.
    #[error("the server cannot {action}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Encoder(_) => ErrorKind::Mismatch,
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => ErrorKind::Busy,
            Self::Listen { .. } | Self::Io { .. } => ErrorKind::Io,
            Self::InRuntime => ErrorKind::Unsupported,
            Self::NeedsToken { .. } | Self::Token { .. } | Self::Basemap { .. } => ErrorKind::InvalidInput,
        }
    }
}
