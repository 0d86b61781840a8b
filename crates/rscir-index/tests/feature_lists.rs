//! An array and the list of keys beside it belong together: they are written together, and compared when they are
//! read.

use std::fs;
use std::path::{Path, PathBuf};

use rscir_core::Embeddings;
use rscir_core::testing::unit_rows;
use rscir_index::{Error, Features, KeyKind};
use sha2::{Digest, Sha256};

/// Makes features of rows that were normalized twice, so that their earlier length is 1: files do not keep it.
fn features(keys: &[&str], seed: u64) -> Features {
    let rows = unit_rows(keys.len(), 4, seed).as_slice().to_vec();
    let rows = Embeddings::normalize(4, rows).unwrap();
    Features::new(keys.iter().map(|&key| key.into()).collect(), rows).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Writes an array in the layout of numpy, without a list.
fn npy(path: &Path, shape: &str, fortran_order: bool, values: &[f32]) {
    let order = if fortran_order { "True" } else { "False" };
    let header = format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

fn failure(path: &Path) -> (Error, String) {
    let error = Features::read(path).unwrap_err();
    let message = error.to_string();
    (error, message)
}

#[test]
fn a_list_says_the_rows_and_the_checksum_of_its_array() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let mut features = features(&["x", "y"], 1);
    for (kind, name) in [(KeyKind::Keys, "keys"), (KeyKind::Texts, "texts")] {
        features.kind = kind;
        features.write(&path).unwrap();
        let list: serde_json::Value =
            serde_json::from_slice(&fs::read(path.with_extension(format!("{name}.json"))).unwrap()).unwrap();
        let digest = Sha256::digest(fs::read(&path).unwrap());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(list, serde_json::json!({"rows": 2, "sha256": digest, name: ["x", "y"]}));
        assert_eq!(Features::read(&path).unwrap(), features);
    }
    assert_eq!(names(folder.path()), ["a.npy", "a.texts.json"]);
}

#[test]
fn a_list_of_another_array_is_seen_and_both_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    features(&["x", "y"], 1).write(path("a.npy")).unwrap();
    features(&["v", "w"], 2).write(path("b.npy")).unwrap();
    features(&["v", "w", "z"], 3).write(path("c.npy")).unwrap();
    for (other, what) in [("b", "SHA-256"), ("c", "number of rows is 3, not 2")] {
        fs::copy(path(&format!("{other}.keys.json")), path("a.keys.json")).unwrap();
        let (error, message) = failure(&path("a.npy"));
        assert!(
            matches!(&error, Error::File { problem, .. } if matches!(**problem, Error::OtherArray { .. })),
            "{message}"
        );
        for part in ["a.npy: ", "a.keys.json was written with an array", what] {
            assert!(message.contains(part), "{message}");
        }
    }
    // Flips one bit of a value. The row is still valid, so only the checksum shows the damage.
    let whole = fs::read(path("b.npy")).unwrap();
    for at in [whole.len() - 1, whole.len() - 4] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x80;
        fs::write(path("b.npy"), bytes).unwrap();
        assert!(failure(&path("b.npy")).1.contains("SHA-256"));
    }
}

