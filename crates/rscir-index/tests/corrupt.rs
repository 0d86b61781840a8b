//! Damaged bytes: every one is found, and none does harm before it is found.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::{Step, key, take};
use rscir_core::testing::unit_rows;
use rscir_core::{Archive, ColumnType, EncoderSpec, Precision};
use rscir_index::testing::{FaultyStorage, Pending};
use rscir_index::{ArchiveWriter, Columns, DiskArchive, Error, repair_with, verify_with};
use safetensors::SafeTensorError;

const DIR: &str = "/tiles.rscir";
const ROWS: usize = 16;

/// Makes an archive of 16 rows in two segments, the first of which stores moments, with a row deleted.
fn store(precision: Precision) -> FaultyStorage {
    let storage = FaultyStorage::new();
    let spec = EncoderSpec::unknown(common::DIM);
    let mut writer = ArchiveWriter::create_with(Arc::new(storage.clone()), DIR, spec, precision).unwrap();
    take(&mut writer, &Step::Commit((0..ROWS).collect(), 1)).unwrap();
    take(&mut writer, &Step::Commit(vec![ROWS], 1)).unwrap();
    take(&mut writer, &Step::Delete(vec![3])).unwrap();
    storage
}

/// Returns the manifest and the segments. The lock has no bytes.
fn files(storage: &FaultyStorage) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = storage.files();
    files.retain(|path, _| !path.ends_with("lock"));
    files
}

/// Changes a file of an archive, opens the archive and uses it in every way. Tells whether the damage was found.
fn is_found(store: &FaultyStorage, path: &Path, bytes: &[u8]) -> bool {
    let storage = store.restart(Pending::Kept);
    storage.put(path, bytes);
    let storage = Arc::new(storage);
    let found = verify_with(storage.clone(), DIR).map_or(true, |v| !v.is_sound());
    let mut refused = false;
    match DiskArchive::open_with(storage.clone(), DIR) {
        Err(error) => {
            refused = true;
            assert!(error.to_string().contains("/tiles.rscir"), "an error names its file: {error}");
        }
        Ok(archive) => {
            // Values may be wrong, but lengths are right and nothing panics.
            for row in 0..archive.len() {
                assert_eq!(archive.vector(row).len(), archive.dim());
                let _ = (archive.key(row), archive.fingerprint(row));
            }
            let _ = (archive.find(&key(5)), Columns::of_archive(&archive));
            let queries = unit_rows(2, archive.dim(), 1);
            archive.similarities(queries.queries(), &mut vec![0.0; 2 * archive.len()]).unwrap();
            let _ = archive.moments().statistics(queries.row(0)).unwrap();
        }
    }
    if let Ok(mut writer) = ArchiveWriter::open_with(storage.clone(), DIR) {
        take(&mut writer, &Step::Commit(vec![5, 90], 2)).unwrap();
        let refused = writer.compact_sorted();
        assert!(matches!(&refused, Err(Error::Damaged { path: named }) if named == path), "{refused:?}");
        assert!(!verify_with(storage, DIR).unwrap().is_sound(), "what was refused is still found");
    }
    assert!(found || !refused, "what cannot be opened is not verified as sound");
    found
}

#[test]
fn every_flipped_byte_is_found() {
    for precision in [Precision::F32, Precision::Bf16, Precision::F16, Precision::I8] {
        let store = store(precision);
        assert!(verify_with(Arc::new(store.clone()), DIR).unwrap().is_sound());
        for (path, bytes) in files(&store) {
            for i in 0..bytes.len() {
                for mask in [0x01, 0x80, 0xff] {
                    let mut flipped = bytes.clone();
                    flipped[i] ^= mask;
                    assert!(is_found(&store, &path, &flipped), "{}: byte {i} ^ {mask}", path.display());
                }
            }
        }
    }
}

#[test]
fn every_truncation_and_an_extension_is_found() {
    let store = store(Precision::F32);
    for (path, bytes) in files(&store) {
        for len in 0..bytes.len() {
            assert!(is_found(&store, &path, &bytes[..len]), "{}: first {len} bytes", path.display());
        }
        assert!(is_found(&store, &path, &[&bytes[..], b" "].concat()), "{}: a byte more", path.display());
    }
}

/// Runs the tests above in a process with so little memory that an allocation far larger than the files, which
/// have some kilobytes, ends it.
#[test]
#[cfg(target_os = "linux")]
fn damage_makes_no_large_allocations() {
    let limited = "ulimit -v 262144; exec \"$0\" --exact every_flipped_byte_is_found \
                   every_truncation_and_an_extension_is_found --test-threads 1";
    let output = Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .envs([("RAYON_NUM_THREADS", "1"), ("MALLOC_ARENA_MAX", "1")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("2 passed"));
}

/// Replaces the header of a segment, keeps its data, and writes a manifest that agrees. Returns the error of
/// opening the archive.
fn with_header(storage: &FaultyStorage, change: impl Fn(String) -> String) -> Error {
    let files = files(storage);
    let (path, bytes) = files.iter().find(|(path, _)| path.extension().unwrap() == "safetensors").unwrap();
    let len = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let mut header = change(String::from_utf8(bytes[8..8 + len].to_vec()).unwrap());
    while header.len() < len {
        header.push(' ');
    }
    let storage = storage.restart(Pending::Kept);
    let changed = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes[8 + len..]].concat();
    storage.put(path, &changed);
    let Err(error) = DiskArchive::open_with(Arc::new(storage), DIR) else { panic!("{header}: opened") };
    error
}

