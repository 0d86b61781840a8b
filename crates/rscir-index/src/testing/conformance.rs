use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::storage::{Entry, FileKind, Storage};

/// Checks that a storage keeps the promises of the trait. `dir` is an empty folder of it. The check cannot tell
/// whether synced bytes survive a power cut; [`FaultyStorage`](crate::testing::FaultyStorage) tests how the
/// writer relies on that.
///
/// # Panics
/// If a promise is broken, with its name.
pub fn storage(storage: &dyn Storage, dir: &Path) {
    let folder = dir.join("folder");
    storage.create_dir(&folder).expect("a folder is created");
    storage.create_dir(&folder).expect("creating a folder that exists is no error");
    storage.sync_dir(dir).expect("a folder is synced");
    let deep = storage.create_dir(&dir.join("none/deep")).expect_err("a folder needs the one around it");
    assert_eq!(deep.kind(), ErrorKind::NotFound, "a missing folder is said to be missing");

    let (a, b) = (folder.join("a"), folder.join("b"));
    let missing = storage.read(&a, u64::MAX).expect_err("a file that is not there is not read");
    assert_eq!(missing.kind(), ErrorKind::NotFound, "a missing file is said to be missing");
    let write = |path: &Path, bytes: &[u8]| {
        let mut file = storage.create_new(path).expect("a file is created");
        file.write_all(bytes).expect("bytes are written");
        file.sync().expect("a file is synced");
    };
    let read = |path: &Path| storage.read(path, 5).expect("a file is read").to_vec();
    write(&a, b"first");
    assert_eq!(read(&a), b"first", "what was written is read");
    let long = storage.read(&a, 4).expect_err("a file longer than the limit is not read");
    assert_eq!(long.kind(), ErrorKind::FileTooLarge, "a file longer than the limit is said to be too large");
    let Err(taken) = storage.create_new(&a) else { panic!("a file is created where there is none") };
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists, "a name that is taken is said to be");
    assert_eq!(read(&a), b"first", "what was refused changes nothing");
    storage.remove(&a).expect("a file is removed");
    write(&a, b"2nd");
    assert_eq!(read(&a), b"2nd", "a removed file leaves its name to another");
    write(&b, b"other");
    let mapped = storage.map(&b).expect("a file is mapped");
    assert_eq!(mapped.as_ptr().addr() % 8, 0, "bytes start at a multiple of 8");
    storage.rename(&a, &b).expect("a file is renamed over another");
    assert_eq!(read(&b), b"2nd", "the new name means the renamed file");
    assert_eq!(*mapped, *b"other", "mapped bytes stay though their name means another file");
    assert!(storage.read(&a, 5).is_err(), "the old name means nothing");
    assert_eq!(
        storage.list(&folder).expect("a folder is listed"),
        [Entry { path: b.clone(), kind: FileKind::File }],
        "a folder lists its files"
    );
    let folders = storage.list(dir).expect("a folder is listed");
    let listed = Entry { path: folder.clone(), kind: FileKind::Folder };
    assert!(folders.contains(&listed), "a folder lists its folders");
    storage.sync_dir(&folder).expect("a folder is synced");
    let mapped = storage.map(&b).expect("a file is mapped");
    storage.remove(&b).expect("a file is removed");
    assert!(storage.list(&folder).expect("a folder is listed").is_empty(), "a removed file is gone");
    assert_eq!(*mapped, *b"2nd", "mapped bytes stay though their file is removed");
    let missing = storage.list(&dir.join("none")).expect_err("a folder that is not there is not listed");
    assert_eq!(missing.kind(), ErrorKind::NotFound, "a missing folder is said to be missing");

    let lock = folder.join("lock");
    let held = storage.lock(&lock).expect("locking works").expect("nobody has the lock");
    assert!(storage.lock(&lock).expect("locking works").is_none(), "a lock is held by one");
    drop(held);
    let held = storage.lock(&lock).expect("locking works").expect("a lock that was let go is free");
    assert!(held.is_held().expect("a lock is looked at"), "a lock is held while its file is there");
    storage.remove(&lock).expect("a locked file is removed");
    assert!(!held.is_held().expect("a lock is looked at"), "a lock is gone with its file");
    let second = storage.lock(&lock).expect("locking works").expect("another file of that name is free");
    assert!(second.is_held().expect("a lock is looked at"), "a new file's lock is held");
    assert!(!held.is_held().expect("a lock is looked at"), "a lock of another file is not held");
}
