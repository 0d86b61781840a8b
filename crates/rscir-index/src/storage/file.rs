use std::io;
use std::path::Path;
use std::sync::Arc;

use super::rooted::Rooted;
use super::{Bytes, Entry, LockGuard, Storage, StorageFile};

/// The file system of the operating system.
///
/// Nothing that is a link, a pipe, a socket or a device is read, written, renamed or removed, and none is waited for: the
/// error then is a [`WrongKind`](super::WrongKind). On Unix that is decided by what was opened, not by a look before.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileStorage;

impl Storage for FileStorage {
    fn rooted(&self, root: &Path) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(Rooted::new(root)))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Rooted::default().create_new(path)
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Bytes> {
        Rooted::default().read(path, limit)
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        Rooted::default().map(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Rooted::default().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Rooted::default().remove(path)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        Rooted::default().create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Rooted::default().sync_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        Rooted::default().list(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>> {
        Rooted::default().lock(path)
    }
}