#[test]
fn headers_that_lie_are_told_apart() {
    let mut store = store(Precision::F32);
    let mut writer = ArchiveWriter::open_with(Arc::new(store.clone()), DIR).unwrap();
    writer.compact().unwrap();
    drop(writer);
    store = store.restart(Pending::Kept);
    let tensor = |from: &str, to: &str| with_header(&store, |header| header.replace(from, to));
    for (name, from, to) in [
        ("embeddings", "embeddings", "embedding_"),
        ("embeddings", "\"F32\"", "\"I32\""),
        ("key_offsets", "\"I64\",\"shape\":[17]", "\"U64\",\"shape\":[17]"),
        ("fingerprints", "[16,16]", "[8,32]"),
        ("mean", "\"mean\"", "\"mien\""),
        ("column/imt/int", "column/int/int", "column/imt/int"),
        ("column/int/int", "column/int/int\":{\"dtype\":\"I64\"", "column/int/int\":{\"dtype\":\"F64\""),
        ("column_offsets/floats/bbox", "column_offsets/floats", "column_offset_/floats"),
        (
            "column_valid/bool/bool",
            "column_valid/bool/bool\":{\"dtype\":\"BOOL\"",
            "column_valid/bool/bool\":{\"dtype\":\"U8\"",
        ),
    ] {
        let error = tensor(from, to);
        assert!(matches!(&error, Error::SegmentTensor { tensor, .. } if tensor == name), "{name}: {error}");
    }
    for (from, to) in
        [("[16,4]", "[16,5]"), ("{", "["), ("\"F32\"", "\"F99\""), ("\"shape\":[16,4]", "\"shape\":[]")]
    {
        let error = tensor(from, to);
        assert!(matches!(error, Error::Safetensors { .. }), "{from} to {to}: {error}");
    }
    let (path, bytes) =
        files(&store).into_iter().find(|(path, _)| path.extension().unwrap() == "safetensors").unwrap();
    // Readers of safetensors accept a header of this length, but that of a segment is far shorter.
    store.put(&path, &[&100_000_000u64.to_le_bytes()[..], &bytes[8..]].concat());
    let error = DiskArchive::open_with(Arc::new(store), DIR).err().unwrap();
    assert!(matches!(error, Error::Safetensors { source: SafeTensorError::HeaderTooLarge, .. }), "{error}");
}

#[test]
fn a_column_that_lies_is_named() {
    let store = store(Precision::F32);
    let files = files(&store);
    let (path, bytes) =
        files.iter().find(|(_, bytes)| bytes.windows(2).any(|w| w == "\u{e9}".as_bytes())).unwrap();
    // Takes the last one, because the column of texts follows the keys at the end of the file.
    let at = bytes.windows(2).rposition(|window| window == "\u{e9}".as_bytes()).unwrap();
    let mut bytes = bytes.clone();
    bytes[at] = 0xff;
    store.put(path, &bytes);
    let error = DiskArchive::open_with(Arc::new(store), DIR).err().unwrap();
    assert!(
        matches!(&error, Error::SegmentColumn { column, column_type: ColumnType::Text, row: 15, .. } if column.starts_with("text")),
        "{error}"
    );
}

#[test]
fn a_repair_says_what_it_drops_and_drops_it() {
    let store = store(Precision::F32);
    let files = files(&store);
    let damaged = files.keys().find(|path| path.extension().unwrap() == "safetensors").unwrap();
    let storage = Arc::new(store.restart(Pending::Kept));
    storage.put(damaged, &files[damaged][..100]);
    let sound_rows = verify_with(storage.clone(), DIR).unwrap().sound_rows;
    let repair = repair_with(storage.clone(), DIR).unwrap();
    let found = repair.verification();
    assert_eq!((found.damage.len(), &found.damage[0].path), (1, damaged));
    assert_eq!(found.damage[0].rows + sound_rows, ROWS, "17 rows but for the deleted one");
    assert!(matches!(found.damage[0].error, Error::FileSize { got: 100, .. }));
    assert!(matches!(ArchiveWriter::open_with(storage.clone(), DIR), Err(Error::Locked { .. })));
    assert!(DiskArchive::open_with(storage.clone(), DIR).is_err(), "nothing is dropped unasked");
    repair.drop_damaged().unwrap();
    let archive = DiskArchive::open_with(storage.clone(), DIR).unwrap();
    assert_eq!(archive.len(), sound_rows);
    assert!(!storage.files().contains_key(damaged));
    assert!(verify_with(storage, DIR).unwrap().is_sound());
}

