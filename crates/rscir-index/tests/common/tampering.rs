//! Changes to an archive's folder that no program of this workspace makes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything that can be seen of a folder without opening anything other than regular files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, (u64, i64, i64, Vec<u8>)>);

impl Snapshot {
    pub(crate) fn of(dir: &Path) -> Self {
        let mut entries = BTreeMap::new();
        let mut folders = vec![dir.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::symlink_metadata(&path).unwrap();
                let mut bytes = Vec::new();
                if metadata.is_dir() {
                    folders.push(path.clone());
                } else if metadata.is_file() {
                    bytes = fs::read(&path).unwrap();
                }
                entries.insert(path, (metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), bytes));
            }
        }
        Self(entries)
    }
}

/// Makes an empty file, with the folders around it.
pub(crate) fn make(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
}

/// The kinds of entries that [`put`] makes.
pub(crate) const KINDS: [&str; 13] = [
    "link to a file",
    "link to a folder",
    "link to the folder around it",
    "link to what was there",
    "dangling link",
    "link to itself",
    "link to an endless device",
    "link to a full device",
    "device",
    "pipe",
    "socket",
    "folder",
    "nothing",
];

/// Replaces the entry at `path` by one of this kind. Links lead into `victim`.
pub(crate) fn put(kind: &str, path: &Path, victim: &Path) {
    if kind == "link to what was there" {
        if path.exists() {
            let moved = path.with_extension("moved");
            let away = victim.parent().unwrap().join(moved.file_name().unwrap());
            fs::rename(path, &away).unwrap();
            symlink(away, path).unwrap();
        }
        return;
    }
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
    match kind {
        "link to a file" => symlink(victim.join("thesis.docx"), path).unwrap(),
        "link to a folder" => symlink(victim, path).unwrap(),
        "link to the folder around it" => symlink("..", path).unwrap(),
        "dangling link" => symlink(victim.join("none"), path).unwrap(),
        "link to itself" => symlink(path.file_name().unwrap(), path).unwrap(),
        "link to an endless device" => symlink("/dev/zero", path).unwrap(),
        "link to a full device" => symlink("/dev/full", path).unwrap(),
        "device" => {
            // Only root can make a device. Other users link to one.
            let made = Command::new("mknod").arg(path).args(["c", "1", "5"]).output();
            if !made.is_ok_and(|output| output.status.success()) {
                symlink("/dev/zero", path).unwrap();
            }
        }
        "pipe" => {
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
            assert!(fs::symlink_metadata(path).unwrap().file_type().is_fifo());
        }
        "socket" => {
            // Binds under a short path and renames, because the path of a socket has about 100 bytes at most.
            let short = tempfile::tempdir().unwrap();
            drop(UnixListener::bind(short.path().join("s")).unwrap());
            fs::rename(short.path().join("s"), path).unwrap();
        }
        "folder" => fs::create_dir(path).unwrap(),
        "nothing" => {}
        other => panic!("no kind {other:?}"),
    }
}
