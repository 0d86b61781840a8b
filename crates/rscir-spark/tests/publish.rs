//! Checks that a table appears whole or not at all, in parts along a curve, with the files that a search needs.

mod common;
#[path = "common/meddling.rs"]
mod meddling;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Once;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, RecordBatch};
use common::{DIM, ROWS, archive};
use meddling::Meddling;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rscir_core::{Archive, EncoderSpec, ErrorKind, Value};
use rscir_index::{Columns, MemoryArchive};
use rscir_spark::{Error, ExportOptions, TableVersion, export_parquet};
use sha2::{Digest, Sha256};

fn batches(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.build().unwrap().collect::<Result<_, _>>().unwrap()
}

fn path_of(version: &TableVersion) -> &Path {
    version.folder.folder().unwrap()
}

/// Returns options for parts of 500 rows.
fn options() -> ExportOptions {
    ExportOptions::default().part_bytes(500 * DIM as u64 * 4)
}

#[test]
fn parts_hold_every_row_once_as_it_was_with_its_part() {
    let (archive, table) = (archive(), tempfile::tempdir().unwrap());
    let published = export_parquet(&archive, table.path(), &options()).unwrap();
    assert_eq!((published.rows, published.parts), (ROWS as u64, 6));
    let version = TableVersion::open(table.path()).unwrap();
    assert_eq!((&version.moments, version.parts.len()), (archive.moments(), 6));
    let mut seen = BTreeSet::new();
    for part in &version.parts {
        let path = path_of(&version).join(&part.name);
        let bytes = fs::read(&path).unwrap();
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((bytes.len() as u64, digest), (part.bytes, part.sha256.clone()));
        for batch in batches(&path) {
            let keys = batch["key"].as_string::<i32>();
            for i in 0..batch.num_rows() {
                let row = archive.find(keys.value(i)).unwrap();
                assert!(seen.insert(row), "{} twice", keys.value(i));
                let vector = batch["embedding"].as_list::<i32>().value(i);
                assert_eq!(vector.as_primitive::<Float32Type>().values(), &*archive.vector(row));
                assert_eq!(batch["rscir_part"].as_string::<i32>().value(i), part.mark);
                let labels = batch["label"].as_string::<i32>();
                let label = labels.is_valid(i).then(|| Value::Text(labels.value(i)));
                assert_eq!(label, archive.value("label", row));
                let clouds = batch["cloud"].as_primitive::<Float64Type>();
                assert_eq!(clouds.is_valid(i), archive.value("cloud", row).is_some());
            }
        }
    }
    assert_eq!(seen.len(), ROWS);
}

#[test]
fn parts_are_compact_areas_where_rows_have_places_and_ranges_of_keys_where_not() {
    let (archive, table) = (archive(), tempfile::tempdir().unwrap());
    export_parquet(&archive, table.path(), &options()).unwrap();
    let version = TableVersion::open(table.path()).unwrap();
    let area = |part: &rscir_spark::PartEntry| {
        let (mut low, mut high) = ([f64::MAX; 2], [f64::MIN; 2]);
        for batch in batches(&path_of(&version).join(&part.name)) {
            for (axis, name) in ["west", "south"].into_iter().enumerate() {
                for &value in batch[name].as_primitive::<Float64Type>().values() {
                    low[axis] = low[axis].min(value);
                    high[axis] = high[axis].max(value);
                }
            }
        }
        (high[0] - low[0]) * (high[1] - low[1])
    };
    // Six parts of rows at random would each cover all of the 6 x 5 degrees.
    let covered: f64 = version.parts.iter().map(area).sum();
    assert!(covered < 2.0 * 6.0 * 5.0, "{covered} square degrees");

    let bare = common::with_copies(0);
    export_parquet(&bare, table.path(), &options()).unwrap();
    let first = TableVersion::open(table.path()).unwrap();
    let keys: Vec<String> = batches(&path_of(&first).join(&first.parts[0].name))
        .iter()
        .flat_map(|batch| {
            batch["key"].as_string::<i32>().iter().flatten().map(String::from).collect::<Vec<_>>()
        })
        .collect();
    assert!(keys.is_sorted() && keys.len() == 500);
}

#[test]
fn a_new_version_leaves_the_one_that_a_reader_has() {
    let (archive, table) = (archive(), tempfile::tempdir().unwrap());
    export_parquet(&archive, table.path(), &options()).unwrap();
    let old = TableVersion::open(table.path()).unwrap();
    let before: Vec<Vec<u8>> =
        old.parts.iter().map(|part| fs::read(path_of(&old).join(&part.name)).unwrap()).collect();
    export_parquet(&common::with_copies(3), table.path(), &options()).unwrap();
    let new = TableVersion::open(table.path()).unwrap();
    assert_ne!((old.folder.clone(), old.rows), (new.folder.clone(), new.rows));
    assert!(path_of(&new).file_name().unwrap().to_string_lossy().starts_with("v00000002-"));
    for (part, bytes) in old.parts.iter().zip(before) {
        assert!(fs::read(path_of(&old).join(&part.name)).unwrap() == bytes);
    }
    let marks =
        |version: &TableVersion| version.parts.iter().map(|part| part.mark.clone()).collect::<BTreeSet<_>>();
    assert!(marks(&old).is_disjoint(&marks(&new)), "a row says which version it is of");
}

