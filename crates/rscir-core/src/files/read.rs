use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::{FileAction, FileError, FileKind};

/// Returns the nanoseconds from 1970 to a time of change, by which files are told to have changed.
///
/// A time before 1970, or none, counts as 1970: the size still tells most changes.
#[must_use]
pub fn nanos_since_1970(time: Option<SystemTime>) -> u128 {
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default().as_nanos()
}

/// Opens a regular file to read it, and gives its length. Links are followed.
///
/// A pipe, a device, a folder or a socket is refused, by what the opened file is and without waiting for a pipe's other
/// end. The length is that of this moment: whoever else has the file can still change it.
///
/// # Errors
/// [`FileError::Io`]; [`FileError::NotRegular`].
pub fn open_regular(path: impl AsRef<Path>) -> Result<(File, u64), FileError> {
    let path = path.as_ref();
    let check = |file_type| match FileKind::of(file_type) {
        Some(kind) => Err(FileError::NotRegular { path: path.into(), kind }),
        None => Ok(()),
    };
    // Opening a device can do something to it. This look spares it that; the one at the handle decides.
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
        // A pipe without a writer opens at once, and a terminal does not become this process's own.
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32);
    }
    options.open(path)
}

/// Reads a regular file of at most `limit` bytes, and gives its content. Links are followed.
///
/// A longer file is refused before it is read, and one that grows meanwhile as soon as it has grown beyond the limit.
///
/// # Errors
/// [`FileError::TooLarge`], and those of [`open_regular`].
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

/// Reads a text of at most `limit` bytes, and gives it without a byte order mark.
///
/// # Errors
/// [`FileError::NotText`] if it is not UTF-8 or holds a NUL, and those of [`read_bounded`].
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
    // UTF-16 without its mark is UTF-8 with a NUL in every other place.
    if let Some(at) = text.find('\0') {
        return Err(not_text(&text.as_bytes()[..at], "there is a NUL byte"));
    }
    let mark = text.len() - without_byte_order_mark(&text).len();
    text.drain(..mark);
    Ok(text)
}

/// Takes the byte order mark off the beginning of a text. Programs that join files leave several; all are taken off.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}
