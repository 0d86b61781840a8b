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
//! - Without a sync, any part of what was done since the last one may survive, in any combination.

mod bytes;
mod file;
mod pages;

use std::fmt::Debug;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use bytes::Bytes;
pub use file::FileStorage;
pub(crate) use pages::Pages;

/// A place where files lie.
pub trait Storage: Debug + Send + Sync {
    /// Creates an empty file, or empties the one that is there.
    ///
    /// # Errors
    /// What the medium says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Reads a whole file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] without such a file; what the medium says.
    fn read(&self, path: &Path) -> io::Result<Bytes>;

    /// Gives a file's bytes, which may be fetched as they are looked at. The file is one that is never changed; it may
    /// be removed or replaced meanwhile, and the bytes stay.
    ///
    /// # Errors
    /// As [`Storage::read`].
    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.read(path)
    }

    /// Gives a file another name within its folder, replacing what has that name.
    ///
    /// # Errors
    /// What the medium says; it is then unknown which of the two names there are.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the medium says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates a folder, unless it is there.
    ///
    /// # Errors
    /// What the medium says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the medium says; it is then unknown which names are durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// The paths in a folder, in any order.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] without such a folder; what the medium says.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Locks the file `path`, which is created if need be, until the result is dropped or the process ends. `None` at
    /// once if it is locked already.
    ///
    /// # Errors
    /// What the medium says.
    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>>;
}

/// Holds a lock while it lives.
pub type LockGuard = Box<dyn Send + Sync>;

/// A file that is being written.
pub trait StorageFile: Write + Send {
    /// Makes all that was written durable.
    ///
    /// # Errors
    /// What the medium says; it is then unknown which bytes are durable, and trying again proves nothing (P. Rebello
    /// et al., *Can Applications Recover from fsync Failures?*, USENIX ATC 2020).
    fn sync(&mut self) -> io::Result<()>;
}
