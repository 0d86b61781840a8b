use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{FileKind, WrongKind};

/// A folder, in which no link is followed. Operations in an open folder reach that folder, whatever happens to
/// its path meanwhile.
#[derive(Debug)]
pub(super) struct Folder {
    handle: Option<File>,
    path: PathBuf,
}

/// Opens no link, does not wait for the other end of a pipe, does not make a terminal the program's own, and
/// closes the file in programs that this one starts.
const GUARDED: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl Folder {
    /// Makes the folder that a path leads to at each use, also through links.
    pub(super) fn at(path: &Path) -> Self {
        Self { handle: None, path: path.into() }
    }

    /// Opens the folder that a path leads to, also through links.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(here, flags, Mode::empty())?;
        Ok(Self { handle: Some(handle.into()), path: path.into() })
    }

    /// Returns a handle of the open folder.
    fn opened(&self) -> io::Result<File> {
        match &self.handle {
            Some(handle) => handle.try_clone(),
            None => Self::open(&self.path)?.handle.ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }

    /// Returns the folder from which a call reaches `name`, and the path from there.
    fn reach<'a>(&'a self, name: &'a OsStr) -> (BorrowedFd<'a>, Cow<'a, Path>) {
        match &self.handle {
            Some(handle) => (handle.as_fd(), Path::new(name).into()),
            None => (CWD, self.path.join(name).into()),
        }
    }

    /// Opens the folder `name` in this one.
    pub(super) fn folder(&self, name: &OsStr) -> io::Result<Self> {
        let handle = self.open_at(name, OFlags::RDONLY | OFlags::DIRECTORY, FileKind::Folder)?;
        Ok(Self { handle: Some(handle), path: self.path.join(name) })
    }

    /// Creates a file. There must be nothing of that name.
    pub(super) fn create_new(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | GUARDED;
        let (from, path) = self.reach(name);
        Ok(rustix::fs::openat(from, &*path, flags, new_file())?.into())
    }

    /// Opens a file for reading, and returns its length.
    pub(super) fn read(&self, name: &OsStr) -> io::Result<(File, u64)> {
        let file = self.open_at(name, OFlags::RDONLY, FileKind::File)?;
        // The kind of the opened file decides, because the name may have been exchanged before it was opened.
        let metadata = file.metadata()?;
        self.check(name, FileKind::File, metadata.file_type().into())?;
        Ok((file, metadata.len()))
    }

    /// Opens a file that will be locked. Creates it if it does not exist.
    pub(super) fn open_or_create(&self, name: &OsStr) -> io::Result<File> {
        // Checks the kind before opening, because opening a device for writing may change it.
        self.check_kind(name, FileKind::File)?;
        let file = self.open_at(name, OFlags::WRONLY | OFlags::CREATE, FileKind::File)?;
        self.check(name, FileKind::File, file.metadata()?.file_type().into())?;
        Ok(file)
    }

    /// Renames a file. An entry that has the new name must be a file, too.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        for name in [from, to] {
            self.check_kind(name, FileKind::File)?;
        }
        let ((folder, from), (_, to)) = (self.reach(from), self.reach(to));
        Ok(rustix::fs::renameat(folder, &*from, folder, &*to)?)
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        self.check_kind(name, FileKind::File)?;
        let (folder, path) = self.reach(name);
        Ok(rustix::fs::unlinkat(folder, &*path, AtFlags::empty())?)
    }

    /// Creates a folder, unless it exists.
    pub(super) fn create_folder(&self, name: &OsStr) -> io::Result<()> {
        let (folder, path) = self.reach(name);
        match rustix::fs::mkdirat(folder, &*path, Mode::RWXU | Mode::RWXG | Mode::RWXO) {
            Err(Errno::EXIST) => self.check_kind(name, FileKind::Folder),
            other => Ok(other?),
        }
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.opened()?.sync_all()
    }

    /// Returns the entries of the folder, in any order.
    pub(super) fn list(&self) -> io::Result<Vec<(OsString, FileKind)>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(self.opened()?)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                let kind = match entry.file_type() {
                    // Some file systems do not name the kind in a listing.
                    FileType::Unknown => self.kind(name)?,
                    known => Some(kind_of(known)),
                };
                // `None` means that the entry was removed meanwhile.
                entries.extend(kind.map(|kind| (name.into(), kind)));
            }
        }
        Ok(entries)
    }

    /// Tells whether `name` stands for this very file.
    pub(super) fn holds(&self, name: &OsStr, file: &FileIdentity) -> io::Result<bool> {
        let FileIdentity(held) = file;
        Ok(self.stat(name)?.is_some_and(|named| (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)))
    }

    /// Returns the kind of an entry; `None` if there is none.
    fn kind(&self, name: &OsStr) -> io::Result<Option<FileKind>> {
        Ok(self.stat(name)?.map(|stat| kind_of(FileType::from_raw_mode(stat.st_mode))))
    }

    /// Returns the status of an entry; `None` if there is none.
    fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        let (folder, path) = self.reach(name);
        match rustix::fs::statat(folder, &*path, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            stat => Ok(Some(stat?)),
        }
    }

    /// Checks that an entry is of the expected kind, or that there is none.
    fn check_kind(&self, name: &OsStr, expected: FileKind) -> io::Result<()> {
        match self.kind(name)? {
            Some(found) => self.check(name, expected, found),
            None => Ok(()),
        }
    }

    /// Checks a kind.
    fn check(&self, name: &OsStr, expected: FileKind, found: FileKind) -> io::Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(WrongKind { path: self.path.join(name), expected, found }.into())
    }

    /// Opens an entry, unless it is a link. If the entry is of another kind, the error names it.
    fn open_at(&self, name: &OsStr, flags: OFlags, expected: FileKind) -> io::Result<File> {
        let (folder, path) = self.reach(name);
        match rustix::fs::openat(folder, &*path, flags | GUARDED, new_file()) {
            Ok(handle) => Ok(handle.into()),
            Err(error) => {
                self.check_kind(name, expected)?;
                Err(error.into())
            }
        }
    }
}

/// Identity of a file, whatever its names.
pub(super) struct FileIdentity(Stat);

impl FileIdentity {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        Ok(Self(rustix::fs::fstat(file)?))
    }
}
/// Returns the permissions of a new file, from which the system removes those in the process' mask, as for any
/// file that a program creates.
fn new_file() -> Mode {
    Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH
}

/// Converts the system's name of a kind.
fn kind_of(file_type: FileType) -> FileKind {
    match file_type {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Folder,
        FileType::Symlink => FileKind::Link,
        FileType::Fifo => FileKind::Pipe,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice => FileKind::Device,
        FileType::Unknown => FileKind::Unknown,
    }
}
