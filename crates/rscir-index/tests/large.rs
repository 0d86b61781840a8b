//! An archive of more rows than opening checks: opening reads headers only, and damage elsewhere is an error
//! where the damaged value is used.

use std::fs;
use std::path::{Path, PathBuf};

use rscir_core::testing::unit_rows;
use rscir_core::{Archive, ComposedQuery, EncoderSpec, Fingerprint, Precision, SinkRow};
use rscir_index::{
    ArchiveWriter, Columns, DiskArchive, Error, Features, Filter, SearchOptions, Searcher, search, verify,
};
use rscir_weicom::ImageOnly;

const DIM: usize = 3;

/// A full segment and a part of another.
const ROWS: usize = 70_000;

/// Row of the first segment that tests damage.
const DAMAGED: usize = 1234;

fn key(row: usize) -> String {
    format!("tile {row:06}")
}

fn make(parent: &Path) -> PathBuf {
    let dir = parent.join("large.rscir");
    let mut writer = ArchiveWriter::create(&dir, EncoderSpec::unknown(DIM), Precision::F32).unwrap();
    let keys: Vec<String> = (0..ROWS).map(key).collect();
    let described: Vec<_> = keys.iter().map(|key| SinkRow::new(key, Fingerprint::default())).collect();
    writer.commit(&described, &unit_rows(ROWS, DIM, 1)).unwrap();
    let labels =
        Columns::new(ROWS).with("label", (0..ROWS).map(|row| format!("#{row:06}")).collect::<Vec<_>>());
    let labels = labels.unwrap().with("size", (0..ROWS as i64).collect::<Vec<_>>()).unwrap();
    writer.set_columns(&keys.iter().map(String::as_str).collect::<Vec<_>>(), &labels).unwrap();
    dir
}

/// Finds the segment that holds some bytes. Returns its path, its content and their place.
fn place(dir: &Path, bytes: &[u8]) -> (PathBuf, Vec<u8>, usize) {
    let entries = fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    for path in entries.filter(|path| path.extension().is_some_and(|e| e == "safetensors")) {
        let content = fs::read(&path).unwrap();
        if let Some(at) = content.windows(bytes.len()).position(|window| window == bytes) {
            return (path, content, at);
        }
    }
    panic!("no segment holds {bytes:?}");
}

/// Replaces the first byte of a text by one that UTF-8 does not have.
fn damage(dir: &Path, text: &str) -> PathBuf {
    let (path, mut content, at) = place(dir, text.as_bytes());
    content[at] = 0xff;
    fs::write(&path, content).unwrap();
    path
}

fn query(archive: &DiskArchive, row: usize) -> ComposedQuery {
    let vector = rscir_core::UnitVector::normalize(archive.vector(row).into_owned()).unwrap();
    ComposedQuery::new(archive.spec().clone()).with_image(vector).unwrap()
}

#[test]
fn a_damaged_key_is_refused_where_it_is_asked_for() {
    let parent = tempfile::tempdir().unwrap();
    let dir = make(parent.path());
    let damaged = damage(&dir, &key(DAMAGED));
    let archive = DiskArchive::open(&dir).unwrap();
    assert_eq!((archive.key(DAMAGED), archive.key(DAMAGED + 1)), ("", &*key(DAMAGED + 1)));
    assert_eq!(archive.checked_key(DAMAGED - 1).unwrap(), key(DAMAGED - 1));
    let refused = |error: Error| {
        assert!(matches!(&error, Error::SegmentKey { path, row: DAMAGED } if *path == damaged), "{error}");
    };
    refused(archive.checked_key(DAMAGED).unwrap_err().into());
    refused(search(&archive, &ImageOnly, &query(&archive, DAMAGED), 1).unwrap_err());
    refused(Features::of_archive(&archive).unwrap_err());
    // A search that does not find the damaged row succeeds.
    assert_eq!(search(&archive, &ImageOnly, &query(&archive, 7), 1).unwrap()[0].key, key(7));

    // Reading the whole archive and opening it for writing check every key.
    refused(DiskArchive::load(&dir).unwrap_err());
    refused(ArchiveWriter::open(&dir).unwrap_err());
    assert_eq!(verify(&dir).unwrap().damage[0].path, damaged);
}

