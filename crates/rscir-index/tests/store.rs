//! The archive on disk through its public API.

use rscir_core::testing::unit_rows;
use rscir_core::{
    Activation, Archive, EmbeddingSink, Embeddings, EncoderSpec, Error as CoreError, Fingerprint, Moments,
    Precision, SinkRow,
};
use rscir_index::{ArchiveWriter, DiskArchive, Error};
use tempfile::TempDir;

const DIM: usize = 24;

/// Makes the path of an archive in a folder that is removed when the first value is dropped.
fn folder() -> (TempDir, std::path::PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("tiles.rscir");
    (parent, dir)
}

fn create(dir: &std::path::Path, precision: Precision) -> ArchiveWriter {
    ArchiveWriter::create(dir, EncoderSpec::unknown(DIM), precision).unwrap()
}

/// Commits the rows `range` of `rows` under their numbers.
fn commit(writer: &mut ArchiveWriter, rows: &Embeddings, range: std::ops::Range<usize>) {
    let keys: Vec<String> = range.clone().map(key).collect();
    let described: Vec<_> = keys.iter().map(|key| SinkRow::new(key, Fingerprint([1; 16]))).collect();
    let dim = rows.dim();
    let part = Embeddings::normalize(dim, rows.as_slice()[range.start * dim..range.end * dim].to_vec());
    writer.commit(&described, &part.unwrap()).unwrap();
}

fn key(row: usize) -> String {
    format!("tiles/{row:06}.png")
}

#[test]
fn an_archive_on_disk_is_an_archive() {
    let rows = unit_rows(333, DIM, 1);
    let keys: Vec<String> = (0..333).map(key).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    // The tolerances are the steps of each format at the magnitudes of unit rows of this width.
    for (precision, tolerance) in
        [(Precision::F32, 2e-6), (Precision::F16, 5e-4), (Precision::Bf16, 4e-3), (Precision::I8, 4e-3)]
    {
        let (_parent, dir) = folder();
        let mut writer = create(&dir, precision);
        for start in (0..333).step_by(10) {
            commit(&mut writer, &rows, start..(start + 10).min(333));
        }
        let many = DiskArchive::open(&dir).unwrap();
        rscir_core::testing::archive(&many, &keys, &rows, tolerance);
        writer.compact().unwrap();
        let archive = DiskArchive::open(&dir).unwrap();
        rscir_core::testing::archive(&archive, &keys, &rows, tolerance);
        rscir_core::testing::archive(&DiskArchive::load(&dir).unwrap(), &keys, &rows, tolerance);
        // The snapshot from before the compaction still reads its files.
        rscir_core::testing::archive(&many, &keys, &rows, tolerance);
        assert_eq!((archive.precision(), archive.blocks().len()), (precision, 1));
    }
}

#[test]
fn an_empty_archive_is_an_archive() {
    let (_parent, dir) = folder();
    create(&dir, Precision::F32);
    rscir_core::testing::archive(&DiskArchive::open(&dir).unwrap(), &[], &Embeddings::empty(DIM), 0.0);
}

#[test]
fn a_writer_is_a_sink() {
    for precision in [Precision::F32, Precision::F16, Precision::Bf16, Precision::I8] {
        let (_parent, dir) = folder();
        rscir_core::testing::sink(&mut create(&dir, precision), DIM);
        let (_parent, dir) = folder();
        rscir_core::testing::sink_with_columns(&mut create(&dir, precision), DIM, |writer| {
            Box::new(DiskArchive::open(writer.path()).unwrap())
        });
    }
}

