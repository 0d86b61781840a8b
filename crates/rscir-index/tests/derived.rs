//! Files that are derived from segments of large archives: keys in the order of their hashes, and merged moments.
//! Answers are the same with and without them, and their loss or damage loses no row.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rscir_core::testing::unit_rows;
use rscir_core::{Archive, EncoderSpec, Fingerprint, Precision, SinkRow};
use rscir_index::{ArchiveWriter, DiskArchive, RowOrder, repair, verify};
use sha2::{Digest, Sha256};

const DIM: usize = 3;

/// More rows than those of the largest archive that opening checks, in several segments.
const ROWS: usize = 72_000;

fn key(number: usize) -> String {
    format!("{:06}/tile", number * 7919 % 999_983)
}

fn commit(writer: &mut ArchiveWriter, numbers: std::ops::Range<usize>, seed: u64) {
    let keys: Vec<String> = numbers.clone().map(key).collect();
    let rows: Vec<_> = keys.iter().map(|key| SinkRow::new(key, Fingerprint([seed as u8; 16]))).collect();
    writer.commit(&rows, &unit_rows(numbers.len(), DIM, seed)).unwrap();
}

/// Makes an archive of four segments with replaced and deleted rows.
fn make(parent: &Path) -> (PathBuf, ArchiveWriter) {
    let dir = parent.join("tiles.rscir");
    let mut writer = ArchiveWriter::create(&dir, EncoderSpec::unknown(DIM), Precision::F16).unwrap();
    for part in 0..3 {
        commit(&mut writer, part * ROWS / 3..(part + 1) * ROWS / 3, part as u64);
    }
    commit(&mut writer, 10_000..12_000, 4);
    let deleted: Vec<String> = (0..ROWS).step_by(100).map(key).collect();
    writer.delete(&deleted.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    (dir, writer)
}

fn files(dir: &Path, extension: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|e| e == extension));
    files.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

fn remove(dir: &Path, extension: &str) {
    files(dir, extension).keys().for_each(|path| fs::remove_file(path).unwrap());
}

/// Looks up every key that was committed, and some that were not.
fn check_keys(dir: &Path) {
    let archive = DiskArchive::open(dir).unwrap();
    let rows: BTreeMap<&str, usize> = (0..archive.len()).map(|row| (archive.key(row), row)).collect();
    assert_eq!(rows.len(), archive.len());
    for number in 0..ROWS + 1000 {
        let key = key(number);
        assert_eq!(archive.find(&key), rows.get(&*key).copied(), "{key}");
    }
    assert_eq!(archive.find(""), None);
}

#[test]
fn a_row_is_found_by_its_key_with_files_and_without() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, mut writer) = make(parent.path());
    let written = files(&dir, "keys");
    assert_eq!(written.len(), 4, "a segment gets its file when it is written");
    check_keys(&dir);
    for path in written.keys().take(2) {
        fs::remove_file(path).unwrap();
    }
    check_keys(&dir);
    assert!(writer.index_keys().unwrap() > 0);
    assert!(files(&dir, "keys") == written, "what is made later is the same to the byte");
    assert_eq!(writer.index_keys().unwrap(), 0);
    writer.compact().unwrap();
    assert!(
        files(&dir, "keys").keys().all(|path| !written.contains_key(path)),
        "files go with their segments"
    );
    check_keys(&dir);
    remove(&dir, "keys");
    check_keys(&dir);
    assert_eq!(writer.index_keys().unwrap(), writer.len());
    drop(writer);
    assert!(verify(&dir).unwrap().is_sound() && verify(&dir).unwrap().foreign.is_empty());
}

#[test]
fn rows_are_in_the_order_of_their_keys_with_files_and_without() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, mut writer) = make(parent.path());
    writer.set_order(RowOrder::Key).unwrap();
    let check = || {
        let archive = DiskArchive::open(&dir).unwrap();
        assert!(archive.keys().is_sorted_by(|a, b| a < b));
        let fingerprints: Vec<Fingerprint> = (0..archive.len()).map(|row| archive.fingerprint(row)).collect();
        (archive.keys().map(String::from).collect::<Vec<_>>(), fingerprints)
    };
    let with = check();
    check_keys(&dir);
    remove(&dir, "keys");
    assert!(check() == with);
    // Compares again after sorting, with rows deleted and added afterwards.
    writer.compact().unwrap();
    let keys = files(&dir, "keys");
    commit(&mut writer, ROWS..ROWS + 3000, 5);
    let deleted: Vec<String> = (7..ROWS).step_by(50).map(key).collect();
    writer.delete(&deleted.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let with = check();
    check_keys(&dir);
    remove(&dir, "keys");
    assert!(!keys.is_empty() && check() == with);
}

#[test]
fn opening_in_the_order_of_keys_looks_at_no_key_within_a_stretch() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, mut writer) = make(parent.path());
    writer.compact_sorted().unwrap();
    writer.set_order(RowOrder::Key).unwrap();
    drop(writer);
    let before: Vec<String> = DiskArchive::open(&dir).unwrap().keys().map(String::from).collect();
    // Changes a key within a stretch. The stretch would end there if the key was read.
    let row = 1000;
    for (path, mut bytes) in files(&dir, "safetensors") {
        if let Some(at) = bytes.windows(before[row].len()).position(|key| key == before[row].as_bytes()) {
            bytes[at] = b'~';
            fs::write(path, bytes).unwrap();
        }
    }
    let archive = DiskArchive::open(&dir).unwrap();
    assert!(archive.key(row).starts_with('~'));
    assert!((0..archive.len()).all(|other| other == row || archive.key(other) == before[other]));
    remove(&dir, "keys");
    assert_ne!(
        DiskArchive::open(&dir).unwrap().key(row + 1),
        before[row + 1],
        "without the file it is looked at"
    );
}

