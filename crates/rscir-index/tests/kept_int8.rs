//! 8-bit rows that an archive keeps: they are made once, the first query already uses them, answers stay the
//! same, and their loss or damage loses no row.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rscir_core::testing::{self, unit_rows, unit_vector};
use rscir_core::{Archive, ComposedQuery, Embeddings, EncoderSpec, Fingerprint, Method, Precision, SinkRow};
use rscir_index::{
    ArchiveWriter, DiskArchive, RowOrder, SearchOptions, SearchPath, Searcher, ShardedArchive, Statistics,
    answer_batch, answer_fastest, repair, search_fastest, search_with, verify,
};
use rscir_weicom::{Conjunction, ImageOnly, Rrf, Sum, WeiCom};

const DIM: usize = 19;

/// Enough rows for searches by 8-bit bounds.
const ROWS: usize = 15_000;

struct Bed(tempfile::TempDir);

impl Bed {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("tiles.rscir")
    }

    fn create(&self, precision: Precision) -> ArchiveWriter {
        let mut writer = ArchiveWriter::create(self.path(), EncoderSpec::unknown(DIM), precision).unwrap();
        commit(&mut writer, 0..ROWS, 1);
        writer
    }

    fn open(&self) -> DiskArchive {
        DiskArchive::open(self.path()).unwrap()
    }
}

/// Commits rows whose keys do not come in the order of their names.
fn commit(writer: &mut ArchiveWriter, numbers: std::ops::Range<usize>, seed: u64) {
    let keys: Vec<String> = numbers.clone().map(|i| format!("{:05}", i * 7919 % 99_991)).collect();
    let rows: Vec<_> = keys.iter().map(|key| SinkRow::new(key, Fingerprint([seed as u8; 16]))).collect();
    writer.commit(&rows, &unit_rows(numbers.len(), DIM, seed)).unwrap();
}

fn query(seed: u64) -> ComposedQuery {
    let query = ComposedQuery::new(EncoderSpec::unknown(DIM)).with_image(unit_vector(DIM, seed)).unwrap();
    query.with_text(unit_vector(DIM, seed + 1000)).unwrap()
}

/// Compares a searcher's answers with those of a scan.
fn compare(archive: &Arc<dyn Archive>, expected: SearchPath, seeds: std::ops::Range<u64>) {
    let searcher = Searcher::new(Arc::clone(archive));
    let methods: [&dyn Method; 3] = [&WeiCom::default(), &Sum, &ImageOnly];
    for seed in seeds {
        let (method, k) = (methods[seed as usize % 3], [1, 10, 60][seed as usize / 3 % 3]);
        let even = |row: usize| row.is_multiple_of(2);
        let options = SearchOptions::top(k).statistics(Statistics::Moments);
        let options = if seed % 5 == 0 { options.filter(&even) } else { options };
        let (hits, path) = searcher.search(method, &query(seed), &options).unwrap();
        assert_eq!(path, expected);
        assert_eq!(hits, search_with(archive, method, &query(seed), &options).unwrap(), "query {seed}");
    }
}