#[test]
fn rows_replaced_and_deleted_are_gone_after_opening_again() {
    let (_parent, dir) = folder();
    let rows = unit_rows(30, DIM, 2);
    let mut writer = create(&dir, Precision::F32);
    commit(&mut writer, &rows, 0..10);
    commit(&mut writer, &rows, 10..20);
    let before = DiskArchive::open(&dir).unwrap();
    let moved = unit_rows(1, DIM, 3);
    let moved_key = key(4);
    let row = SinkRow::new(&moved_key, Fingerprint([9; 16]));
    writer.commit(&[row], &moved).unwrap();
    assert_eq!(writer.delete(&[&key(0), &key(11), &key(12), "no such key", &key(0)]).unwrap(), 3);
    assert_eq!(writer.len(), 17);
    drop(writer);

    let expected: Vec<usize> = (1..20).filter(|i| ![4, 11, 12].contains(i)).collect();
    let mut keys: Vec<String> = expected.iter().map(|&i| key(i)).collect();
    keys.push(key(4));
    let mut kept: Vec<f32> = expected.iter().flat_map(|&i| rows.row(i).to_vec()).collect();
    kept.extend_from_slice(moved.row(0));
    let kept = Embeddings::normalize(DIM, kept).unwrap();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let archive = DiskArchive::open(&dir).unwrap();
    rscir_core::testing::archive(&archive, &keys, &kept, 2e-6);
    assert_eq!(archive.fingerprint(16), Fingerprint([9; 16]));
    assert_eq!((before.len(), before.find(&key(0))), (20, Some(0)), "a snapshot stays as it was");

    let mut writer = ArchiveWriter::open(&dir).unwrap();
    assert_eq!(writer.fingerprint(&key(4)), Some(Fingerprint([9; 16])));
    assert_eq!(writer.fingerprint(&key(11)), None);
    writer.compact_sorted().unwrap();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    let archive = DiskArchive::open(&dir).unwrap();
    assert_eq!((0..17).map(|row| archive.key(row)).collect::<Vec<_>>(), sorted);
    assert_eq!(archive.vector(archive.find(&key(4)).unwrap()), moved.row(0));
}

#[test]
fn moments_are_those_of_the_rows_that_are_left() {
    let (_parent, dir) = folder();
    let rows = unit_rows(500, DIM, 4);
    let mut writer = create(&dir, Precision::F32);
    commit(&mut writer, &rows, 0..400);
    commit(&mut writer, &rows, 400..420);
    commit(&mut writer, &rows, 420..500);
    let mut left: Vec<usize> = (0..500).collect();
    for cut in [3, 100, 250, 390] {
        let gone: Vec<String> = left.drain(..cut.min(left.len())).map(key).collect();
        writer.delete(&gone.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        if left.is_empty() {
            break;
        }
        let expected: Vec<f32> = left.iter().flat_map(|&i| rows.row(i).to_vec()).collect();
        let expected = Moments::of(DIM, &expected).unwrap();
        let archive = DiskArchive::open(&dir).unwrap();
        assert_eq!(archive.moments().count(), left.len() as u64);
        for (a, b) in archive.moments().scatter().iter().zip(expected.scatter()) {
            assert!((a - b).abs() < 1e-9, "{a} and {b}");
        }
    }
}

#[test]
fn the_same_rows_give_the_same_files_whatever_the_batches() {
    let rows = unit_rows(70_000, 2, 5);
    let files = |batches: &[usize], reopen: bool| {
        let (parent, dir) = folder();
        let mut writer = ArchiveWriter::create(&dir, EncoderSpec::unknown(2), Precision::F16).unwrap();
        let mut start = 0;
        for &batch in batches.iter().cycle() {
            if start == rows.len() {
                break;
            }
            let end = (start + batch).min(rows.len());
            commit(&mut writer, &rows, start..end);
            start = end;
            if reopen && start.is_multiple_of(3) {
                drop(writer);
                writer = ArchiveWriter::open(&dir).unwrap();
                writer.compact().unwrap();
            }
        }
        writer.compact().unwrap();
        drop(writer);
        let mut files = Vec::new();
        for folder in [dir.clone(), dir.join("segments")] {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    files.push((path.strip_prefix(&dir).unwrap().to_owned(), std::fs::read(&path).unwrap()));
                }
            }
        }
        files.sort();
        drop(parent);
        files
    };
    let at_once = files(&[70_000], false);
    assert_eq!(at_once.len(), 6, "manifest, lock, two segments and their keys");
    assert!(at_once == files(&[977, 3010, 1], false), "batches decide the files");
    assert!(at_once == files(&[30_011, 9], true), "opening and compacting in between decides the files");
}

