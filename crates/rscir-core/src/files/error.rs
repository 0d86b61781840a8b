use std::fmt;
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};

use crate::ErrorKind;

/// Everything that can go wrong with a file that is read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system failed to do something with a file or folder.
    #[error("{}: {action} failed: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The action that failed.
        action: FileAction,
        /// The system's error.
        source: io::Error,
    },
    /// The path names something other than a regular file.
    #[error("{}: this is {kind}, and only regular files are read and replaced; name another file", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
        /// What the path names.
        kind: FileKind,
    },
    /// The file is longer than its reader accepts.
    #[error("{}: the file has {bytes} bytes or more, and at most {limit} are read from one of its kind", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Length of the file in bytes. It may be longer if it grew while it was read.
        bytes: u64,
        /// Greatest length in bytes that is read.
        limit: u64,
    },
    /// The file must be text and is not.
    #[error("{}:{line}: {problem}; save the file as UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: u64,
        /// What the line holds instead of text.
        problem: &'static str,
    },
    /// A line of the file has the wrong form.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: u64,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// The path does not end in a file name.
    #[error("{}: the path names no file; add the file's name", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// Two of the files that are replaced together have the same path.
    #[error("{}: two files of one set have this path; give each a name of its own", path.display())]
    Twice {
        /// The path.
        path: PathBuf,
    },
    /// Replacing files together failed, and an old file could not be put back.
    #[error("{}: the old file could not be put back ({source}); it is kept as {}", path.display(), kept.display())]
    NotRestored {
        /// Path where the old file was.
        path: PathBuf,
        /// Path where the old file is now.
        kept: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl FileError {
    /// Returns the kind of the error, by which a caller decides what to do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => source.into(),
            Self::NotRegular { .. } => ErrorKind::Unsupported,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::NotText { .. } | Self::Line { .. } => ErrorKind::Damaged,
            Self::NoName { .. } | Self::Twice { .. } => ErrorKind::InvalidInput,
            Self::NotRestored { .. } => ErrorKind::Io,
        }
    }

    /// Adds the path and the action to an error of the system.
    pub(super) fn io(action: FileAction, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.into(), action, source }
    }
}

/// An action of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileAction {
    /// Read a file.
    Read,
    /// Create a file in a folder.
    Create,
    /// Write into a file.
    Write,
    /// Rename a file to its final path.
    Rename,
    /// Make the names in a folder durable.
    SyncFolder,
}

impl fmt::Display for FileAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "reading",
            Self::Create => "creating a file here",
            Self::Write => "writing",
            Self::Rename => "renaming",
            Self::SyncFolder => "syncing the folder",
        })
    }
}

/// Kind of something that a path names and that is not a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// A folder.
    Folder,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A terminal, a disk, `/dev/null` or another device, or a link that the system keeps to an open file.
    Device,
    /// Something that only this system has.
    Other,
}

impl FileKind {
    /// Returns the kind of a file type, or `None` for a regular file.
    pub(super) fn of(file_type: FileType) -> Option<Self> {
        if file_type.is_file() {
            return None;
        }
        if file_type.is_dir() {
            return Some(Self::Folder);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileTypeExt;
            if file_type.is_fifo() {
                return Some(Self::Pipe);
            }
            if file_type.is_socket() {
                return Some(Self::Socket);
            }
            if file_type.is_char_device() || file_type.is_block_device() {
                return Some(Self::Device);
            }
        }
        Some(Self::Other)
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "a folder",
            Self::Pipe => "a pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Other => "no regular file",
        })
    }
}