fn kept(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(path.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let copies = entries.filter(|path| path.extension().is_some_and(|e| e == "int8"));
    copies.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[test]
fn answers_are_those_of_a_scan_whatever_became_of_the_archive() {
    let mut asked = 0;
    let mut next = move || {
        asked += 200;
        asked - 200..asked
    };
    for precision in [Precision::F32, Precision::F16, Precision::Bf16] {
        let bed = Bed::new();
        let mut writer = bed.create(precision);
        let mut compare =
            |bed: &Bed| compare(&(Arc::new(bed.open()) as Arc<dyn Archive>), SearchPath::Int8, next());
        assert_eq!(writer.quantize().unwrap(), ROWS);
        compare(&bed);
        // Compares after rows were replaced and added without copies, and some deleted.
        commit(&mut writer, ROWS - 100..ROWS + 200, 2);
        let keys: Vec<String> = writer.keys().step_by(5).map(String::from).collect();
        writer.delete(&keys.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        compare(&bed);
        // In the order of keys, neighboring rows come from both files.
        writer.set_order(RowOrder::Key).unwrap();
        compare(&bed);
        commit(&mut writer, 50_000..53_000, 3);
        assert_eq!(writer.quantize().unwrap(), 3_000, "copies that are there are not made again");
        compare(&bed);
        writer.compact().unwrap();
        assert!(kept(&bed.path()).is_empty(), "copies go with their segments");
        assert_eq!(writer.quantize().unwrap(), writer.len());
        compare(&bed);
        assert_eq!(writer.quantize().unwrap(), 0);
        let copies = kept(&bed.path());
        drop(writer);
        ArchiveWriter::open(bed.path()).unwrap();
        let (archive, keys) = (bed.open(), bed.open());
        let keys: Vec<&str> = keys.keys().collect();
        let values = (0..archive.len()).flat_map(|row| archive.vector(row).into_owned()).collect();
        let rows = Embeddings::normalize(DIM, values).unwrap();
        let tolerance = if precision == Precision::F32 { 2e-6 } else { 0.004 };
        testing::archive(&archive, &keys, &rows, tolerance);
        assert!(kept(&bed.path()) == copies, "a writer that opens the archive leaves copies alone");
        assert!(verify(bed.path()).unwrap().is_sound());
        assert!(verify(bed.path()).unwrap().foreign.is_empty());
    }
}

#[test]
fn an_archive_without_copies_answers_as_before_and_is_not_written_to_by_readers() {
    let bed = Bed::new();
    drop(bed.create(Precision::F32));
    let archive: Arc<dyn Archive> = Arc::new(bed.open());
    compare(&archive, SearchPath::Scan, 0..3);
    let searcher = Searcher::new(Arc::clone(&archive));
    searcher.prepare().unwrap();
    let options = SearchOptions::top(3);
    assert_eq!(searcher.search(&Sum, &query(1), &options).unwrap().1, SearchPath::Int8);
    assert!(kept(&bed.path()).is_empty());
    // A limit of 100 rows allows no copies, and an archive with fewer than 10,000 rows gets none.
    let mut writer = ArchiveWriter::open(bed.path()).unwrap();
    assert_eq!(writer.quantize_up_to(100).unwrap(), 0);
    let few: Vec<String> = writer.keys().skip(9_000).map(String::from).collect();
    writer.delete(&few.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    assert_eq!(writer.quantize().unwrap(), 0);
}

#[test]
fn one_question_takes_the_fastest_way_and_says_which() {
    let bed = Bed::new();
    let mut writer = bed.create(Precision::F32);
    let options = SearchOptions::top(10);
    let (hits, path) = search_fastest(&bed.open(), &Sum, &query(1), &options).unwrap();
    assert_eq!(
        (&hits, path),
        (&search_with(&bed.open(), &Sum, &query(1), &options).unwrap(), SearchPath::Scan)
    );
    let (_, path) = search_fastest(&bed.open(), &Rrf::default(), &query(1), &options).unwrap();
    assert_eq!(path, SearchPath::Scores);
    writer.quantize().unwrap();
    let (kept, path) = search_fastest(&bed.open(), &Sum, &query(1), &options).unwrap();
    assert_eq!(path, SearchPath::Int8);
    let rows = |hits: &[rscir_index::Hit]| hits.iter().map(|hit| hit.row).collect::<Vec<_>>();
    assert_eq!(rows(&kept), rows(&hits));

    // The answer has what the method learned, which equals what it learns from a scan.
    let method = Conjunction::default();
    let (answer, path) = answer_fastest(&bed.open(), &method, &query(1), &options).unwrap();
    let by_moments = options.statistics(Statistics::Moments);
    let scanned = answer_batch(&bed.open(), &method, &[query(1)], &by_moments).unwrap().remove(0);
    assert_eq!(path, SearchPath::Int8);
    assert_eq!(rows(&answer.hits), rows(&scanned.hits));
    assert!(answer.explanation.is_some() && answer.explanation == scanned.explanation);
    assert_eq!(answer.probabilities, scanned.probabilities);
}

#[test]
fn shards_that_keep_copies_are_searched_by_them() {
    let beds = [Bed::new(), Bed::new()];
    let mut shards: Vec<Box<dyn Archive>> = Vec::new();
    for (bed, seed) in beds.iter().zip([5, 6]) {
        let mut writer =
            ArchiveWriter::create(bed.path(), EncoderSpec::unknown(DIM), Precision::F32).unwrap();
        commit(&mut writer, seed as usize * ROWS..(seed as usize + 1) * ROWS, seed);
        writer.quantize().unwrap();
        shards.push(Box::new(bed.open()));
    }
    let all: Arc<dyn Archive> = Arc::new(ShardedArchive::new(shards).unwrap());
    compare(&all, SearchPath::Int8, 0..100);
    let loaded: Arc<dyn Archive> = Arc::new(DiskArchive::load(beds[0].path()).unwrap());
    compare(&loaded, SearchPath::Int8, 0..20);
}

#[test]
fn damage_in_copies_is_found_and_costs_no_row() {
    let bed = Bed::new();
    let mut writer = bed.create(Precision::F32);
    writer.quantize().unwrap();
    drop(writer);
    let copies = kept(&bed.path());
    let (path, whole) = copies.first_key_value().unwrap();
    let damage = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let places = [0, 9, header - 1, header, header + 24, whole.len() / 2, whole.len() - 40, whole.len() - 1];
    let mut cases: Vec<Vec<u8>> = places.into_iter().map(damage).collect();
    cases.push(whole[..whole.len() - 1].to_vec());
    cases.push(Vec::new());
    for bytes in cases {
        fs::write(path, bytes).unwrap();
        let found = verify(bed.path()).unwrap();
        assert!(!found.is_sound());
        assert_eq!((found.sound_rows, found.damage.len(), found.damaged_copies.len()), (ROWS, 0, 1));
        assert_eq!(found.damaged_copies[0].path, *path);
        assert!(found.damaged_copies[0].error.to_string().contains(".int8"));
        repair(bed.path()).unwrap().drop_damaged().unwrap();
        assert!(kept(&bed.path()).is_empty());
        assert!(verify(bed.path()).unwrap().is_sound());
        assert_eq!(ArchiveWriter::open(bed.path()).unwrap().quantize().unwrap(), ROWS);
        assert!(kept(&bed.path()) == copies, "what is made again is the same to the byte");
    }
    // A file that is not one of copies of this segment is skipped.
    fs::write(path, &whole[..whole.len() / 2]).unwrap();
    compare(&(Arc::new(bed.open()) as Arc<dyn Archive>), SearchPath::Scan, 0..3);
    assert_eq!(ArchiveWriter::open(bed.path()).unwrap().quantize().unwrap(), ROWS);
    compare(&(Arc::new(bed.open()) as Arc<dyn Archive>), SearchPath::Int8, 0..3);

    // A sound file of copies of other rows of the same shape is skipped as well.
    let other = Bed::new();
    let mut writer = ArchiveWriter::create(other.path(), EncoderSpec::unknown(DIM), Precision::F32).unwrap();
    commit(&mut writer, 0..ROWS, 9);
    writer.quantize().unwrap();
    fs::write(path, kept(&other.path()).first_key_value().unwrap().1).unwrap();
    assert_eq!(verify(bed.path()).unwrap().damaged_copies.len(), 1);
    compare(&(Arc::new(bed.open()) as Arc<dyn Archive>), SearchPath::Scan, 0..3);
}

#[test]
fn copies_are_not_made_of_damaged_rows() {
    let bed = Bed::new();
    drop(bed.create(Precision::F32));
    let mut files = fs::read_dir(bed.path().join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let segment = files.find(|path| path.extension().is_some_and(|e| e == "safetensors")).unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let error = ArchiveWriter::open(bed.path()).unwrap().quantize().unwrap_err();
    assert!(matches!(error, rscir_index::Error::Damaged { path } if path == segment));
    assert!(kept(&bed.path()).is_empty());
}
