use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::storage::Storage;

/// Checks a storage in `dir`, an empty folder of it. Panics with the promise that is broken.
///
/// That synced bytes survive a power cut cannot be checked from within; see
/// [`FaultyStorage`](crate::testing::FaultyStorage) for how the writer is tested against that promise.
pub fn storage(storage: &dyn Storage, dir: &Path) {
    let folder = dir.join("folder");
    storage.create_dir(&folder).expect("a folder is created");
    storage.create_dir(&folder).expect("a folder that is there is none to complain about");
    storage.sync_dir(dir).expect("a folder is synced");
    let deep = storage.create_dir(&dir.join("none/deep")).expect_err("a folder needs the one around it");
    assert_eq!(deep.kind(), ErrorKind::NotFound, "a missing folder is said to be missing");

    let (a, b) = (folder.join("a"), folder.join("b"));
    let missing = storage.read(&a).expect_err("a file that is not there is not read");
    assert_eq!(missing.kind(), ErrorKind::NotFound, "a missing file is said to be missing");
    let write = |path: &Path, bytes: &[u8]| {
        let mut file = storage.create(path).expect("a file is created");
        file.write_all(bytes).expect("bytes are written");
        file.sync().expect("a file is synced");
    };
    let read = |path: &Path| storage.read(path).expect("a file is read").to_vec();
    write(&a, b"first");
    assert_eq!(read(&a), b"first", "what was written is read");
    write(&a, b"2nd");
    assert_eq!(read(&a), b"2nd", "creating a file again empties it");
    write(&b, b"other");
    let mapped = storage.map(&b).expect("a file is mapped");
    assert_eq!(mapped.as_ptr().addr() % 8, 0, "bytes start at a multiple of 8");
    storage.rename(&a, &b).expect("a file is renamed over another");
    assert_eq!(read(&b), b"2nd", "the new name means the renamed file");
    assert_eq!(*mapped, *b"other", "mapped bytes stay though their name means another file");
    assert!(storage.read(&a).is_err(), "the old name means nothing");
    assert_eq!(
        storage.list(&folder).expect("a folder is listed"),
        std::slice::from_ref(&b),
        "a folder lists its files"
    );
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
    assert!(storage.lock(&lock).expect("locking works").is_some(), "a lock that was let go is free");
}