#[test]
fn a_missing_segment_is_named() {
    let store = store(Precision::F32);
    let dir = tempfile::tempdir().unwrap();
    for (path, bytes) in store.files() {
        let path = dir.path().join(path.strip_prefix("/").unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let dir = dir.path().join("tiles.rscir");
    assert_eq!(DiskArchive::open(&dir).unwrap().len(), ROWS);
    let segment = std::fs::read_dir(dir.join("segments")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&segment).unwrap();
    let Err(Error::MissingSegment { path }) = DiskArchive::open(&dir) else { panic!("opened") };
    assert_eq!(path, segment);
}

/// Makes an archive with a flipped bit in a vector of the first of two segments. It can still be opened.
fn with_a_flipped_bit() -> (Arc<FaultyStorage>, PathBuf) {
    let store = store(Precision::F32);
    let (path, mut bytes) = files(&store)
        .into_iter()
        .filter(|(path, _)| path.extension().unwrap() == "safetensors")
        .max_by_key(|(_, bytes)| bytes.len())
        .unwrap();
    // Chooses the first value of a row that is not deleted.
    let at = bytes.windows(4).position(|four| four == common::vector(7, 1)[0].to_le_bytes()).unwrap();
    bytes[at] ^= 1;
    store.put(&path, &bytes);
    (Arc::new(store.restart(Pending::Kept)), path)
}

/// Copies rows of the first segment into another.
type Rewrite = fn(&mut ArchiveWriter) -> rscir_index::Result<()>;

#[test]
fn rows_of_a_damaged_segment_are_never_written_under_a_new_checksum() {
    let steps: [(&str, Rewrite); 4] = [
        ("compaction", |writer| writer.compact()),
        ("sorting", |writer| writer.compact_sorted()),
        ("other columns", |writer| {
            let columns = Columns::new(1).with("label", vec!["harbor".to_string()])?;
            writer.set_columns(&[&key(7)], &columns).map(|_| ())
        }),
        ("a merge", |writer| {
            // Sixteen segments of one row are merged, then sixteen segments of sixteen rows, together with the
            // damaged segment before them.
            (100..2000).try_for_each(|row| Ok(take(writer, &Step::Commit(vec![row], 1))?))
        }),
    ];
    for (name, step) in steps {
        let (storage, damaged) = with_a_flipped_bit();
        let mut writer = ArchiveWriter::open_with(storage.clone(), DIR).unwrap();
        let refused = step(&mut writer);
        let Err(error @ Error::Damaged { path }) = &refused else { panic!("{name}: {refused:?}") };
        assert_eq!(*path, damaged, "{name} names the file");
        assert!(error.to_string().contains("repair"), "{name}: {error}");
        // The writer still accepts changes that copy no row of the segment.
        assert_eq!(writer.delete(&[&key(1)]).unwrap(), 1);
        drop(writer);
        let found = verify_with(storage.clone(), DIR).unwrap();
        assert_eq!(found.damage.iter().map(|d| &d.path).collect::<Vec<_>>(), [&damaged], "{name}");
        repair_with(storage.clone(), DIR).unwrap().drop_damaged().unwrap();
        step(&mut ArchiveWriter::open_with(storage.clone(), DIR).unwrap()).unwrap();
        assert!(verify_with(storage, DIR).unwrap().is_sound(), "{name} after the repair");
    }
}

#[test]
fn a_damaged_key_does_not_cost_another_row() {
    let store = store(Precision::F32);
    // Damages the segment of one row. Its key becomes one that no row has.
    let (path, mut bytes) = files(&store)
        .into_iter()
        .filter(|(path, _)| path.extension().unwrap() == "safetensors")
        .min_by_key(|(_, bytes)| bytes.len())
        .unwrap();
    let at = bytes.windows(15).position(|key| key == b"tiles/00016.png").unwrap();
    bytes[at + 9] ^= 8;
    store.put(&path, &bytes);
    let storage = Arc::new(store.restart(Pending::Kept));
    let mut writer = ArchiveWriter::open_with(storage.clone(), DIR).unwrap();
    assert_eq!(key(96), "tiles/00096.png");
    for step in [Step::Commit(vec![96], 2), Step::Delete(vec![96])] {
        let refused = Error::from(take(&mut writer, &step).unwrap_err());
        assert!(matches!(&refused, Error::Damaged { path: named } if *named == path), "{refused}");
    }
    take(&mut writer, &Step::Commit(vec![97], 2)).unwrap();
    drop(writer);
    assert_eq!(verify_with(storage, DIR).unwrap().damage[0].path, path);
}
