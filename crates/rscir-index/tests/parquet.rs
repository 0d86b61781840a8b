//! Parquet: files of pandas and pyarrow are read, files that are written are read back, and errors name what is
//! wrong.
#![cfg(feature = "tables")]

use std::fs;
use std::path::{Path, PathBuf};

use rscir_core::testing::unit_rows;
use rscir_core::{Activation, Archive, Date, Embeddings, EncoderSpec};
use rscir_index::{Column, Columns, DiskArchive, Features, Filter, KeyKind, KeyedColumns};

/// Returns the path of a file that tests/data/tables/make.py wrote with pandas or pyarrow.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tables").join(name).with_extension("parquet")
}

const ROWS: [f32; 12] = [1.0, 0.0, 0.0, 0.0, 0.5, 0.5, -0.5, 0.5, 0.0, -1.0, 0.0, 0.0];
const KEYS: [&str; 3] = ["images/lake/lake001.jpg", "images/ford/f\u{e9} 2.jpg", "images/lake/lake002.jpg"];

fn spec() -> EncoderSpec {
    EncoderSpec {
        model: Some("tiny".into()),
        architecture: Some("ViT".into()),
        activation: Some(Activation::Gelu.into()),
        preprocessing: Some("bicubic".into()),
        tokenizer: Some("clip".into()),
        weights_sha256: Some("ab".into()),
        ..EncoderSpec::unknown(4)
    }
}

/// Makes columns of every type, with and without values.
fn columns() -> Columns {
    let date = |text: &str| text.parse::<Date>().unwrap();
    Columns::new(3)
        .with("label", vec![Some("lake".to_owned()), None, Some("lake".into())])
        .and_then(|c| c.with("count", vec![Some(3i64), None, Some(-5)]))
        .and_then(|c| c.with("cloud", vec![Some(0.25), None, Some(1.0)]))
        .and_then(|c| c.with("night", vec![Some(true), None, Some(false)]))
        .and_then(|c| c.with("acquired", vec![Some(date("2024-02-29")), None, Some(date("1969-12-31"))]))
        .and_then(|c| c.with("bbox", vec![Some(vec![4.0, 51.5, 4.25, 52.0]), None, Some(vec![])]))
        .unwrap()
}

#[test]
fn what_pandas_writes_is_read() {
    let features = Features::read(data("pandas")).unwrap();
    assert_eq!(features.embeddings.as_slice(), ROWS);
    assert_eq!((features.kind, &features.keys[..]), (KeyKind::Keys, &KEYS.map(String::from)[..]));
    assert_eq!(features.columns, columns());
    assert_eq!(features.spec, EncoderSpec::unknown(4));
}

#[test]
fn what_pyarrow_writes_is_read() {
    let features = Features::read(data("pyarrow")).unwrap();
    assert_eq!(features.embeddings.as_slice(), ROWS);
    assert_eq!((features.kind, &features.keys[..]), (KeyKind::Texts, &KEYS.map(String::from)[..]));
    assert_eq!(features.columns, Columns::new(3).with("small", vec![1i64, 2, 255]).unwrap());
    assert_eq!(features.spec, spec());
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let rows = Embeddings::normalize(4, ROWS.to_vec()).unwrap();
    let mut features = Features::new(KEYS.map(String::from).to_vec(), rows).unwrap();
    features.write(&path).unwrap();
    assert_eq!(Features::read(&path).unwrap(), features);
    features.columns = columns();
    features.spec = spec();
    for kind in [KeyKind::Keys, KeyKind::Texts] {
        features.kind = kind;
        features.write(&path).unwrap();
        assert_eq!(Features::read(&path).unwrap(), features);
    }
    // A column without a value in any row keeps its type, too.
    features.columns = Columns::new(3).with("none", vec![None::<Vec<f64>>; 3]).unwrap();
    features.write(&path).unwrap();
    assert_eq!(Features::read(&path).unwrap(), features);
}

/// The file has several row groups, many pages, and columns that are compressed to almost nothing.
#[test]
fn many_rows_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let n = 600_000;
    let rows = Embeddings::normalize(4, unit_rows(n, 4, 1).as_slice().to_vec()).unwrap();
    let mut features = Features::new((0..n).map(|row| row.to_string()).collect(), rows).unwrap();
    features.columns = Columns::new(n)
        .with("label", vec![Some("harbor".to_owned()); n])
        .and_then(|columns| columns.with("none", vec![None::<i64>; n]))
        .unwrap();
    features.write(&path).unwrap();
    assert_eq!(Features::read(&path).unwrap(), features);
}