#[test]
fn what_was_cut_off_before_the_pointer_is_not_seen() {
    let (archive, table) = (archive(), tempfile::tempdir().unwrap());
    let error = TableVersion::open(table.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    export_parquet(&archive, table.path(), &options()).unwrap();
    let seen = TableVersion::open(table.path()).unwrap();
    // The first folder is a version that `current.json` never named, and the second is a draft.
    for left in ["v00000002-00000000", ".new-0123456789abcdef"] {
        fs::create_dir(table.path().join(left)).unwrap();
        fs::write(table.path().join(left).join("part-00000.parquet"), "PAR1").unwrap();
    }
    assert_eq!(TableVersion::open(table.path()).unwrap(), seen);
    export_parquet(&archive, table.path(), &options()).unwrap();
    assert_ne!(TableVersion::open(table.path()).unwrap().folder, seen.folder);
}

#[test]
fn a_changed_description_or_moments_of_another_table_are_refused() {
    let (archive, table) = (archive(), tempfile::tempdir().unwrap());
    export_parquet(&archive, table.path(), &options()).unwrap();
    let folder = path_of(&TableVersion::open(table.path()).unwrap()).to_path_buf();
    let refused = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let path = folder.join(name);
        let before = fs::read(&path).unwrap();
        fs::write(&path, change(before.clone())).unwrap();
        let error = TableVersion::open(table.path()).unwrap_err();
        assert!(error.to_string().contains(name) && error.kind() == ErrorKind::Damaged, "{error}");
        fs::write(&path, before).unwrap();
    };
    refused("_moments.safetensors", &|mut bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        bytes
    });
    refused("_table.json", &|bytes| {
        String::from_utf8(bytes).unwrap().replace("\"version\": 1", "\"version\": 2").into()
    });
    refused("_table.json", &|bytes| {
        String::from_utf8(bytes).unwrap().replace("\"rows\": 500", "\"rows\": 501").into()
    });
    refused("_table.json", &|bytes| bytes[..bytes.len() / 2].to_vec());
    let pointer = table.path().join("current.json");
    fs::write(&pointer, fs::read_to_string(&pointer).unwrap().replace("\"v0", "\"../v0")).unwrap();
    assert!(TableVersion::open(table.path()).unwrap_err().to_string().contains("no folder beside it"));
}

#[test]
fn an_empty_archive_and_columns_that_engines_cannot_tell_apart_are_refused_before_anything_is_written() {
    let table = tempfile::tempdir().unwrap();
    let path = table.path().join("table");
    let spec = EncoderSpec::unknown(DIM);
    let none = MemoryArchive::new(spec.clone(), Vec::new(), rscir_core::Embeddings::empty(DIM)).unwrap();
    assert!(matches!(export_parquet(&none, &path, &options()), Err(Error::NoRows)));
    let columns = Columns::new(500).with("Key", vec![1i64; 500]).unwrap();
    let named = common::with_copies(0).with_columns(columns).unwrap();
    let error = export_parquet(&named, &path, &options()).unwrap_err();
    assert!(matches!(&error, Error::ReservedColumn { column, .. } if column == "Key"), "{error}");
    let columns =
        Columns::new(500).with("Cloud", vec![1i64; 500]).and_then(|of| of.with("cloud", vec![2i64; 500]));
    let named = common::with_copies(0).with_columns(columns.unwrap()).unwrap();
    let error = export_parquet(&named, &path, &options()).unwrap_err();
    assert!(error.to_string().contains("\"Cloud\" and \"cloud\""), "{error}");
    assert!(!path.exists());
}

#[test]
fn of_two_that_publish_at_once_none_is_lost_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path();
    for is_first in [true, false] {
        if !is_first {
            export_parquet(&common::with_copies(3), table, &options()).unwrap();
        }
        let meddle = || drop(export_parquet(&archive(), table, &options()).unwrap());
        let late = Meddling { archive: common::with_copies(9), meddle, once: Once::new() };
        let error = export_parquet(&late, table, &options()).unwrap_err();
        assert!(matches!(error, Error::PublishedMeanwhile { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert_eq!(TableVersion::open(table).unwrap().rows, ROWS as u64);
        let drafts =
            fs::read_dir(table).unwrap().filter_map(Result::ok).filter(|entry| entry.path().is_dir());
        assert_eq!(drafts.count(), if is_first { 1 } else { 3 }, "what was refused is not left behind");
    }
}

#[test]
#[cfg(not(feature = "cloud"))]
fn a_url_without_the_feature_for_it_is_no_folder_of_that_name() {
    let error = export_parquet(&archive(), "s3://bucket/tiles", &options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("s3://bucket/tiles") && error.to_string().contains("`cloud`"),
        "{error}"
    );
    assert!(TableVersion::open("gs://bucket/tiles").is_err() && !Path::new("s3:").exists());
}
