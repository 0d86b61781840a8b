use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use super::{FileKind, WrongKind};

/// An open folder. What is done in it is done there, whatever becomes of its path meanwhile, and no link in it is
/// followed.
#[derive(Debug)]
pub(super) struct Folder {
    handle: File,
    /// The path by which it was opened, for errors.
    path: PathBuf,
}

/// Never follows a link, never waits for the other end of a pipe, never makes a terminal the program's own.
const GUARDED: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl Folder {
    /// Opens the folder that a path leads to, through links too.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(here, flags, Mode::empty())?;
        Ok(Self { handle: handle.into(), path: path.into() })
    }

    /// Opens the folder `name` in this one.
    pub(super) fn folder(&self, name: &OsStr) -> io::Result<Self> {
        let handle = self.open_at(name, OFlags::RDONLY | OFlags::DIRECTORY, FileKind::Folder)?;
        Ok(Self { handle, path: self.path.join(name) })
    }

    /// Creates a file; there must be nothing of that name.
    pub(super) fn create_new(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | GUARDED;
        Ok(rustix::fs::openat(&self.handle, name, flags, new_file())?.into())
    }

    /// Opens a file for reading.
    pub(super) fn read(&self, name: &OsStr) -> io::Result<File> {
        self.open_at(name, OFlags::RDONLY, FileKind::File)
    }

    /// Opens a file that is there to be locked, created if need be.
    pub(super) fn open_or_create(&self, name: &OsStr) -> io::Result<File> {
        self.open_at(name, OFlags::WRONLY | OFlags::CREATE, FileKind::File)
    }

    /// Gives a file another name. What has that name must be a file too.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        for name in [from, to] {
            self.check_kind(name, FileKind::File)?;
        }
        Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?)
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        self.check_kind(name, FileKind::File)?;
        Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Creates a folder, unless it is there.
    pub(super) fn create_folder(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::mkdirat(&self.handle, name, Mode::RWXU | Mode::RWXG | Mode::RWXO) {
            Err(rustix::io::Errno::EXIST) => self.check_kind(name, FileKind::Folder),
            other => Ok(other?),
        }
    }

    /// Makes the names in it durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    /// What lies in it, in any order.
    pub(super) fn list(&self) -> io::Result<Vec<(OsString, FileKind)>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.handle)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                let kind = match entry.file_type() {
                    // Some file systems do not say.
                    FileType::Unknown => self.kind(name)?,
                    known => Some(kind_of(known)),
                };
                // `None`: removed meanwhile.
                entries.extend(kind.map(|kind| (name.into(), kind)));
            }
        }
        Ok(entries)
    }

    /// True if `name` means this very file.
    pub(super) fn holds(&self, name: &OsStr, file: &File) -> io::Result<bool> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(rustix::io::Errno::NOENT) => Ok(false),
            stat => {
                let (named, held) = (stat?, rustix::fs::fstat(file)?);
                Ok((named.st_dev, named.st_ino) == (held.st_dev, held.st_ino))
            }
        }
    }

    /// What `name` is; `None` if there is nothing.
    fn kind(&self, name: &OsStr) -> io::Result<Option<FileKind>> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(rustix::io::Errno::NOENT) => Ok(None),
            stat => Ok(Some(kind_of(FileType::from_raw_mode(stat?.st_mode)))),
        }
    }

    fn check_kind(&self, name: &OsStr, expected: FileKind) -> io::Result<()> {
        match self.kind(name)? {
            Some(found) => self.check(name, expected, found),
            None => Ok(()),
        }
    }

    fn check(&self, name: &OsStr, expected: FileKind, found: FileKind) -> io::Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(WrongKind { path: self.path.join(name), expected, found }.into())
    }

    /// Opens what must be of one kind. Looks before, since opening a device may do something to it, and again at what
    /// was opened, which alone is sure.
    fn open_at(&self, name: &OsStr, flags: OFlags, expected: FileKind) -> io::Result<File> {
        self.check_kind(name, expected)?;
        match rustix::fs::openat(&self.handle, name, flags | GUARDED, new_file()) {
            Ok(handle) => {
                let file = File::from(handle);
                self.check(name, expected, file.metadata()?.file_type().into())?;
                Ok(file)
            }
            Err(error) => {
                // Exchanged since it was looked at: a link where NOFOLLOW met it, a pipe without another end.
                self.check_kind(name, expected)?;
                Err(error.into())
            }
        }
    }
}

/// What the process' mask leaves of it, as with any file that a program creates.
fn new_file() -> Mode {
    Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH
}

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
