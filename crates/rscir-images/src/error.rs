use std::io;
use std::path::PathBuf;

use rscir_core::ErrorKind;
use rscir_core::files::FileError;

/// Errors of images, preprocessing and ingests.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A path leads to a pipe, a device or a folder, not to a regular file, or the file is too large.
    #[error(transparent)]
    File(FileError),
    /// A setting has a value that is not allowed.
    #[error("{key} is {got}, but must be {expected}")]
    ConfigValue {
        /// The setting, such as `stretch` or `preprocess_cfg.size`.
        key: String,
        /// The value that was given.
        got: String,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// The image in a file cannot be decoded.
    #[error("cannot decode {path}", path = path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: Box<Error>,
    },
    /// An image cannot be decoded. Its path is not known here.
    #[error(transparent)]
    Pixels(Box<crate::ImageProblem>),
    /// A file cannot be read as a tar file of images.
    #[error("{}: {reason}", path.display())]
    Shard {
        /// The file.
        path: PathBuf,
        /// The reason, and what to do.
        reason: String,
    },
    /// An ingest would replace rows of files in another folder.
    #[error(
        "{given} has other files for {rows} rows of files in {root}, such as {key:?}: ingest it into an archive of its own, or \
         allow the ingest to replace rows",
        root = root.display(),
        given = given.display()
    )]
    OtherRoot {
        /// The key of the first of these rows, in the order of the list.
        key: String,
        /// The folder of the row's file.
        root: PathBuf,
        /// The folder that is ingested.
        given: PathBuf,
        /// Number of rows that would be replaced.
        rows: usize,
    },
    /// More images failed than the options of the ingest allow.
    #[error(
        "more than {limit} images failed, and the ingest gave up: what was committed stays; look at the reported failures"
    )]
    TooManyFailures {
        /// Number of images that may fail.
        limit: usize,
    },
    /// The system refused to start the threads of an ingest.
    #[error("cannot start {threads} threads: ask for fewer")]
    Threads {
        /// Number of threads that were asked for.
        threads: usize,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An encoder, a sink or a source failed.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
}

impl Error {
    /// Returns the kind of the error, by which a program decides what to do.
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

/// Result of a fallible operation of this crate.
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
