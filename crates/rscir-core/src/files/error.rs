use std::fmt;
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};

use crate::ErrorKind;

/// What can go wrong with a file that is read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refused.
    #[error("{}: {action} failed: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: FileAction,
        /// What the system said.
        source: io::Error,
    },
    /// There is something else than a regular file.
    #[error("{}: this is {kind}, and only regular files are read and replaced; name another file", path.display())]
    NotRegular {
        /// What was named.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// A file is larger than what reads it takes.
    #[error("{}: the file has {bytes} bytes or more, and at most {limit} are read from one of its kind", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length, as far as it is known.
        bytes: u64,
        /// The longest that is read.
        limit: u64,
    },
    /// A file that should be text is not.
    #[error("{}:{line}: {problem}; save the file as UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// What stands there.
        problem: &'static str,
    },
    /// A line of a file does not have the form it must have.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// A path ends in no name that a file could have.
    #[error("{}: the path names no file; add the file's name", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// Files that are replaced together have one path twice.
    #[error("{}: two files of one set have this path; give each a name of its own", path.display())]
    Twice {
        /// The path.
        path: PathBuf,
    },
    /// Files could not be replaced together, and an old one could not be put back.
    #[error("{}: the old file could not be put back ({source}); it is kept as {}", path.display(), kept.display())]
    NotRestored {
        /// Where the old file was.
        path: PathBuf,
        /// Where it is now.
        kept: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    /// Returns what a caller can do about it.
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

    /// Names the path and the action of an error of the system.
    pub(super) fn io(action: FileAction, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.into(), action, source }
    }
}

/// What was asked of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileAction {
    /// Reading a file.
    Read,
    /// Creating a file in a folder.
    Create,
    /// Writing into a file.
    Write,
    /// Putting a file in its place.
    Rename,
    /// Making the names in a folder durable.
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

/// What a path can name that is no regular file.
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
    /// Something that this system alone has.
    Other,
}

impl FileKind {
    /// Names what `file_type` is; `None` for a regular file.
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
