use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::{FileAction, FileError, FileKind};

/// Returns the nanoseconds from 1970 to a time of change, by which a changed file is recognized.
///
/// A time before 1970, or `None`, counts as 1970: the size of the file still tells most changes.
#[must_use]
pub fn nanos_since_1970(time: Option<SystemTime>) -> u128 {
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default().as_nanos()
}

/// Opens a regular file for reading and returns it with its length in bytes. Links are followed.
///
/// A pipe, a device, a folder or a socket is refused after it was opened, and opening does not wait for the
/// other end of a pipe. The length is that at this moment: another process can still change the file.
///
/// # Errors
/// [`FileError::Io`] if the file cannot be opened; [`FileError::NotRegular`] if it is not a regular file.
pub fn open_regular(path: impl AsRef<Path>) -> Result<(File, u64), FileError> {
    let path = path.as_ref();
    let check = |file_type| match FileKind::of(file_type) {
        Some(kind) => Err(FileError::NotRegular { path: path.into(), kind }),
        None => Ok(()),
    };
    // Opening a device can have an effect on it. This check avoids that, and the check of the open file
    // decides.
    check(fs::metadata(path).map_err(FileError::io(FileAction::Read, path))?.file_type())?;
    let file = open_without_waiting(path).map_err(FileError::io(FileAction::Read, path))?;
    let metadata = file.metadata().map_err(FileError::io(FileAction::Read, path))?;
    check(metadata.file_type())?;
    Ok((file, metadata.len()))
}

fn open_without_waiting(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        // With NONBLOCK a pipe without a writer opens at once; with NOCTTY a terminal does not become this
        // process's own.
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32);
    }
    options.open(path)
}

/// Reads a regular file of at most `limit` bytes and returns its content. Links are followed.
///
/// A longer file is refused before it is read. A file that grows meanwhile is refused once it is longer than
/// the limit.
///
/// # Errors
/// [`FileError::TooLarge`] if the file is longer than `limit`; the errors of [`open_regular`].
pub fn read_bounded(path: impl AsRef<Path>, limit: u64) -> Result<Vec<u8>, FileError> {
    let path = path.as_ref();
    let (file, len) = open_regular(path)?;
    let too_large = |bytes| FileError::TooLarge { path: path.into(), bytes, limit };
    if len > limit {
        return Err(too_large(len));
    }
    let failed = |source| FileError::Io { path: path.into(), action: FileAction::Read, source };
    let mut bytes = Vec::new();
    let capacity = usize::try_from(len).map_err(|_| too_large(len))?;
    bytes
        .try_reserve_exact(capacity)
        .map_err(|error| failed(io::Error::new(io::ErrorKind::OutOfMemory, error)))?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

/// Reads a text file of at most `limit` bytes and returns the text without its byte order mark.
///
/// # Errors
/// [`FileError::NotText`] if the content is not UTF-8 or holds a NUL; the errors of [`read_bounded`].
pub fn read_text(path: impl AsRef<Path>, limit: u64) -> Result<String, FileError> {
    let path = path.as_ref();
    let bytes = read_bounded(path, limit)?;
    let not_text = |before: &[u8], problem| {
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        FileError::NotText { path: path.into(), line, problem }
    };
    let mut text = String::from_utf8(bytes).map_err(|error| {
        not_text(&error.as_bytes()[..error.utf8_error().valid_up_to()], "the bytes are not UTF-8")
    })?;
    // UTF-16 without a byte order mark is UTF-8 with a NUL in every other place.
    if let Some(at) = text.find('\0') {
        return Err(not_text(&text.as_bytes()[..at], "there is a NUL byte"));
    }
    let mark = text.len() - without_byte_order_mark(&text).len();
    text.drain(..mark);
    Ok(text)
}

/// Removes byte order marks from the beginning of a text. Programs that join files leave several of them; all
/// are removed.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}
