use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::folder::Folder;
use super::{Bytes, Entry, HeldLock, LockGuard, Storage, StorageFile};

/// The file system, from a folder on: below it no link is followed, and what is no regular file is neither read nor
/// written nor removed.
///
/// Once a lock is taken, everything is done in the folder that it was taken in, whatever the folder's path leads to later.
#[derive(Debug, Default)]
pub(super) struct Rooted {
    /// The folder; without it every path is followed up to its last name.
    root: Option<PathBuf>,
    locked: OnceLock<Arc<Folder>>,
}

impl Rooted {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: Some(root.into()), locked: OnceLock::new() }
    }

    /// The folder `dir`.
    fn folder(&self, dir: &Path) -> io::Result<Arc<Folder>> {
        match self.root.as_deref().and_then(|root| Some((root, dir.strip_prefix(root).ok()?))) {
            Some((root, inside)) => {
                let root = match self.locked.get() {
                    Some(folder) => Arc::clone(folder),
                    None => Arc::new(Folder::open(root)?),
                };
                inside.components().try_fold(root, |folder, part| match part {
                    Component::Normal(name) => folder.folder(name).map(Arc::new),
                    _ => Err(io::ErrorKind::InvalidInput.into()),
                })
            }
            None => Folder::open(dir).map(Arc::new),
        }
    }

    /// The folder that `path` is in, and its name there.
    fn place<'a>(&self, path: &'a Path) -> io::Result<(Arc<Folder>, &'a OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.folder(path.parent().unwrap_or(Path::new("")))?, name))
    }

    /// True for what lies below the root.
    fn is_below_root(&self, path: &Path) -> bool {
        self.root.as_deref().is_some_and(|root| path != root && path.starts_with(root))
    }
}

impl Storage for Rooted {
    fn rooted(&self, root: &Path) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(Self::new(root)))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let (folder, name) = self.place(path)?;
        Ok(Box::new(WrittenFile(folder.create_new(name)?)))
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Bytes> {
        let (folder, name) = self.place(path)?;
        let mut file = folder.read(name)?;
        if file.metadata()?.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Bytes::read(&mut file)
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        let (folder, name) = self.place(path)?;
        Bytes::map(&folder.read(name)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (folder, name) = self.place(from)?;
        match to.file_name() {
            Some(new) if from.parent() == to.parent() => folder.rename(name, new),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        folder.remove(name)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if self.is_below_root(dir) {
            let (folder, name) = self.place(dir)?;
            return folder.create_folder(name);
        }
        match fs::create_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
            other => other,
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.folder(dir)?.sync()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let entries = self.folder(dir)?.list()?;
        Ok(entries.into_iter().map(|(name, kind)| Entry { path: dir.join(name), kind }).collect())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>> {
        let (folder, name) = self.place(path)?;
        let file = folder.open_or_create(name)?;
        match file.try_lock() {
            Ok(()) => {
                if self.root.as_deref() == path.parent() {
                    // Set already if this storage had the lock before: the file was then looked up in that folder.
                    let _ = self.locked.set(folder);
                }
                let root = self.root.clone();
                Ok(Some(Box::new(FileLock { root, path: path.into(), file })))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }
}

/// A locked file.
struct FileLock {
    root: Option<PathBuf>,
    path: PathBuf,
    file: File,
}

impl HeldLock for FileLock {
    fn is_held(&self) -> io::Result<bool> {
        // From the path, as another writer would come: the folder may have been exchanged as a whole.
        let afresh = Rooted { root: self.root.clone(), locked: OnceLock::new() };
        match afresh.place(&self.path) {
            Ok((folder, name)) => folder.holds(name, &self.file),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

struct WrittenFile(File);

impl Write for WrittenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl StorageFile for WrittenFile {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}
