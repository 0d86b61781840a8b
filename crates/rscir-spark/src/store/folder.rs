use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rscir_core::files::{self, FileAction, FileError, read_bounded};

use super::{Seen, Sink, Store};
use crate::Result;
use crate::table::POINTER;

/// The file that is locked while the pointer is replaced.
const LOCK: &str = ".lock";

/// A folder, within which versions are folders.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }
}

impl Store for Folder {
    fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>> {
        let path = self.root.join(name);
        match path.try_exists() {
            Ok(false) => Ok(None),
            _ => Ok(Some(read_bounded(path, most)?)),
        }
    }

    fn pointer(&self, most: u64) -> Result<Seen> {
        Ok(Seen {
            bytes: self.read(POINTER, most)?,
            #[cfg(feature = "cloud")]
            tag: (None, None),
        })
    }

    fn draft(&self, _: &str) -> Result<String> {
        // A name that nobody else has: two processes that publish at once do not meet.
        let draft = format!(".new-{:016x}", RandomState::new().hash_one(()));
        fs::create_dir_all(&self.root).map_err(failed(&self.root, FileAction::Create))?;
        let path = self.root.join(&draft);
        fs::create_dir(&path).map_err(failed(&path, FileAction::Create))?;
        Ok(draft)
    }

    fn create(&self, place: &str, name: &str) -> Result<Box<dyn Sink>> {
        let path = self.root.join(place).join(name);
        let file = File::create_new(&path).map_err(failed(&path, FileAction::Create))?;
        Ok(Box::new(FileSink { file, path }))
    }

    fn settle(&self, draft: &str, version: &str) -> Result<()> {
        let (from, to) = (self.root.join(draft), self.root.join(version));
        sync_folder(&from)?;
        fs::rename(&from, &to).map_err(failed(&to, FileAction::Rename))?;
        sync_folder(&self.root)
    }

    fn point(&self, pointer: &[u8], seen: &Seen) -> Result<bool> {
        let path = self.root.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(failed(&path, FileAction::Create))?;
        // Until the end of this call, or of this process.
        lock.lock().map_err(failed(&path, FileAction::Create))?;
        // A pointer of any length that was not there before is another.
        if self.pointer(u64::MAX)? != *seen {
            return Ok(false);
        }
        files::replace(self.root.join(POINTER), |file| file.write_all(pointer))?;
        Ok(true)
    }

    fn discard(&self, place: &str) {
        // Nobody sees it; what cannot be removed now can be later.
        let _ = fs::remove_dir_all(self.root.join(place));
    }
}

struct FileSink {
    file: File,
    path: PathBuf,
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for FileSink {
    fn finish(self: Box<Self>) -> Result<()> {
        self.file.sync_all().map_err(failed(&self.path, FileAction::Write))
    }
}

/// Makes an error of the system, with the path and what was done.
fn failed(path: &Path, action: FileAction) -> impl FnOnce(io::Error) -> crate::Error {
    let path = path.to_path_buf();
    move |source| FileError::Io { path, action, source }.into()
}

/// Makes the names in a folder durable, where the system can.
fn sync_folder(folder: &Path) -> Result<()> {
    let sync = || if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) };
    sync().map_err(failed(folder, FileAction::SyncFolder))
}
