use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{FileKind, WrongKind};

/// A folder by its path, for systems without calls relative to an open folder. The kind of an entry is checked
/// before it is opened, which keeps links out unless an entry is exchanged in between.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder that a path leads to at each use, also through links.
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// Opens the folder that a path leads to, also through links.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        if fs::metadata(here)?.is_dir() {
            Ok(Self { path: path.into() })
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// Opens the folder `name` in this one.
    pub(super) fn folder(&self, name: &OsStr) -> io::Result<Self> {
        self.check_kind(name, FileKind::Folder)?;
        Self::open(&self.path.join(name))
    }

    /// Creates a file. There must be nothing of that name.
    pub(super) fn create_new(&self, name: &OsStr) -> io::Result<File> {
        File::create_new(self.path.join(name))
    }

    /// Opens a file for reading, and returns its length.
    pub(super) fn read(&self, name: &OsStr) -> io::Result<(File, u64)> {
        self.check_kind(name, FileKind::File)?;
        let file = File::open(self.path.join(name))?;
        let len = file.metadata()?.len();
        Ok((file, len))
    }

    /// Opens a file that will be locked. Creates it if it does not exist.
    pub(super) fn open_or_create(&self, name: &OsStr) -> io::Result<File> {
        self.check_kind(name, FileKind::File)?;
        File::options().create(true).truncate(false).write(true).open(self.path.join(name))
    }

    /// Renames a file. An entry that has the new name must be a file, too.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        for name in [from, to] {
            self.check_kind(name, FileKind::File)?;
        }
        fs::rename(self.path.join(from), self.path.join(to))
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        self.check_kind(name, FileKind::File)?;
        fs::remove_file(self.path.join(name))
    }

    /// Creates a folder, unless it exists.
    pub(super) fn create_folder(&self, name: &OsStr) -> io::Result<()> {
        match fs::create_dir(self.path.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.check_kind(name, FileKind::Folder),
            other => other,
        }
    }

    /// Does nothing, because such systems cannot open a folder like a file, and NTFS keeps its names in a
    /// journal.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// Returns the entries of the folder, in any order.
    pub(super) fn list(&self) -> io::Result<Vec<(OsString, FileKind)>> {
        let here = if self.path.as_os_str().is_empty() { Path::new(".") } else { &self.path };
        let entries = fs::read_dir(here)?;
        entries.map(|entry| entry.and_then(|e| Ok((e.file_name(), e.file_type()?.into())))).collect()
    }

    /// Tells whether `name` stands for this very file, as far as its length and the time of its creation show.
    pub(super) fn holds(&self, name: &OsStr, FileIdentity(held): &FileIdentity) -> io::Result<bool> {
        match fs::symlink_metadata(self.path.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            named => {
                let named = named?;
                let same = named.len() == held.len() && named.created().ok() == held.created().ok();
                Ok(named.is_file() && same)
            }
        }
    }

    /// Checks that an entry is of the expected kind, or that there is none.
    fn check_kind(&self, name: &OsStr, expected: FileKind) -> io::Result<()> {
        let path = self.path.join(name);
        let found = match fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => FileKind::from(metadata?.file_type()),
        };
        if found == expected { Ok(()) } else { Err(WrongKind { path, expected, found }.into()) }
    }
}

/// Identity of a file, as far as it can be told.
pub(super) struct FileIdentity(fs::Metadata);

impl FileIdentity {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        Ok(Self(file.metadata()?))
    }
}
