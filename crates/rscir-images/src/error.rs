use std::io;
use std::path::PathBuf;

use rscir_core::ErrorKind;
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
    /// A tar file cannot be taken as a shard of images.
    #[error("{}: {reason}", path.display())]
    Shard {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
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
    /// The system does not start the threads of an ingest.
    #[error("cannot start {threads} threads: ask for fewer")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What was said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The encoder or the sink of an ingest failed.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
}

impl Error {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => source.into(),
            Self::File(error) => error.kind(),
            Self::ConfigValue { .. } | Self::TooManyFailures { .. } => ErrorKind::InvalidInput,
            Self::Threads { .. } => ErrorKind::Io,
            Self::Shard { .. } => ErrorKind::Damaged,
            Self::Image { source, .. } => source.kind(),
            Self::Pixels(problem) => problem.kind(),
            Self::OtherRoot { .. } => ErrorKind::AlreadyExists,
            Self::Core(error) => error.kind(),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DecodeLimits, Decoding, decode, decode_file};

    #[test]
    fn a_caller_can_tell_a_damaged_image_from_one_that_is_not_read_or_too_large() {
        let kind = |bytes: &[u8], limits: &DecodeLimits| {
            decode(bytes, &Decoding::default(), limits).map(|_| ()).unwrap_err().kind()
        };
        let limits = DecodeLimits::default();
        assert_eq!(kind(b"", &limits), ErrorKind::Damaged);
        assert_eq!(kind(b"GIF89a", &limits), ErrorKind::Unsupported);
        assert_eq!(kind(b"\xff\xd8\xff", &limits), ErrorKind::Damaged);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.png");
        let kind = || decode_file(&path, &Decoding::default(), &limits).map(|_| ()).unwrap_err().kind();
        assert_eq!(kind(), ErrorKind::NotFound);
        std::fs::write(&path, "").unwrap();
        assert_eq!(kind(), ErrorKind::Damaged);
    }

    #[test]
    fn a_sinks_full_disk_is_io_and_its_own_error_is_a_source() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = Error::from(rscir_core::Error::from_source("the disk is full", full));
        assert_eq!(error.kind(), ErrorKind::Io);
        let source = std::error::Error::source(&error).unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    }
}
