//! Files are read within limits and only if they are files, and are replaced whole, together, or not at all.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::Path;

use rscir_core::files::{
    FileAction, FileError, FileKind, Together, can_be_written, open_regular, read_bounded, read_text,
    replace, replace_together,
};

/// Names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn full_disk() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

#[cfg(unix)]
fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    fs::write(&path, "12345").unwrap();
    assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
    let error = read_bounded(&path, 4).unwrap_err();
    assert!(matches!(error, FileError::TooLarge { bytes: 5, limit: 4, .. }), "{error}");
    let error = read_bounded(folder.path().join("none"), 4).unwrap_err();
    assert!(matches!(error, FileError::Io { action: FileAction::Read, .. }), "{error}");
    assert!(error.to_string().contains("none: reading failed: "), "{error}");
}

/// What claims to hold nothing, and holds more than the limit.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_longer_than_it_says_is_not_held() {
    assert_eq!(fs::metadata("/proc/kallsyms").unwrap().len(), 0);
    let error = read_bounded("/proc/self/status", 10).unwrap_err();
    assert!(matches!(error, FileError::TooLarge { bytes: 11, limit: 10, .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn pipes_devices_and_folders_are_refused_at_once_also_behind_links() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    make_pipe(&path("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    fs::create_dir(path("folder")).unwrap();
    symlink("/dev/zero", path("device")).unwrap();
    symlink("pipe", path("link")).unwrap();
    for (name, kind) in [
        ("pipe", FileKind::Pipe),
        ("link", FileKind::Pipe),
        ("socket", FileKind::Socket),
        ("folder", FileKind::Folder),
        ("device", FileKind::Device),
    ] {
        for error in [open_regular(path(name)).unwrap_err(), read_bounded(path(name), 9).unwrap_err()] {
            assert!(matches!(&error, FileError::NotRegular { kind: k, .. } if *k == kind), "{name}: {error}");
        }
    }
    // A user's own files may be links.
    fs::write(path("file"), "x").unwrap();
    symlink("file", path("linked")).unwrap();
    assert_eq!(read_bounded(path("linked"), 1).unwrap(), b"x");
}

#[test]
fn a_text_is_given_without_its_mark_and_what_is_none_is_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        read_text(&path, 100)
    };
    assert_eq!(read("\u{feff}\u{feff}a\n\u{feff}b".as_bytes()).unwrap(), "a\n\u{feff}b");
    for bytes in [&b"a\nb\n\xff\xfe"[..], b"a\nb\nc\0d"] {
        let error = read(bytes).unwrap_err();
        assert!(matches!(error, FileError::NotText { line: 3, .. }), "{error}");
        assert!(error.to_string().ends_with("save the file as UTF-8 text"), "{error}");
    }
}

#[test]
fn a_file_is_replaced_whole_or_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    assert_eq!(replace(&path, |out| out.write_all(b"old").map(|()| 7)).unwrap(), 7);
    let error = replace(&path, |out| {
        out.write_all(&[b'x'; 1 << 20])?;
        Err::<(), _>(full_disk())
    });
    let error = error.unwrap_err();
    assert!(
        matches!(&error, FileError::Io { path: p, action: FileAction::Write, .. } if *p == path),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"old");
    replace(&path, |out| out.write_all(b"new")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[cfg(unix)]
#[test]
fn a_link_is_replaced_and_what_it_leads_to_is_not_touched() {
    use std::os::unix::fs::symlink;
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, other) = (folder.path().join("a.txt"), elsewhere.path().join("b.txt"));
    fs::write(&other, "theirs").unwrap();
    for end in [&other, &elsewhere.path().join("none")] {
        symlink(end, &path).unwrap();
        can_be_written(&path).unwrap();
        replace(&path, |out| out.write_all(b"ours")).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(fs::read(&other).unwrap(), b"theirs");
    assert_eq!(names(elsewhere.path()), ["b.txt"]);
}

#[cfg(unix)]
#[test]
fn only_a_regular_file_is_replaced() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("folder")).unwrap();
    make_pipe(&path("pipe"));
    symlink("pipe", path("link")).unwrap();
    for (target, kind) in [
        (path("folder"), FileKind::Folder),
        (path("pipe"), FileKind::Pipe),
        (path("link"), FileKind::Pipe),
        ("/dev/full".into(), FileKind::Device),
        // Whatever standard output is at this moment.
        ("/dev/stdout".into(), FileKind::Device),
        ("/dev/fd/1".into(), FileKind::Device),
    ] {
        for error in [can_be_written(&target).unwrap_err(), replace(&target, |_| Ok(())).unwrap_err()] {
            let is = |k: FileKind| k == kind || target.starts_with("/dev");
            assert!(matches!(error, FileError::NotRegular { kind: k, .. } if is(k)), "{error}");
        }
    }
    assert_eq!(names(folder.path()), ["folder", "link", "pipe"]);
}

#[test]
fn whether_a_file_can_be_written_is_known_before_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    can_be_written(&path).unwrap();
    assert!(names(folder.path()).is_empty());
    fs::write(&path, "old").unwrap();
    can_be_written(&path).unwrap();
    assert_eq!((names(folder.path()), fs::read(&path).unwrap()), (vec!["a.txt".into()], b"old".to_vec()));
    assert!(matches!(can_be_written(folder.path().join("none/a.txt")), Err(FileError::Io { .. })));
    assert!(matches!(can_be_written(path.join("b.txt")), Err(FileError::Io { .. })));
    assert!(matches!(can_be_written(".."), Err(FileError::NoName { .. })));
}

