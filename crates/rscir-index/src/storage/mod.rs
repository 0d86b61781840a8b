//! What an archive asks of the medium it lies on.
//!
//! [`FileStorage`] is the file system. The seam is there so that power cuts, full disks and failing syncs are unit
//! tests (see the module `testing`, behind the feature of that name) and so that an archive can lie elsewhere.
//!
//! Files are written once, from start to end, and never changed: hence no seek and no change of length here. What the
//! writer assumes of an implementation:
//! - After [`StorageFile::sync`] returns `Ok`, the bytes of the file survive a power cut.
//! - After [`Storage::sync_dir`] returns `Ok`, the names in that folder do (created, renamed, removed).
//! - [`Storage::rename`] is atomic: at any moment the new name means the old file or the new one, whole.
//! - What is no regular file is never read, written, renamed or removed, and no link is followed: see [`Storage::rooted`].
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

/// A place where files lie.
pub trait Storage: Debug + Send + Sync {
    /// Gives this storage for the archive in `root`: `root` itself may be reached through links, and nothing below it is.
    /// `None`, which is the default, where there are no links.
    fn rooted(&self, root: &Path) -> Option<Arc<dyn Storage>> {
        let _ = root;
        None
    }

    /// Closes what is kept open from one operation to the next; a further one opens it again.
    fn let_go(&self) {}

    /// Creates an empty file.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if there is anything of that name; what the medium says.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Reads a whole file, of `limit` bytes at most.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] without such a file, [`io::ErrorKind::FileTooLarge`] if it is longer, before any of it is
    /// read; [`WrongKind`] as the source for what is no file; what the medium says.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Bytes>;

    /// Gives a file's bytes, which may be fetched as they are looked at. The file is one that is never changed; it may
    /// be removed or replaced meanwhile, and the bytes stay.
    ///
    /// # Errors
    /// As [`Storage::read`].
    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.read(path, u64::MAX)
    }

    /// Gives a file another name within its folder, replacing the file that has that name.
    ///
    /// # Errors
    /// [`WrongKind`] as the source if what has one of the names is no file, and nothing is changed; what the medium says; it
    /// is then unknown which of the two names there are.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`WrongKind`] as the source for what is no file; what the medium says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates a folder, unless it is there.
    ///
    /// # Errors
    /// [`WrongKind`] as the source if something else is there; what the medium says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the medium says; it is then unknown which names are durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Lists a folder, in any order.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] without such a folder, [`WrongKind`] as the source for what is none; what the medium says.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Locks the file `path`, which is created if need be, until the result is dropped or the process ends. `None` at
    /// once if it is locked already.
    ///
    /// # Errors
    /// [`WrongKind`] as the source for what is no file; what the medium says.
    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>>;
}

/// Holds a lock while it lives.
pub type LockGuard = Box<dyn HeldLock>;

/// A lock that was taken.
pub trait HeldLock: Send + Sync {
    /// Tells whether the path that was locked still means the very file that this lock is on. If not, the file was removed
    /// or replaced by a foreign hand, and another may have taken the lock of the new one.
    ///
    /// # Errors
    /// What the medium says.
    fn is_held(&self) -> io::Result<bool>;
}

/// A file that is being written.
pub trait StorageFile: Write + Send {
    /// Makes all that was written durable.
    ///
    /// # Errors
    /// What the medium says; it is then unknown which bytes are durable, and trying again proves nothing (P. Rebello
    /// et al., *Can Applications Recover from fsync Failures?*, USENIX ATC 2020).
    fn sync(&mut self) -> io::Result<()>;
}