#[test]
fn what_others_write_beside_an_array_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for (list, content) in [
        ("a.keys.json", r#"["x", "y"]"#),
        ("a.keys.json", r#"{"keys": ["x", "y"], "made by": ["someone"]}"#),
        ("a.keys.json", "\u{feff}[\"x\", \"y\"]"),
        ("a.keys.txt", "x\ny\n"),
        ("a.keys.txt", "\u{feff}x\r\ny\r\n"),
        ("a.keys.txt", "\u{feff}x\n\u{feff}y"),
        ("a.texts.txt", "\u{feff}x\ny"),
        ("a.texts.json", "\u{feff}{\"texts\": [\"x\", \"y\"]}"),
    ] {
        npy(&path, "(2, 2)", false, &[1.0, 0.0, 0.0, 1.0]);
        fs::write(folder.path().join(list), content).unwrap();
        assert_eq!(Features::read(&path).unwrap().keys, ["x", "y"], "{list}: {content:?}");
        fs::remove_file(folder.path().join(list)).unwrap();
    }
    for (content, problem) in [
        (r#"{"rows": 2, "keys": ["x", "y"]}"#, "missing field `sha256`"),
        (r#"{"sha256": "00", "rows": 2, "keys": ["x", "y"]}"#, "64 lower-case hexadecimal digits"),
        (r#"{"rows": 2}"#, "missing field `keys`"),
        ("3", "expected a list of strings, or an object"),
        ("[\"x\"\0, \"y\"]", "NUL"),
    ] {
        fs::write(folder.path().join("a.keys.json"), content).unwrap();
        let message = failure(&path).1;
        assert!(message.contains("a.keys.json") && message.contains(problem), "{message}");
    }
}

/// If the list cannot be written, the array is not written either.
#[test]
fn an_array_is_not_replaced_without_its_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    features(&["x", "y"], 1).write(&path).unwrap();
    let old = fs::read(&path).unwrap();
    for blocked in ["a.texts.json", "a.keys.txt"] {
        fs::create_dir(folder.path().join(blocked)).unwrap();
        let before = names(folder.path());
        let error = Features::can_be_written(&path).unwrap_err().to_string();
        assert!(error.contains(blocked) && error.contains("this is a folder"), "{error}");
        let mut other = features(&["v", "w"], 2);
        other.kind = KeyKind::Texts;
        let error = other.write(&path).unwrap_err().to_string();
        assert!(error.contains(blocked) && error.contains("this is a folder"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), old);
        assert_eq!(names(folder.path()), before);
        fs::remove_dir(folder.path().join(blocked)).unwrap();
        assert_eq!(Features::read(&path).unwrap().keys, ["x", "y"]);
        Features::can_be_written(&path).unwrap();
    }
}

/// If the process is killed between two steps of a write, reading gives the old pair, the new pair, or an error.
#[test]
fn no_state_between_two_renames_is_read_as_rows_with_wrong_keys() {
    let (old, new, work) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut features = [features(&["x", "y"], 1), features(&["v", "w"], 2)];
    // The old lists have other names than the new one, and no checksum, like those of other programs.
    for (list, kind) in [("a.keys.json", KeyKind::Texts), ("a.keys.txt", KeyKind::Keys)] {
        features[1].kind = kind;
        for (folder, features) in [(&old, &features[0]), (&new, &features[1])] {
            features.write(folder.path().join("a.npy")).unwrap();
        }
        fs::remove_file(old.path().join("a.keys.json")).unwrap();
        let content = if list.ends_with("json") { r#"["x", "y"]"# } else { "x\ny\n" };
        fs::write(old.path().join(list), content).unwrap();
        let written = if kind == KeyKind::Texts { "a.texts.json" } else { "a.keys.json" };
        // A write renames the new list, removes the old lists, and renames the array, in this order.
        let copy = |from: &Path, name: &str| fs::copy(from.join(name), work.path().join(name)).map(|_| ());
        copy(old.path(), "a.npy").unwrap();
        copy(old.path(), list).unwrap();
        let read = || Features::read(work.path().join("a.npy"));
        assert_eq!(read().unwrap().keys, ["x", "y"]);
        copy(new.path(), written).unwrap();
        assert!(read().is_err() || read().unwrap().keys == ["x", "y"]);
        fs::remove_file(work.path().join(list)).unwrap();
        assert!(read().unwrap_err().to_string().contains("SHA-256"));
        copy(new.path(), "a.npy").unwrap();
        assert_eq!(read().unwrap(), features[1]);
        fs::remove_file(work.path().join(written)).unwrap();
    }
}

#[test]
fn a_list_is_not_held_beyond_what_its_rows_justify() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    npy(&path, "(2, 2)", false, &[1.0, 0.0, 0.0, 1.0]);
    fs::write(folder.path().join("a.keys.txt"), "x\n".repeat(1 << 20)).unwrap();
    let message = failure(&path).1;
    assert!(message.contains("a.keys.txt: the file has 2097152 bytes or more"), "{message}");
}

#[test]
fn an_array_without_columns_is_an_error_in_either_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for fortran_order in [false, true] {
        for shape in ["(3, 0)", "(0, 0)", "(1, 0)"] {
            npy(&path, shape, fortran_order, &[]);
            assert!(failure(&path).1.contains("the rows have no columns"), "{shape}");
        }
        npy(&path, "(0, 3)", fortran_order, &[]);
        assert!(failure(&path).1.ends_with("there are no rows: at least one is needed"));
        npy(&path, "(2, 1)", fortran_order, &[1.0, -1.0]);
        assert_eq!(Features::read(&path).unwrap().embeddings.as_slice(), [1.0, -1.0]);
    }
    let path = folder.path().join("a.safetensors");
    let header = r#"{"__metadata__":{"keys":"[\"x\"]"},"embeddings":{"dtype":"F32","shape":[1,0],"data_offsets":[0,0]}}"#;
    fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()).unwrap();
    assert!(failure(&path).1.contains("the rows have no columns"));
}

#[cfg(unix)]
#[test]
fn no_feature_file_is_a_pipe_or_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: String| -> PathBuf { folder.path().join(name) };
    let tables = cfg!(feature = "tables").then_some("parquet");
    for extension in ["npy", "safetensors", "pkl"].into_iter().chain(tables) {
        let (pipe, device) = (path(format!("pipe.{extension}")), path(format!("device.{extension}")));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
        for (file, kind) in [(pipe, "a pipe"), (device, "a device")] {
            let message = failure(&file).1;
            assert!(message.contains(&format!("this is {kind}")), "{message}");
            let error = features(&["x"], 1).write(&file).unwrap_err().to_string();
            assert!(error.contains(&format!("this is {kind}")), "{error}");
        }
    }
    npy(&path("a.npy".into()), "(1, 2)", false, &[1.0, 0.0]);
    assert!(std::process::Command::new("mkfifo").arg(path("a.keys.json".into())).status().unwrap().success());
    assert!(failure(&path("a.npy".into())).1.contains("a.keys.json: this is a pipe"));
}

/// Writes as much as the system allows. The test below runs it in a process of its own.
#[test]
#[ignore = "run by the test of the full disk"]
fn export_on_a_full_disk() {
    let path = std::env::var_os("RSCIR_TEST_EXPORT").map(PathBuf::from);
    let path = path.expect("the path is set by the test that runs this one");
    let keys: Vec<String> = (0..64).map(|row| format!("{row}{}", "k".repeat(200))).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let error = features(&keys, 2).write(&path).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.ends_with("a.keys.json")), "{error}");
}

/// The array can be written, but its list cannot, because no file of the process may have more than some
/// kilobytes.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_array_and_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    features(&["x", "y"], 1).write(&path).unwrap();
    let old = [fs::read(&path).unwrap(), fs::read(path.with_extension("keys.json")).unwrap()];
    let child = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --ignored --exact export_on_a_full_disk"])
        .arg(std::env::current_exe().unwrap())
        .env("RSCIR_TEST_EXPORT", &path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!([fs::read(&path).unwrap(), fs::read(path.with_extension("keys.json")).unwrap()], old);
    assert_eq!(names(folder.path()), ["a.keys.json", "a.npy"]);
    assert_eq!(Features::read(&path).unwrap().keys, ["x", "y"]);
}
