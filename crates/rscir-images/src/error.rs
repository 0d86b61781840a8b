use std::io;
use std::path::PathBuf;

use rscir_core::files::FileError;

/// What is wrong with an image, a setting or an ingest, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// What is read is no regular file, or too large a one.
    #[error(transparent)]
    File(FileError),
    /// A setting has a value that is not allowed.
    #[error("{key} is {got}, but must be {expected}")]
    ConfigValue {
        /// The setting: `stretch`, `preprocess_cfg.size`.
        key: String,
        /// The value.
        got: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// The image in a file cannot be decoded.
    #[error("cannot decode {path}", path = path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<Error>,
    },
    /// An image cannot be decoded.
    #[error(transparent)]
    Pixels(Box<crate::ImageProblem>),
    /// Images would replace rows that are of files in another folder.
    #[error(
        "{given} has other files for {rows} rows of files in {root}, such as {key:?}: ingest it into an archive of its own, or \
         allow the ingest to replace rows",
        root = root.display(),
        given = given.display()
    )]
    OtherRoot {
        /// The key of the first of these rows, in the order of the list.
        key: String,
        /// The folder that its file is in.
        root: PathBuf,
        /// The folder that is ingested.
        given: PathBuf,
        /// How many rows would be replaced.
        rows: usize,
    },
    /// More images failed than the ingest was told to bear.
    #[error(
        "more than {limit} images failed, and the ingest gave up: what was committed stays; look at the reported failures"
    )]
    TooManyFailures {
        /// How many may fail.
        limit: usize,
    },
    /// The encoder or the sink of an ingest failed.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { path, source, .. } => Self::Io { path, source },
            error => Self::File(error),
        }
    }
}

/// [`std::result::Result`] with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
