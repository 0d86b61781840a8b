use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::folder::{FileIdentity, Folder};
use super::{Bytes, Entry, HeldLock, LockGuard, Storage, StorageFile};

/// The file system below a folder, where no link is followed and only regular files are read, written and
/// removed.
///
/// After a lock is taken, everything is done in the folder in which it was taken, wherever the folder's path
/// leads later.
#[derive(Debug, Default)]
pub(super) struct Rooted {
    /// The folder. `None` stands for the whole file system, where links are followed up to the last name of a
    /// path.
    root: Option<PathBuf>,
    locked: OnceLock<Arc<Folder>>,
    /// The folder below the root that was used last, kept open because the next file is often in it, too.
    last: Mutex<Option<(PathBuf, Arc<Folder>)>>,
}

impl Rooted {
    /// Makes the file system below `root`.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: Some(root.into()), ..Self::default() }
    }

    /// Returns the folder `dir`.
    fn folder(&self, dir: &Path) -> io::Result<Arc<Folder>> {
        let Some((root, below)) =
            self.root.as_deref().and_then(|root| Some((root, dir.strip_prefix(root).ok()?)))
        else {
            return Ok(Arc::new(Folder::at(dir)));
        };
        let root = self.locked.get().map_or_else(|| Arc::new(Folder::at(root)), Arc::clone);
        if below.as_os_str().is_empty() {
            return Ok(root);
        }
        let mut last = self.last();
        if let Some((path, folder)) = &*last
            && path == below
        {
            return Ok(Arc::clone(folder));
        }
        let folder = below.components().try_fold(root, |folder, part| match part {
            Component::Normal(name) => folder.folder(name).map(Arc::new),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        })?;
        *last = Some((below.into(), Arc::clone(&folder)));
        Ok(folder)
    }

    fn last(&self) -> MutexGuard<'_, Option<(PathBuf, Arc<Folder>)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the folder that holds `path`, and the name in it.
    fn place<'a>(&self, path: &'a Path) -> io::Result<(Arc<Folder>, &'a OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.folder(path.parent().unwrap_or(Path::new("")))?, name))
    }

    /// Tells whether a path lies below the root.
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
        let (mut file, len) = folder.read(name)?;
        if len > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Bytes::read_len(&mut file, len)
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        let (folder, name) = self.place(path)?;
        let (file, len) = folder.read(name)?;
        Bytes::map(&file, len)
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
        let (mut folder, name) = self.place(path)?;
        let is_in_root = self.root.is_some() && self.root.as_deref() == path.parent();
        if is_in_root && self.locked.get().is_none() {
            folder = Arc::new(Folder::open(path.parent().unwrap_or(Path::new("")))?);
        }
        let file = folder.open_or_create(name)?;
        match file.try_lock() {
            Ok(()) => {
                if is_in_root && self.locked.set(folder).is_ok() {
                    // Closes the last folder, because from now on everything is reached from the locked one.
                    self.let_go();
                }
                let (identity, path) = (FileIdentity::of(&file)?, path.into());
                Ok(Some(Box::new(FileLock { path, identity, file })))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    fn let_go(&self) {
        *self.last() = None;
    }
}

/// A locked file.
struct FileLock {
    path: PathBuf,
    identity: FileIdentity,
    file: File,
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing the file would suffice, except while a child process is being started: until it has become its
        // program it has the file open, too. If unlocking fails, closing the file is all that can be done.
        let _ = self.file.unlock();
    }
}

impl HeldLock for FileLock {
    fn is_held(&self) -> io::Result<bool> {
        // Looks by the path, as another writer would: the folder may have been exchanged as a whole.
        let name = self.path.file_name().unwrap_or_default();
        match Folder::at(self.path.parent().unwrap_or(Path::new(""))).holds(name, &self.identity) {
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            held => held,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_let_go_while_a_child_process_still_has_its_file_open() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("lock");
        let file = File::create_new(&path).unwrap();
        file.try_lock().unwrap();
        // A child process has the file open like this between being forked and becoming its program.
        let inherited = file.try_clone().unwrap();
        drop(FileLock { path: path.clone(), identity: FileIdentity::of(&file).unwrap(), file });
        assert!(Rooted::new(parent.path()).lock(&path).unwrap().is_some());
        drop(inherited);
    }

    #[test]
    fn a_folder_is_kept_open_between_files_and_closed_when_asked() {
        let parent = tempfile::tempdir().unwrap();
        let storage = Rooted::new(parent.path());
        let folder = parent.path().join("folder");
        storage.create_dir(&folder).unwrap();
        storage.create_new(&folder.join("a")).unwrap().write_all(b"a").unwrap();
        let (first, _) = storage.place(&folder.join("a")).unwrap();
        let (second, _) = storage.place(&folder.join("b")).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        storage.let_go();
        drop(second);
        assert_eq!(Arc::strong_count(&first), 1, "nobody else has it open");
        assert_eq!(*storage.map(&folder.join("a")).unwrap(), *b"a");
    }
}
