//! The place where the files of an archive lie, as a trait.
//!
//! [`FileStorage`] is the file system. The trait exists so that unit tests can cut the power, fill the disk and
//! let syncs fail (see the module `testing`, behind the feature of that name), and so that an archive can lie
//! elsewhere.
//!
//! Files are written once, from start to end, and never changed, so the trait has no seek and no change of
//! length. The writer assumes of an implementation:
//! - After [`StorageFile::sync`] returns `Ok`, the bytes of the file survive a power cut.
//! - After [`Storage::sync_dir`] returns `Ok`, the names in that folder survive one, too, including renames and
//!   removals.
//! - [`Storage::rename`] is atomic: at any moment the new name stands for the whole old file or the whole new
//!   one.
//! - Only regular files are read, written, renamed and removed, and links are not followed: see
//!   [`Storage::rooted`].
//! - Without a sync, any part of what was done since the last one may survive, in any combination.

mod bytes;
mod file;
#[cfg_attr(unix, path = "folder_unix.rs")]
#[cfg_attr(not(unix), path = "folder_other.rs")]
mod folder;
mod kind;
mod pages;
mod rooted;

use std::fmt::Debug;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

pub use bytes::Bytes;
pub(crate) use bytes::Reading;
pub use file::FileStorage;
pub use kind::{Entry, FileKind, WrongKind};
pub(crate) use pages::Pages;

/// Holds files and folders.
pub trait Storage: Debug + Send + Sync {
    /// Returns this storage for the archive in `root`. `root` itself may be reached through links; below it, none
    /// is followed. Default: `None`, for storages without links.
    fn rooted(&self, root: &Path) -> Option<Arc<dyn Storage>> {
        let _ = root;
        None
    }

    /// Closes folders that are kept open between operations; later operations open them again. Default: does
    /// nothing.
    fn let_go(&self) {}

    /// Creates an empty file.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if anything has that name; other errors of the storage.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Reads a whole file of at most `limit` bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file; [`io::ErrorKind::FileTooLarge`], before any of it is
    /// read, if it is longer; [`WrongKind`] as the source if it is not a regular file; other errors of the
    /// storage.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Bytes>;

    /// Returns the bytes of a file, which may be fetched when they are used. The caller makes sure that the file
    /// is never changed. It may be removed or replaced meanwhile; the bytes stay. Default: [`Storage::read`]
    /// without a limit.
    ///
    /// # Errors
    /// The errors of [`Storage::read`].
    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.read(path, u64::MAX)
    }

    /// Renames a file within its folder. A file that has the new name is replaced.
    ///
    /// # Errors
    /// [`WrongKind`] as the source if one of the names stands for something other than a regular file; nothing is
    /// changed then. After any other error of the storage it is unknown which of the two names exist.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`WrongKind`] as the source if it is not a regular file; other errors of the storage.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates a folder, unless it exists.
    ///
    /// # Errors
    /// [`WrongKind`] as the source if the name stands for something other than a folder; other errors of the
    /// storage.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// The errors of the storage, after which it is unknown which names are durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Lists a folder, in any order.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such folder; [`WrongKind`] as the source if it is not a folder;
    /// other errors of the storage.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Locks the file `path` until the result is dropped or the process ends. Creates the file if it does not
    /// exist. Returns `None`, without waiting, if it is locked already.
    ///
    /// # Errors
    /// [`WrongKind`] as the source if it is not a regular file; other errors of the storage.
    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>>;
}

/// Holds a lock until it is dropped.
pub type LockGuard = Box<dyn HeldLock>;

/// A lock that was taken.
pub trait HeldLock: Send + Sync {
    /// Tells whether the path that was locked still stands for the file with this lock. If it does not, something
    /// else has removed or replaced the file, and another process may have the lock of the new one.
    ///
    /// # Errors
    /// The errors of the storage.
    fn is_held(&self) -> io::Result<bool>;
}

/// A file that is being written.
pub trait StorageFile: Write + Send {
    /// Makes all bytes durable that were written.
    ///
    /// # Errors
    /// The errors of the storage, after which it is unknown which bytes are durable. A second call that succeeds
    /// does not prove that they are (P. Rebello et al., *Can Applications Recover from fsync Failures?*, USENIX
    /// ATC 2020).
    fn sync(&mut self) -> io::Result<()>;
}
