use rscir_core::ErrorKind;
use rscir_core::files::FileError;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The page cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A picture cannot be made a JPEG.
    #[error("the picture of {width} x {height} pixels cannot be encoded; leave it out")]
    Picture {
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
        /// What the encoder says.
        #[source]
        source: jpeg_encoder::EncodingError,
    },
}

impl Error {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::Picture { .. } => ErrorKind::Unsupported,
        }
    }
}
