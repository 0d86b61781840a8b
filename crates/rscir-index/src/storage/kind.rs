use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

/// What a name in a folder stands for, by itself: a link is a link, whatever it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A device.
    Device,
    /// Something that the system has no name for.
    Unknown,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::Link => "a link",
            Self::Pipe => "a pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Unknown => "of an unknown kind",
        })
    }
}

impl From<fs::FileType> for FileKind {
    fn from(file_type: fs::FileType) -> Self {
        if file_type.is_file() {
            return Self::File;
        } else if file_type.is_dir() {
            return Self::Folder;
        } else if file_type.is_symlink() {
            return Self::Link;
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileTypeExt;
            if file_type.is_fifo() {
                return Self::Pipe;
            } else if file_type.is_socket() {
                return Self::Socket;
            } else if file_type.is_block_device() || file_type.is_char_device() {
                return Self::Device;
            }
        }
        Self::Unknown
    }
}

/// What lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: PathBuf,
    /// What it is.
    pub kind: FileKind,
}

/// Something of another kind lies where a file or a folder is expected: the source of an [`io::Error`] of a storage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is {found}, not {expected}", path.display())]
pub struct WrongKind {
    /// Where it lies.
    pub path: PathBuf,
    /// What belongs there.
    pub expected: FileKind,
    /// What is there.
    pub found: FileKind,
}

impl From<WrongKind> for io::Error {
    fn from(wrong: WrongKind) -> Self {
        // Not `NotADirectory`: to a caller that means that there is nothing.
        Self::new(io::ErrorKind::InvalidData, wrong)
    }
}
