//! Feature files: files of other programs are read, files that are written are read back, and errors name the
//! path and what is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rscir_core::testing::unit_rows;
use rscir_core::{Archive, Embeddings, EncoderSpec};
use rscir_index::{Features, KeyKind, MemoryArchive};

/// Returns the path of a file that tests/data/features/make.py wrote with numpy or the safetensors package.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/features").join(name)
}

const ROWS: [f32; 12] = [1.0, 0.0, 0.0, 0.0, 0.5, 0.5, -0.5, 0.5, 0.0, -1.0, 0.0, 0.0];
const PATHS: [&str; 3] = ["images/lake/lake001.jpg", "images/ford/f\u{e9} 2.jpg", "images/lake/lake002.jpg"];

/// Makes features of rows that were normalized twice, so that their earlier length is 1: files do not keep it.
fn features(keys: &[&str], dim: usize) -> Features {
    let rows = Embeddings::normalize(dim, unit_rows(keys.len(), dim, 1).as_slice().to_vec()).unwrap();
    Features::new(keys.iter().map(|&key| key.into()).collect(), rows).unwrap()
}

fn message(path: &Path) -> String {
    let message = Features::read(path).unwrap_err().to_string();
    let prefix = format!("{}: ", path.display());
    message.strip_prefix(&prefix).unwrap_or_else(|| panic!("{message} has the path first")).to_owned()
}

#[test]
fn every_format_that_python_writes_is_read() {
    for (name, kind, keys, labels) in [
        ("v1.npy", KeyKind::Keys, ["0", "1", "2"], false),
        ("v2.npy", KeyKind::Keys, PATHS, false),
        ("v3.npy", KeyKind::Texts, PATHS, false),
        ("f2.npy", KeyKind::Keys, ["0", "1", "2"], false),
        ("f8_fortran.npy", KeyKind::Keys, ["0", "1", "2"], false),
        ("big_endian.npy", KeyKind::Keys, ["0", "1", "2"], false),
        ("reference.pkl", KeyKind::Keys, PATHS, true),
        ("f16.safetensors", KeyKind::Texts, PATHS, false),
        ("bf16.safetensors", KeyKind::Texts, PATHS, false),
        ("f64.safetensors", KeyKind::Texts, PATHS, false),
    ] {
        let features = Features::read(data(name)).unwrap();
        assert_eq!(features.embeddings.as_slice(), ROWS, "{name}");
        assert_eq!((features.kind, &features.keys[..]), (kind, &keys.map(String::from)[..]), "{name}");
        let expected = labels.then(|| ["lake", "ford", "lake"].map(String::from).to_vec());
        assert_eq!(features.labels, expected, "{name}");
        assert_eq!(features.spec, EncoderSpec::unknown(4), "{name}");
    }
}

#[test]
fn what_a_file_lacks_is_named() {
    for (name, expected) in [
        ("int.npy", "elements of type <i4 are not read as embeddings: convert them to one of f2, f4, f8"),
        ("cube.npy", "the array has shape [3, 2, 2], embeddings need [rows, dim]: reshape the array"),
        ("no_paths.pkl", "dict entry paths is missing; present: feats, labels"),
        ("no_keys.safetensors", "metadata entry keys or texts is missing; present: model"),
        ("no_embeddings.safetensors", "tensor embeddings is missing; present: rows"),
    ] {
        assert_eq!(message(&data(name)), expected, "{name}");
    }
}

#[test]
fn a_wrong_name_or_content_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    for (name, extension) in [("a.feather", "feather"), ("features", "")] {
        assert_eq!(
            message(&write(name, b"")).replace(" if built with the feature `tables`", ""),
            format!(
                "the extension {extension:?} names no format of features; known extensions: safetensors, npy, pkl, rscir, parquet"
            )
        );
    }
    let pkl = fs::read(data("reference.pkl")).unwrap();
    assert_eq!(
        message(&write("a.npy", &pkl)),
        "the file is not in the format npy, which its extension names: rename the file or write it anew"
    );
    assert_eq!(
        message(&write("a.safetensors", &pkl)),
        "the file is not in the format safetensors, which its extension names: rename the file or write it anew"
    );
    assert!(message(&write("a.pkl", b"\x93NUMPY")).contains("STACK_GLOBAL at byte 0"));
    assert!(message(&write("b.pkl", b"\x80\x04]\x94.")).starts_with("dict entry feats is missing"));
    assert!(message(&folder.path().join("absent.npy")).starts_with("reading failed: "));
    assert_eq!(
        message(&write("v9.npy", b"\x93NUMPY\x09\0")),
        "npy version 9.0 is unknown: write the array in version 1, 2 or 3"
    );
    let header = b"{'descr': '<f4', 'order': 1}";
    let mut npy = b"\x93NUMPY\x01\0".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header);
    assert_eq!(
        message(&write("h.npy", &npy)),
        "the npy header is malformed: expected descr, fortran_order or shape at its byte 25; write the array anew"
    );
}