#[test]
fn opening_again_checks_encoder_and_precision() {
    let (_parent, dir) = folder();
    let spec = EncoderSpec { activation: Some(Activation::Gelu.into()), ..EncoderSpec::unknown(DIM) };
    drop(ArchiveWriter::open_or_create(&dir, spec.clone(), Precision::F32).unwrap());
    drop(ArchiveWriter::open_or_create(&dir, spec.clone(), Precision::F32).unwrap());
    let quick = EncoderSpec { activation: Some(Activation::QuickGelu.into()), ..spec.clone() };
    let Err(Error::Core(CoreError::Spec(mismatch))) =
        ArchiveWriter::open_or_create(&dir, quick, Precision::F32)
    else {
        panic!("another activation is refused")
    };
    assert_eq!(mismatch.field, "activation");
    assert!(matches!(
        ArchiveWriter::open_or_create(&dir, spec, Precision::F16),
        Err(Error::Precision { holds: Precision::F32, asked: Precision::F16, .. })
    ));
}

#[test]
fn a_folder_that_is_no_archive_is_left_alone() {
    let (parent, dir) = folder();
    assert!(matches!(DiskArchive::open(&dir), Err(Error::NotFound { .. })));
    assert!(matches!(ArchiveWriter::open(parent.path()), Err(Error::NotFound { .. })));
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    std::fs::write(parent.path().join("thesis.tex"), "").unwrap();
    let refused = ArchiveWriter::create(parent.path(), EncoderSpec::unknown(DIM), Precision::F32);
    assert!(matches!(refused, Err(Error::Exists { found, .. }) if found == "thesis.tex"));
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1, "nothing is left beside it");
    create(&dir, Precision::F32);
    let again = ArchiveWriter::create(&dir, EncoderSpec::unknown(DIM), Precision::F32);
    assert!(matches!(again, Err(Error::Exists { found, .. }) if found == "an archive"));
    let nested = parent.path().join("a/b/c.rscir");
    create(&nested, Precision::F32);
    assert!(DiskArchive::open(nested).unwrap().is_empty());
}

#[test]
fn segments_that_lost_their_manifest_are_not_overwritten() {
    let (_parent, dir) = folder();
    commit(&mut create(&dir, Precision::F32), &unit_rows(3, DIM, 1), 0..3);
    let manifest = std::fs::read(dir.join("manifest.json")).unwrap();
    std::fs::remove_file(dir.join("manifest.json")).unwrap();
    let refused = ArchiveWriter::open_or_create(&dir, EncoderSpec::unknown(DIM), Precision::F32);
    assert!(matches!(refused, Err(Error::Exists { found, .. }) if found.starts_with("segments")));
    std::fs::write(dir.join("manifest.json"), manifest).unwrap();
    assert_eq!(ArchiveWriter::open(&dir).unwrap().len(), 3);
}

#[test]
fn one_writer_at_a_time() {
    let (_parent, dir) = folder();
    let writer = create(&dir, Precision::F32);
    assert!(matches!(ArchiveWriter::open(&dir), Err(Error::Locked { .. })));
    drop(writer);
    ArchiveWriter::open(&dir).unwrap();
}

#[test]
fn a_batch_with_one_key_twice_is_refused_and_leaves_nothing() {
    let (_parent, dir) = folder();
    let mut writer = create(&dir, Precision::F32);
    let row = |key| SinkRow::new(key, Fingerprint::default());
    let refused = writer.commit(&[row("a"), row("b"), row("a")], &unit_rows(3, DIM, 6));
    let message = format!("{:#}", with_causes(&refused.unwrap_err()));
    assert!(message.contains("\"a\"") && message.contains("row 0 and to row 2"), "{message}");
    assert!(writer.is_empty());
    assert_eq!(writer.fingerprint("a"), None);
}

/// Returns an error and its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line += &format!(": {error}");
        cause = error.source();
    }
    line
}
