use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Kind of an entry of a folder. A link is a link, wherever it leads.
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
    /// A kind that the system does not name.
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

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path of the entry.
    pub path: PathBuf,
    /// Kind of the entry.
    pub kind: FileKind,
}

/// An entry of another kind lies where a file or a folder is expected. It is the source of an [`io::Error`] of a
/// storage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is {found}, not {expected}", path.display())]
pub struct WrongKind {
    /// Path of the entry.
    pub path: PathBuf,
    /// Kind that is expected.
    pub expected: FileKind,
    /// Kind of the entry.
    pub found: FileKind,
}

impl From<WrongKind> for io::Error {
    fn from(wrong: WrongKind) -> Self {
        // Callers take `NotADirectory` for a path that does not exist, so the kind is another one.
        Self::new(io::ErrorKind::InvalidData, wrong)
    }
}