#[test]
fn an_archive_goes_out_and_comes_in() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, table) = (folder.path().join("a.rscir"), folder.path().join("a.parquet"));
    let mut features = Features::read(data("pandas")).unwrap();
    features.spec = spec();
    features.write(&archive).unwrap();
    let disk = DiskArchive::open(&archive).unwrap();
    let lakes = Filter::parse("label = lake and acquired < 1970-01-01").unwrap().select(&disk).unwrap();
    assert_eq!(lakes.iter().collect::<Vec<_>>(), [2]);
    Features::of_archive(&disk).unwrap().write(&table).unwrap();
    assert_eq!(Features::read(&table).unwrap(), features);
    assert_eq!(features.clone().into_archive().unwrap().value("count", 2), disk.value("count", 2));
}

#[test]
fn labels_become_a_column_and_a_column_labels() {
    let folder = tempfile::tempdir().unwrap();
    let (table, pickle) = (folder.path().join("a.parquet"), folder.path().join("a.pkl"));
    let labels = vec!["x".to_owned(), "y".into()];
    let mut features = Features::new(vec!["a".into(), "b".into()], unit_rows(2, 3, 1)).unwrap();
    features.labels = Some(labels.clone());
    features.write(&table).unwrap();
    let read = Features::read(&table).unwrap();
    assert_eq!(
        (read.labels.as_ref(), read.columns.get("label")),
        (None, Some(&Column::from(labels.clone())))
    );
    read.write(&pickle).unwrap();
    assert_eq!(Features::read(&pickle).unwrap().labels, Some(labels));
}

#[test]
fn what_is_wrong_is_named_with_the_file() {
    for (name, expected) in [
        ("no_key", "column key or text is missing; present: embedding"),
        ("no_embedding", "column embedding is missing; present: key"),
        ("key_missing", "column \"key\": expected text in every row, got str with 1 rows without a value"),
        ("key_number", "column \"key\": expected text in every row, got i64"),
        (
            "ragged",
            "column \"embedding\": expected lists of f32 or f64 of one length, without gaps, got list[f64]",
        ),
        ("gap", "expected lists of f32 or f64 of one length, without gaps, got list[f64] with 1 rows"),
        (
            "hole",
            "column \"embedding\": expected lists of f32 or f64 of one length, without gaps, got list[f64]",
        ),
        ("scalar", "column \"embedding\": expected lists of f32 or f64 of one length, without gaps, got f64"),
        ("zeros", "row 1"),
        ("time", "column \"when\""),
        ("huge", "u64"),
    ] {
        let error = Features::read(data(name)).unwrap_err().to_string();
        assert!(error.starts_with(&data(name).display().to_string()), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    fs::write(&path, "key,embedding\n").unwrap();
    let error = Features::read(&path).unwrap_err().to_string();
    assert!(error.ends_with("the file is not in the format Parquet, which its extension names: rename the file or write it anew"), "{error}");
    let mut features = Features::new(vec!["a".into()], unit_rows(1, 3, 1)).unwrap();
    features.columns = Columns::new(1).with("key", vec!["b"]).unwrap();
    assert!(features.write(&path).unwrap_err().to_string().contains("key"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "key,embedding\n", "the older file stays");
}

#[test]
fn every_truncation_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let bytes = fs::read(data("pyarrow")).unwrap();
    for len in 0..bytes.len() {
        fs::write(&path, &bytes[..len]).unwrap();
        assert!(Features::read(&path).is_err(), "the first {len} bytes");
    }
}

/// Reading a damaged file ends with an error or with other rows.
#[test]
fn every_flipped_byte_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["pandas", "pyarrow"] {
        let path = folder.path().join(name).with_extension("parquet");
        let whole = fs::read(data(name)).unwrap();
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                fs::write(&path, bytes).unwrap();
                if let Ok(features) = Features::read(&path) {
                    assert!(features.embeddings.len() <= 3, "byte {at} ^ {flip:#x}");
                }
            }
        }
    }
}

/// Runs the test above in a process with so little memory that an allocation far larger than the files, which
/// have some kilobytes, ends it.
#[test]
#[cfg(target_os = "linux")]
fn damage_makes_no_large_allocations() {
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 262144; exec \"$0\" --exact every_flipped_byte_is_survived"])
        .arg(std::env::current_exe().unwrap())
        .envs([("RAYON_NUM_THREADS", "1"), ("POLARS_MAX_THREADS", "1"), ("MALLOC_ARENA_MAX", "1")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
fn a_table_of_columns_is_read_without_its_embeddings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiles.parquet");
    let mut features = Features::new(KEYS.map(String::from).into(), unit_rows(3, 4, 1)).unwrap();
    features.columns = columns();
    features.write(&path).unwrap();
    let table = KeyedColumns::read(&path, "key").unwrap();
    assert_eq!((table.keys(), table.columns()), (&KEYS.map(String::from)[..], &columns()));
    let error = KeyedColumns::read(&path, "path").unwrap_err().to_string();
    assert!(error.contains("column path is missing; present: key, embedding"), "{error}");
    let error = KeyedColumns::read(&path, "count").unwrap_err().to_string();
    assert!(error.contains("column \"count\": expected text in every row"), "{error}");
}