#[test]
fn bad_rows_are_named_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read(data("v1.npy")).unwrap();
    let start = good.len() - 4 * ROWS.len();
    let edited = |name: &str, at: usize, value: f32| {
        let mut bytes = good.clone();
        bytes[start + 4 * at..][..4].copy_from_slice(&value.to_le_bytes());
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    assert_eq!(
        message(&edited("nan.npy", 9, f32::NAN)),
        "row 2 holds NaN at column 1: embeddings must be finite; drop or re-encode this row"
    );
    assert_eq!(
        message(&edited("zero.npy", 0, 0.0)),
        "row 0 is all zeros and has no direction: drop or re-encode this row"
    );
}

#[test]
fn counts_and_widths_must_agree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    fs::copy(data("v1.npy"), &path).unwrap();
    fs::write(folder.path().join("a.keys.json"), r#"["a", "b"]"#).unwrap();
    assert_eq!(message(&path), "there are 2 keys for 3 rows: each row needs one, in row order");
    fs::write(folder.path().join("a.keys.json"), "a\nb\nc").unwrap();
    let error = Features::read(&path).unwrap_err().to_string();
    assert!(error.contains("a.keys.json: keys: expected value at line 1"), "{error}");

    let error = Features::read_of_dim(data("v1.npy"), 5).unwrap_err().to_string();
    assert!(error.ends_with("v1.npy: the rows are 4 wide, not 5: they come from another model"), "{error}");
    assert!(Features::read_of_dim(data("v1.npy"), 4).is_ok());

    assert!(Features::new(vec!["a".into()], unit_rows(2, 3, 1)).is_err());
    let mut features = Features::new(vec!["a".into()], unit_rows(1, 3, 1)).unwrap();
    features.labels = Some(vec![]);
    let error = features.write(folder.path().join("b.pkl")).unwrap_err().to_string();
    assert!(
        error.ends_with("b.pkl: there are 0 labels for 1 rows: each row needs one, in row order"),
        "{error}"
    );
    let error = Features::new(vec![], Embeddings::empty(3)).unwrap_err().to_string();
    assert_eq!(error, "there are no rows: at least one is needed");
    assert!(Features::new(vec!["a".into(), "a".into()], unit_rows(2, 3, 1)).unwrap().into_archive().is_err());
}

/// Sizes that a header claims are refused before memory is allocated for them.
#[test]
fn a_header_that_claims_more_than_the_file_holds_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let npy = fs::read(data("v1.npy")).unwrap();
    let at = npy.windows(6).position(|bytes| bytes == b"(3, 4)").unwrap();
    for shape in ["(3000000000000, 4)", "(18446744073709551615, 9)", "(3, 4611686018427387904)"] {
        let mut bytes = npy.clone();
        // Overwrites the spaces that end the header.
        let rest = bytes.split_off(at);
        bytes.extend(shape.bytes().chain(*b", }"));
        bytes.extend_from_slice(&rest[shape.len() + 3..]);
        let path = folder.path().join("a.npy");
        put(&path, &bytes);
        assert!(message(&path).starts_with("the file has 176 bytes and should have "), "{}", message(&path));
    }
    let path = folder.path().join("a.safetensors");
    put(&path, &[&99_999_999u64.to_le_bytes()[..], b"{}"].concat());
    assert!(message(&path).starts_with("the file has 10 bytes and should have 100000007: "));
    put(&path, &[&u64::MAX.to_le_bytes()[..], b"{}"].concat());
    assert_eq!(
        message(&path),
        "the file is not in the format safetensors, which its extension names: rename the file or write it anew"
    );
}

/// Writes a new file in place of an older one, because file systems sync a file that is truncated and written
/// again, which takes long.
fn put(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

#[test]
fn every_truncation_and_a_longer_file_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["v1.npy", "f8_fortran.npy", "f16.safetensors", "reference.pkl"] {
        let whole = fs::read(data(name)).unwrap();
        let path = folder.path().join(name);
        for length in 0..whole.len() {
            put(&path, &whole[..length]);
            assert!(Features::read(&path).is_err(), "{name} cut to {length} bytes");
        }
        if !name.ends_with("pkl") {
            put(&path, &[&whole[..], b"\0"].concat());
            let (got, expected) = (whole.len() + 1, whole.len());
            assert!(
                message(&path).starts_with(&format!("the file has {got} bytes and should have {expected}: "))
            );
        }
    }
}