#[test]
fn a_search_by_8_bit_rows_refuses_a_damaged_key_too() {
    let parent = tempfile::tempdir().unwrap();
    let dir = make(parent.path());
    ArchiveWriter::open(&dir).unwrap().quantize().unwrap();
    damage(&dir, &key(DAMAGED));
    let archive = DiskArchive::open(&dir).unwrap();
    let query = query(&archive, DAMAGED);
    let searcher = Searcher::new(archive);
    let error = searcher.search(&ImageOnly, &query, &SearchOptions::top(1)).unwrap_err();
    assert!(matches!(error, Error::SegmentKey { row: DAMAGED, .. }), "{error}");
}

#[test]
fn a_damaged_column_is_refused_where_it_is_filtered_by() {
    let parent = tempfile::tempdir().unwrap();
    let dir = make(parent.path());
    let damaged = damage(&dir, &format!("#{DAMAGED:06}"));
    let archive = DiskArchive::open(&dir).unwrap();
    assert_eq!(archive.value("label", DAMAGED), None, "no value in place of what is none");
    assert_eq!(archive.column("label").unwrap().filter(Option::is_none).count(), 1);
    let refused = |error: Error| {
        let expected = matches!(&error, Error::SegmentColumn { path, column, row: DAMAGED, .. } if *path == damaged && column == "label");
        assert!(expected, "{error}");
    };
    refused(Filter::eq("label", "#000001").select(&archive).unwrap_err());
    refused(archive.check_column("label").unwrap_err().into());
    refused(Features::of_archive(&archive).unwrap_err());
    assert_eq!(Filter::lt("size", 10).select(&archive).unwrap().len(), 10);
    archive.check_column("size").unwrap();
    archive.check_column("none of that name").unwrap();
    refused(DiskArchive::load(&dir).unwrap_err());
}

#[test]
fn offsets_that_lie_lead_to_no_key_and_no_panic() {
    let parent = tempfile::tempdir().unwrap();
    let dir = make(parent.path());
    // All keys have eleven bytes, so the offset of the next row's key occurs once.
    let (path, content, at) = place(&dir, &(11 * (DAMAGED as i64 + 1)).to_le_bytes());
    for wrong in [-1, i64::MIN, i64::MAX, 11 * ROWS as i64, 0] {
        let mut content = content.clone();
        content[at..at + 8].copy_from_slice(&i64::to_le_bytes(wrong));
        fs::write(&path, content).unwrap();
        let archive = DiskArchive::open(&dir).unwrap();
        let keys: Vec<&str> = archive.keys().collect();
        let changed: Vec<usize> = (0..ROWS).filter(|&row| keys[row] != key(row)).collect();
        assert!(changed.iter().all(|row| [DAMAGED, DAMAGED + 1].contains(row)), "{changed:?}");
        assert!(!changed.is_empty());
        assert_eq!(archive.find("none"), None);
        assert!(matches!(DiskArchive::load(&dir), Err(Error::SegmentKey { .. })));
    }
}

#[test]
fn what_is_missing_or_cut_off_is_found_when_it_is_opened() {
    let parent = tempfile::tempdir().unwrap();
    let dir = make(parent.path());
    let (path, content, _) = place(&dir, key(ROWS - 1).as_bytes());
    fs::write(&path, &content[..content.len() - 1]).unwrap();
    assert!(matches!(DiskArchive::open(&dir), Err(Error::FileSize { path: named, .. }) if named == path));
    fs::remove_file(&path).unwrap();
    assert!(matches!(DiskArchive::open(&dir), Err(Error::MissingSegment { path: named }) if named == path));
}
