use std::io;
use std::path::Path;
use std::sync::Arc;

use super::rooted::Rooted;
use super::{Bytes, Entry, LockGuard, Storage, StorageFile};

/// The file system of the operating system.
///
/// It reads, writes, renames and removes regular files only. For a link, a pipe, a socket or a device, an
/// operation returns a [`WrongKind`](super::WrongKind) as the source of its error, without waiting. On Unix this
/// is decided by the file that was opened; elsewhere by a look before it is opened.
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