#[test]
fn a_damaged_file_of_keys_gives_no_wrong_row_and_is_found() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, writer) = make(parent.path());
    drop(writer);
    let written = files(&dir, "keys");
    let (path, whole) = written.first_key_value().unwrap();
    let other = written.last_key_value().unwrap().1;
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let places = [0, 9, header - 1, header, header + 3, whole.len() / 2, whole.len() - 80, whole.len() - 1];
    let mut cases: Vec<Vec<u8>> = places.into_iter().map(flipped).collect();
    cases.extend([Vec::new(), whole[..whole.len() - 1].to_vec(), other.clone()]);
    // A file whose hashes are wrong and whose rows do not exist.
    cases.push(
        [&whole[..header], &vec![0xff; whole.len() - header - 64], &whole[whole.len() - 64..]].concat(),
    );
    for bytes in cases {
        fs::write(path, bytes).unwrap();
        let archive = DiskArchive::open(&dir).unwrap();
        for number in 0..ROWS {
            let key = key(number);
            assert!(archive.find(&key).is_none_or(|row| archive.key(row) == key));
        }
        let found = verify(&dir).unwrap();
        assert_eq!((found.damage.len(), found.damaged_copies.len()), (0, 1));
        assert_eq!(found.damaged_copies[0].path, *path);
        repair(&dir).unwrap().drop_damaged().unwrap();
        assert!(!path.exists() && verify(&dir).unwrap().is_sound());
        check_keys(&dir);
        ArchiveWriter::open(&dir).unwrap().index_keys().unwrap();
        assert!(files(&dir, "keys") == written);
    }
}

#[test]
fn a_key_file_is_not_made_of_damaged_keys() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, writer) = make(parent.path());
    drop(writer);
    remove(&dir, "keys");
    let (segment, mut bytes) = files(&dir, "safetensors").pop_first().unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let error = ArchiveWriter::open(&dir).unwrap().index_keys().unwrap_err();
    assert!(matches!(error, rscir_index::Error::Damaged { path } if path == segment));
    assert!(!segment.with_extension("keys").exists());
}

#[test]
fn merged_moments_are_those_of_the_segments_to_the_bit() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, mut writer) = make(parent.path());
    let check = |files_expected: usize| {
        let with = DiskArchive::open(&dir).unwrap().moments().clone();
        let kept = files(&dir, "moments");
        assert_eq!(kept.len(), files_expected);
        remove(&dir, "moments");
        assert!(*DiskArchive::open(&dir).unwrap().moments() == with);
        kept.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        kept
    };
    check(0);
    writer.quantize().unwrap();
    let kept = check(1);
    assert_eq!(writer.quantize_up_to(0).unwrap(), 0);
    assert!(check(1) == kept);
    // New rows leave the merged moments as they are until the next call merges them as well.
    commit(&mut writer, ROWS..ROWS + 3000, 6);
    assert!(check(1) == kept);
    writer.quantize().unwrap();
    let longer = check(1);
    assert!(longer != kept, "the shorter list is gone");
    // Deleting rows of the first segment changes the list of segments, so that the file no longer fits.
    writer.delete(&[&key(1)]).unwrap();
    check(1);
    drop(writer);
    assert!(verify(&dir).unwrap().unnamed.contains(longer.first_key_value().unwrap().0));
    let mut writer = ArchiveWriter::open(&dir).unwrap();
    check(0);
    writer.quantize().unwrap();
    assert!(check(1) != longer);
    assert!(verify(&dir).unwrap().is_sound());
}

#[test]
fn damaged_moments_are_not_taken_and_are_found() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, mut writer) = make(parent.path());
    writer.quantize().unwrap();
    drop(writer);
    let moments = DiskArchive::open(&dir).unwrap().moments().clone();
    let kept = files(&dir, "moments");
    let (path, whole) = kept.first_key_value().unwrap();
    for at in [0, 9, whole.len() / 2, whole.len() - 70, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(path, bytes).unwrap();
        assert!(*DiskArchive::open(&dir).unwrap().moments() == moments);
        let found = verify(&dir).unwrap();
        assert_eq!(found.damaged_copies.iter().map(|copy| &copy.path).collect::<Vec<_>>(), [path]);
        repair(&dir).unwrap().drop_damaged().unwrap();
        assert!(!path.exists());
        ArchiveWriter::open(&dir).unwrap().quantize().unwrap();
        assert!(files(&dir, "moments") == kept);
    }
    // A file that counts too many rows, with a valid checksum.
    let mut bytes = whole.clone();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    bytes[header..header + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    let content = bytes.len() - 32;
    let checksum = Sha256::digest(&bytes[..content]);
    bytes[content..].copy_from_slice(&checksum);
    fs::write(path, bytes).unwrap();
    assert!(*DiskArchive::open(&dir).unwrap().moments() == moments);
}
