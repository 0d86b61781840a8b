//! Archives of released format versions must open in all later versions. `tests/compat` holds two of each, and
//! two of version 1 with columns.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{DIM, Step, content, content_without_columns, key, take, vector};
use rscir_core::{Activation, Archive, EncoderSpec, Precision};
use rscir_index::storage::FileStorage;
use rscir_index::{ArchiveWriter, Columns, DiskArchive, verify};

/// Returns the steps that made the archives: a segment with moments, deleted and replaced rows, a segment without
/// moments.
fn steps() -> [Step; 4] {
    [
        Step::Commit((0..18).collect(), 1),
        Step::Delete(vec![4]),
        Step::Commit(vec![7, 8, 9, 30], 2),
        Step::Commit(vec![31], 3),
    ]
}

fn spec() -> EncoderSpec {
    EncoderSpec {
        model: Some("compat".into()),
        architecture: Some("ViT".into()),
        activation: Some(Activation::QuickGelu.into()),
        wavelengths: None,
        decoding: Default::default(),
        preprocessing: Some("bicubic".into()),
        tokenizer: Some("clip".into()),
        weights_sha256: Some("00ff".into()),
        dim: DIM,
        precision: Precision::Bf16,
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat").join(name)
}

/// Writes the archives of the present version, for a release that has a new one:
/// `cargo test --release -p rscir-index --test compat -- --ignored write`
#[test]
#[ignore = "writes into tests/compat"]
fn write_the_archives_of_this_version() {
    for precision in [Precision::F32, Precision::I8] {
        let dir = folder(&format!("v1-columns-{precision}"));
        let mut writer = ArchiveWriter::create_with(Arc::new(FileStorage), &dir, spec(), precision).unwrap();
        for step in &steps() {
            take(&mut writer, step).unwrap();
        }
        std::fs::remove_file(dir.join("lock")).unwrap();
    }
}

#[test]
fn version_1_opens() {
    let expected = common::models(&steps()).pop().unwrap();
    let archive = DiskArchive::open(folder("v1-f32")).unwrap();
    assert_eq!(archive.spec(), &spec());
    assert_eq!(content_without_columns(&archive), expected);
    assert!(archive.columns().is_empty());
    assert!(verify(archive.path()).unwrap().is_sound());

    let archive = DiskArchive::open(folder("v1-i8")).unwrap();
    assert_eq!((archive.precision(), archive.len()), (Precision::I8, expected.len()));
    for (row, &(number, edition)) in expected.iter().enumerate() {
        assert_eq!((archive.key(row), archive.find(&key(number))), (&key(number)[..], Some(row)));
        for (stored, exact) in archive.vector(row).iter().zip(vector(number, edition)) {
            assert!((stored - exact).abs() <= 0.5 / 127.0, "row {row}: {stored} and {exact}");
        }
    }
    assert!(verify(archive.path()).unwrap().is_sound());
}

#[test]
fn version_1_is_written_on() {
    let copy = tempfile::tempdir().unwrap();
    let dir = copy.path().join("copy.rscir");
    std::fs::create_dir_all(dir.join("segments")).unwrap();
    let old = folder("v1-f32");
    std::fs::copy(old.join("manifest.json"), dir.join("manifest.json")).unwrap();
    for entry in std::fs::read_dir(old.join("segments")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, dir.join("segments").join(path.file_name().unwrap())).unwrap();
    }
    let mut writer = ArchiveWriter::open_or_create(&dir, spec(), Precision::F32).unwrap();
    let mut model = common::models(&steps()).pop().unwrap();
    for step in [Step::Commit(vec![0, 50], 4), Step::CompactSorted] {
        take(&mut writer, &step).unwrap();
        common::advance(&mut model, &step);
    }
    let archive = DiskArchive::open(&dir).unwrap();
    assert_eq!(content_without_columns(&archive), model);
    let columns = common::columns(&model);
    for (row, &(_, edition)) in model.iter().enumerate() {
        // Rows that were committed before there were columns have no values.
        for (name, _) in columns.types() {
            let expected = if edition == 4 { columns.value(name, row) } else { None };
            assert_eq!(archive.value(name, row), expected, "column {name} of row {row}");
        }
    }
}

#[test]
fn version_1_with_columns_opens() {
    let expected = common::models(&steps()).pop().unwrap();
    for precision in [Precision::F32, Precision::I8] {
        let archive = DiskArchive::open(folder(&format!("v1-columns-{precision}"))).unwrap();
        assert_eq!(Columns::of_archive(&archive), common::columns(&expected));
        assert!(verify(archive.path()).unwrap().is_sound());
    }
    let archive = DiskArchive::open(folder("v1-columns-f32")).unwrap();
    assert_eq!(content(&archive), expected);
}