#[test]
fn files_are_replaced_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, content) in [("a", "old a"), ("c", "old c")] {
        fs::write(path(name), content).unwrap();
    }
    let mut files = Together::new();
    // The second says what the first holds.
    let length = files.write(path("a"), |out| out.write_all(b"new a").map(|()| 5)).unwrap();
    files.write(path("b"), |out| write!(out, "{length} bytes")).unwrap();
    files.remove(path("c")).unwrap();
    files.remove(path("d")).unwrap();
    assert_eq!(fs::read_to_string(path("a")).unwrap(), "old a");
    files.commit().unwrap();
    assert_eq!(fs::read_to_string(path("a")).unwrap(), "new a");
    assert_eq!(fs::read_to_string(path("b")).unwrap(), "5 bytes");
    assert_eq!(names(folder.path()), ["a", "b"]);
}

#[test]
fn a_full_disk_leaves_all_files_of_a_set_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    replace_together([(path("a"), "old a"), (path("b"), "old b")]).unwrap();
    let mut files = Together::new();
    files.write(path("a"), |out| out.write_all(b"new a")).unwrap();
    let error = files.write(path("b"), |out| out.write_all(b"new").and_then(|()| Err::<(), _>(full_disk())));
    assert!(matches!(error, Err(FileError::Io { .. })));
    drop(files);
    assert_eq!(fs::read_to_string(path("a")).unwrap(), "old a");
    assert_eq!(fs::read_to_string(path("b")).unwrap(), "old b");
    assert_eq!(names(folder.path()), ["a", "b"]);
}

#[test]
fn files_renamed_before_one_that_cannot_be_are_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let content = |name: &str| fs::read_to_string(path(name)).unwrap();
    for old in ["a", "c", "taken", "lost"] {
        fs::write(path(old), format!("old {old}")).unwrap();
    }
    let mut files = Together::new();
    for new in ["a", "lost", "b", "c"] {
        files.write(path(new), |out| write!(out, "new {new}")).unwrap();
    }
    files.remove(path("taken")).unwrap();
    let lost = names(folder.path()).into_iter().find(|name| content(name) == "new lost").unwrap();
    fs::remove_file(path(&lost)).unwrap();
    let error = files.commit().unwrap_err();
    assert!(
        matches!(&error, FileError::Io { path: p, action: FileAction::Rename, .. } if *p == path("lost")),
        "{error}"
    );
    assert_eq!(["a", "c", "taken", "lost"].map(content), ["old a", "old c", "old taken", "old lost"]);
    assert_eq!(names(folder.path()), ["a", "c", "lost", "taken"]);
}

#[test]
fn a_folder_that_comes_between_is_left_alone_with_all_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a"), "old").unwrap();
    let mut files = Together::new();
    files.write(path("a"), |out| out.write_all(b"new")).unwrap();
    files.write(path("b"), |out| out.write_all(b"new")).unwrap();
    fs::create_dir(path("b")).unwrap();
    let error = files.commit().unwrap_err();
    assert!(matches!(error, FileError::NotRegular { kind: FileKind::Folder, .. }), "{error}");
    assert_eq!(fs::read_to_string(path("a")).unwrap(), "old");
    assert_eq!(names(folder.path()), ["a", "b"]);
}

#[test]
fn a_path_is_in_a_set_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let error = replace_together([(&path, "1"), (&path, "2")]).unwrap_err();
    assert!(matches!(error, FileError::Twice { .. }), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_name_of_the_greatest_length_is_replaced_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x".repeat(255));
    replace(&path, |out| out.write_all(b"1")).unwrap();
    replace(&path, |out| out.write_all(b"2")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"2");
}

#[cfg(unix)]
#[test]
fn a_private_file_stays_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let while_written = Cell::new(0);
    replace(&path, |_| {
        let new = names(folder.path()).into_iter().find(|name| name.ends_with(".partial")).unwrap();
        while_written.set(fs::metadata(folder.path().join(new)).unwrap().permissions().mode() & 0o777);
        Ok(())
    })
    .unwrap();
    assert_eq!(while_written.get(), 0o600);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
