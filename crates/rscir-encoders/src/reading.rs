//! Reading of regular files of bounded size.

use std::io::ErrorKind;
use std::path::Path;

use rscir_core::files::{self, FileError};

use crate::{Error, Result};

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::File`] if it is not a regular file or is too large.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    files::read_bounded(path, limit).map_err(Error::from)
}

/// Reads a file like [`read`]. Returns `None` if there is no file of this name.
///
/// # Errors
/// The errors of [`read`].
pub(crate) fn read_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    match files::read_bounded(path, limit) {
        Err(FileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        read => Ok(Some(read?)),
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
