//! Checks that an import continues where it was cut off, takes each key once, and chooses how a large archive is
//! stored.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array, StringArray};
use arrow_schema::{DataType, Field};
use common::{lists, write};
use rscir_core::{Archive, Precision, Progress, Value};
use rscir_index::{ArchiveWriter, DiskArchive};
use rscir_interchange::{Error, ImportOptions, Imported, LeftOutReason, ReadOptions, import_vectors};

/// Number of rows: more than two blocks of 65,536, in row groups that do not divide the blocks.
const ROWS: usize = 150_000;

/// Writes rows `from..to` of a table whose vectors, keys and columns tell them apart; every thousandth is zero.
fn write_rows(path: &Path, from: usize, to: usize) {
    let number = |i: usize| {
        if (from + i / 2).is_multiple_of(1000) { 0.0 } else { ((from * 2 + i) % 971) as f32 - 485.0 }
    };
    let values = Float32Array::from_iter_values((0..2 * (to - from)).map(number));
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(item, 2, Arc::new(values), None));
    let keys = StringArray::from_iter_values((from..to).map(|row| format!("tile-{row}")));
    let rows = Int64Array::from_iter_values((from as i64)..(to as i64));
    write(path, vec![("id", Arc::new(keys)), ("embedding", vectors), ("row", Arc::new(rows))], 20_000);
}

/// Stops an import once some rows are done.
struct StopAt {
    rows: u64,
    done: AtomicU64,
    stop: AtomicBool,
}

impl Progress for StopAt {
    fn begin(&self, _: &str, total: Option<u64>) {
        assert_eq!(total, Some(ROWS as u64));
    }

    fn advance(&self, units: u64) {
        if self.done.fetch_add(units, Ordering::SeqCst) + units >= self.rows {
            self.stop.store(true, Ordering::SeqCst);
        }
    }
}

/// Collects everything that an archive has of its rows, in their order.
fn content(archive: &Path) -> Vec<(String, Vec<f32>, Option<i64>)> {
    let archive = DiskArchive::open(archive).unwrap();
    let number = |row| match archive.value("row", row) {
        Some(Value::Int(number)) => Some(number),
        _ => None,
    };
    (0..archive.len())
        .map(|row| (archive.key(row).to_owned(), archive.vector(row).to_vec(), number(row)))
        .collect()
}

fn import(vectors: &Path, archive: &Path) -> Imported {
    import_vectors(vectors, archive, &ImportOptions::default()).unwrap()
}

#[test]
fn an_import_that_was_stopped_goes_on_to_the_same_archive() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table");
    std::fs::create_dir(&table).unwrap();
    write_rows(&table.join("a.parquet"), 0, 90_000);
    write_rows(&table.join("b.parquet"), 90_000, ROWS);
    let [whole, parts] = ["whole.rscir", "parts.rscir"].map(|name| folder.path().join(name));
    let at_once = import(&table, &whole);
    assert_eq!((at_once.written, at_once.tally.left_out), (149_850, 150));

    let mut written = 0;
    for stop_after in [1, 100_000] {
        let stop = StopAt { rows: stop_after, done: AtomicU64::new(0), stop: AtomicBool::new(false) };
        let options = ImportOptions::default().progress(&stop).stop(&stop.stop);
        let imported = import_vectors(&table, &parts, &options).unwrap();
        assert!(imported.stopped && imported.written > 0, "{imported:?}");
        written += imported.written;
        assert_eq!(DiskArchive::open(&parts).unwrap().len() as u64, written);
    }
    let rest = import(&table, &parts);
    assert!(!rest.stopped);
    assert_eq!((rest.written, rest.unchanged), (149_850 - written, written));
    // Every import reports the rows that were left out.
    assert_eq!((rest.tally.left_out, &rest.tally.named), (150, &at_once.tally.named));
    assert_eq!(content(&parts), content(&whole));

    let again = import(&table, &parts);
    assert_eq!((again.written, again.unchanged, again.tally.left_out), (0, 149_850, 150));
}

