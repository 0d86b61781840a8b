use rscir_core::ErrorKind;
use rscir_core::files::FileError;

/// Result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong while a page is made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The page cannot be written to its file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A picture cannot be encoded as a JPEG.
    #[error("the picture of {width} x {height} pixels cannot be encoded; leave it out")]
    Picture {
        /// Width of the picture in pixels.
        width: usize,
        /// Height of the picture in pixels.
        height: usize,
        /// The encoder's own error.
        #[source]
        source: jpeg_encoder::EncodingError,
    },
}

impl Error {
    /// Returns the kind of the error, by which a caller decides what to do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::Picture { .. } => ErrorKind::Unsupported,
        }
    }
}