/// Reading a damaged file ends with an error or with other rows. It never panics or allocates what a header
/// claims.
#[test]
fn every_flipped_byte_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["v1.npy", "f16.safetensors", "reference.pkl"] {
        let whole = fs::read(data(name)).unwrap();
        let path = folder.path().join(name);
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                put(&path, &bytes);
                if let Ok(features) = Features::read(&path) {
                    assert!(features.embeddings.len() <= 12);
                }
            }
        }
    }
}

#[test]
fn a_failed_write_leaves_the_older_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let features = features(&["a"], 3);
    features.write(&path).unwrap();
    let broken = Features { keys: vec![], ..features.clone() };
    assert!(broken.write(&path).is_err());
    assert_eq!(Features::read(&path).unwrap(), features);
    assert!(features.write(folder.path().join("absent/a.npy")).is_err());
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["a.safetensors"], "nothing is left beside it");
}

#[test]
fn an_older_list_of_keys_does_not_outlive_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    fs::write(folder.path().join("a.keys.txt"), "old\nolder\n").unwrap();
    let mut features = features(&["a", "b"], 3);
    features.write(&path).unwrap();
    assert_eq!(Features::read(&path).unwrap().keys, ["a", "b"]);
    features.kind = KeyKind::Texts;
    features.write(&path).unwrap();
    assert_eq!(Features::read(&path).unwrap(), features);
}

#[test]
fn an_archive_is_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let spec = EncoderSpec {
        model: Some("tiny".into()),
        weights_sha256: Some("ab".into()),
        ..EncoderSpec::unknown(6)
    };
    let keys = vec!["x".to_owned(), "y \"quoted\"\n".into(), "\u{56db}".into()];
    let archive = MemoryArchive::new(spec.clone(), keys.clone(), unit_rows(3, 6, 2)).unwrap();
    let path = folder.path().join("tiles.safetensors");
    Features::of_archive(&archive).unwrap().write(&path).unwrap();
    let again = Features::read(&path).unwrap().into_archive().unwrap();
    assert_eq!(again.spec(), &spec);
    assert_eq!(again.embeddings().as_slice(), archive.embeddings().as_slice());
    assert!((0..3).all(|row| again.key(row) == keys[row]));
}

#[test]
fn an_archive_folder_is_a_feature_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiles.rscir");
    let features = features(&["a", "b"], 3);
    features.write(&path).unwrap();
    assert_eq!(Features::read(&path).unwrap(), features);
    let error = features.write(&path).unwrap_err().to_string();
    assert!(error.ends_with("the folder holds an archive; choose another path"), "{error}");
    let error = Features::read(folder.path().join("absent.rscir")).unwrap_err().to_string();
    assert!(error.contains("absent.rscir: no archive here"), "{error}");
    let twice = Features { keys: vec!["a".into(), "a".into()], ..features };
    let error = twice.write(folder.path().join("twice.rscir")).unwrap_err().to_string();
    assert!(error.contains("key \"a\" is given to row 0 and to row 1"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_written_is_read_back(
        keys in prop::collection::vec(".*", 1..6),
        labeled in any::<bool>(),
        texts in any::<bool>(),
        dim in 1usize..5,
        seed in any::<u64>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut features = Features::new(keys.clone(), unit_rows(keys.len(), dim, seed)).unwrap();
        features.labels = labeled.then(|| keys.iter().map(|key| key.repeat(2)).collect());
        features.kind = if texts { KeyKind::Texts } else { KeyKind::Keys };
        for extension in ["safetensors", "npy", "pkl"] {
            let path = folder.path().join("a").with_extension(extension);
            features.write(&path).unwrap();
            let read = Features::read(&path).unwrap();
            prop_assert_eq!(read.embeddings.as_slice(), features.embeddings.as_slice());
            prop_assert_eq!(&read.keys, &features.keys);
            match extension {
                "safetensors" => prop_assert_eq!((&read.labels, read.kind), (&features.labels, features.kind)),
                "npy" => prop_assert_eq!((&read.labels, read.kind), (&None, features.kind)),
                _ => {
                    let labels = features.labels.clone().unwrap_or(vec![String::new(); keys.len()]);
                    prop_assert_eq!((&read.labels, read.kind), (&Some(labels), KeyKind::Keys));
                }
            }
        }
    }
}