#[test]
fn the_first_row_with_a_key_stays_and_later_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table");
    std::fs::create_dir(&table).unwrap();
    let file = |name: &str, keys: &[&str], first: f32| {
        let keys = StringArray::from(keys.to_vec());
        let rows: Vec<_> = (0..3).map(|i| Some(vec![first + i as f32, 1.0])).collect();
        write(&table.join(name), vec![("key", Arc::new(keys)), ("embedding", lists(&rows))], 2);
    };
    file("a.parquet", &["x", "y", "x"], 1.0);
    file("b.parquet", &["z", "y", "w"], 10.0);
    let archive = folder.path().join("a.rscir");
    // Further imports do not change the archive.
    for (written, unchanged) in [(4, 0), (0, 4), (0, 4)] {
        let imported = import(&table, &archive);
        assert_eq!((imported.written, imported.unchanged), (written, unchanged));
        let twice: Vec<_> = imported.tally.named.iter().map(|l| (l.place.row, l.reason)).collect();
        assert_eq!(twice, [(2, LeftOutReason::DuplicateKey), (1, LeftOutReason::DuplicateKey)]);
        let opened = DiskArchive::open(&archive).unwrap();
        let vector = |key: &str| opened.vector(opened.find(key).unwrap()).to_vec();
        let ratio = |key: &str| (vector(key)[0] / vector(key)[1]).round();
        assert_eq!(["x", "y", "z", "w"].map(ratio), [1.0, 2.0, 10.0, 12.0]);
    }
}

#[test]
fn rows_of_a_file_that_changed_and_of_another_column_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (file, archive) = (folder.path().join("a.parquet"), folder.path().join("a.rscir"));
    let rows = |x: f32| lists(&[Some(vec![x, 1.0]), Some(vec![x, 2.0])]);
    let keys = || Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef;
    write(&file, vec![("key", keys()), ("embedding", rows(1.0)), ("other", rows(-1.0))], 2);
    assert_eq!(import(&file, &archive).written, 2);
    let other = ImportOptions::default().read(ReadOptions::default().embedding_column("other"));
    assert_eq!(import_vectors(&file, &archive, &other).unwrap().written, 2);
    assert!(DiskArchive::open(&archive).unwrap().vector(0)[0] < 0.0);
    write(&file, vec![("key", keys()), ("embedding", rows(3.0)), ("label", keys())], 2);
    let imported = import(&file, &archive);
    assert_eq!((imported.written, imported.tally.left_out), (2, 0));
    let opened = DiskArchive::open(&archive).unwrap();
    assert_eq!((opened.len(), opened.value("label", 0)), (2, Some(Value::Text("a"))));
}

#[test]
fn an_archive_of_more_than_a_million_rows_has_16_bits_and_8_bit_copies_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let (small, large) = (folder.path().join("small.parquet"), folder.path().join("large.parquet"));
    write_rows(&small, 0, 20_000);
    write_rows(&large, 0, 1_002_100);
    let into = |vectors: &Path, name: &str, precision| {
        let archive = folder.path().join(name);
        let mut options = ImportOptions::default();
        options.precision = precision;
        let imported = import_vectors(vectors, &archive, &options).unwrap();
        (ArchiveWriter::open(&archive).unwrap().precision(), imported.quantized)
    };
    assert_eq!(into(&small, "small.rscir", None), (Precision::F32, 0));
    assert_eq!(into(&small, "f16.rscir", Some(Precision::F16)), (Precision::F16, 0));
    let (precision, quantized) = into(&large, "large.rscir", None);
    assert_eq!(precision, Precision::F16);
    assert!(quantized > 1_000_000, "{quantized}");
    // An import that continues it keeps the archive's precision.
    assert_eq!(into(&small, "large.rscir", None).0, Precision::F16);
}

#[test]
fn an_encoder_of_another_width_is_refused_before_an_archive_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (file, archive) = (folder.path().join("a.parquet"), folder.path().join("a.rscir"));
    write_rows(&file, 0, 10);
    let options = ImportOptions::default().spec(rscir_core::EncoderSpec::unknown(3));
    let error = import_vectors(&file, &archive, &options).unwrap_err();
    assert!(matches!(error, Error::Width { expected: 3, got: 2, .. }), "{error}");
    assert!(!archive.exists());
}
