//! The shards of a split ingest, merged or searched as one, equal the archive of an ingest without a split.
//! Errors name shards that are missing or do not belong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rscir_core::testing::{unit_rows, unit_vector};
use rscir_core::{
    Archive, ComposedQuery, Embeddings, EncoderSpec, ErrorKind, Fingerprint, Precision, Shard, SinkRow,
};
use rscir_index::{
    ArchiveWriter, Columns, DiskArchive, Error, RowOrder, ShardProblem, ShardedArchive, merge_archives,
    search,
};
use rscir_weicom::WeiCom;
use tempfile::TempDir;

/// More than four rows a dimension, so that segments store moments.
const ROWS: usize = 300;
const DIM: usize = 8;

fn spec() -> EncoderSpec {
    EncoderSpec { tokenizer: Some("tiny".into()), ..EncoderSpec::unknown(DIM) }
}

fn key(row: usize) -> String {
    format!("tiles/{row:04}.tif")
}

/// Writes the rows of a shard in batches, and finishes its ingest. `None` writes all rows.
fn write(dir: &Path, precision: Precision, shard: Option<Shard>) -> ArchiveWriter {
    let mut writer = ArchiveWriter::open_or_create(dir, spec(), precision).unwrap();
    writer.claim_shard(shard).unwrap();
    let all = unit_rows(ROWS, DIM, 7);
    let rows: Vec<usize> =
        (0..ROWS).filter(|&row| shard.is_none_or(|shard| shard.holds(&key(row)))).collect();
    for batch in rows.chunks(32) {
        commit(&mut writer, &all, batch);
    }
    writer.set_roots(vec!["/tiles".into()]).unwrap();
    writer.set_order(RowOrder::Key).unwrap();
    writer.finish_shard().unwrap();
    writer
}

fn commit(writer: &mut ArchiveWriter, all: &Embeddings, batch: &[usize]) {
    let keys: Vec<String> = batch.iter().map(|&row| key(row)).collect();
    let described: Vec<_> =
        keys.iter().zip(batch).map(|(key, &row)| SinkRow::new(key, Fingerprint([row as u8; 16]))).collect();
    let values = batch.iter().flat_map(|&row| all.row(row).to_vec()).collect();
    let labels: Vec<Option<String>> =
        batch.iter().map(|&row| (row % 3 != 0).then(|| format!("label {row}"))).collect();
    let columns = Columns::new(batch.len()).with("label", labels).unwrap();
    writer.commit_with_columns(&described, &Embeddings::normalize(DIM, values).unwrap(), &columns).unwrap();
}

struct Bed(TempDir);

impl Bed {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes the archives of all shards, and returns their paths in reverse order.
    fn shards(&self, precision: Precision, count: usize) -> Vec<PathBuf> {
        let write = |shard: Shard| {
            let path = self.path(&format!("{}-of-{count}.rscir", shard.number()));
            drop(write(&path, precision, Some(shard)));
            path
        };
        Shard::all(count).unwrap().into_iter().rev().map(write).collect()
    }
}

/// Returns the files of an archive by name.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let segments = fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    segments
        .chain([dir.join("manifest.json")])
        .map(|path| (path.strip_prefix(dir).unwrap().into(), fs::read(&path).unwrap()))
        .collect()
}

/// Returns the problem of archives that do not belong together, and its message.
fn problem(paths: &[PathBuf], into: &Path) -> (ShardProblem, String) {
    let opened = ShardedArchive::open(paths).map(drop).unwrap_err().to_string();
    let error = merge_archives(paths, into).unwrap_err();
    assert_eq!(error.to_string(), opened, "a merge and a search refuse in the same words");
    assert!(!into.exists(), "nothing is made of shards that do not belong together");
    match error {
        Error::Shards(problem) => (*problem, opened),
        other => panic!("{other}"),
    }
}

#[test]
fn merged_shards_are_the_archive_of_one_ingest_to_the_byte() {
    for precision in [Precision::F32, Precision::F16, Precision::I8] {
        let bed = Bed::new();
        let mut whole = write(&bed.path("whole.rscir"), precision, None);
        whole.compact().unwrap();
        let merged = merge_archives(&bed.shards(precision, 4), bed.path("merged.rscir")).unwrap();
        assert_eq!((merged.archives, merged.rows), (4, ROWS));
        assert!(files(&bed.path("merged.rscir")) == files(&bed.path("whole.rscir")), "{precision}");
        let archive = DiskArchive::open(bed.path("merged.rscir")).unwrap();
        assert_eq!((archive.shard(), archive.is_unfinished()), (None, false));
    }
}

#[test]
fn shards_opened_as_one_answer_as_the_archive_of_one_ingest() {
    let bed = Bed::new();
    drop(write(&bed.path("whole.rscir"), Precision::F32, None));
    let whole = DiskArchive::open(bed.path("whole.rscir")).unwrap();
    let shards = ShardedArchive::open(&bed.shards(Precision::F32, 3)).unwrap();
    let query = ComposedQuery::new(spec())
        .with_image(unit_vector(DIM, 1))
        .unwrap()
        .with_text(unit_vector(DIM, 2))
        .unwrap();
    let keys = |archive: &dyn Archive| -> Vec<String> {
        let hits = search(archive, &WeiCom::default(), &query, 20).unwrap();
        hits.into_iter().map(|hit| hit.key).collect()
    };
    assert_eq!(keys(&shards), keys(&whole));
}

#[test]
fn a_missing_shard_is_named() {
    let bed = Bed::new();
    let mut shards = bed.shards(Precision::F32, 4);
    shards.remove(1);
    let (problem, words) = problem(&shards, &bed.path("merged.rscir"));
    assert!(matches!(&problem, ShardProblem::Missing { missing, count: 4 } if missing == &[3]));
    assert_eq!(problem.kind(), ErrorKind::NotFound);
    assert!(words.contains("one is missing: 3/4"), "{words}");
}

#[test]
fn a_shard_that_was_cut_off_is_named_until_it_comes_to_its_end() {
    let bed = Bed::new();
    let shards = bed.shards(Precision::F32, 2);
    let all = unit_rows(ROWS, DIM, 7);
    let mut writer = ArchiveWriter::open(&shards[0]).unwrap();
    let held = (0..ROWS).find(|&row| Shard::new(2, 2).unwrap().holds(&key(row))).unwrap();
    commit(&mut writer, &all, &[held]);
    let (cut_off, words) = problem(&shards, &bed.path("merged.rscir"));
    assert!(matches!(&cut_off, ShardProblem::Unfinished { path, .. } if *path == shards[0]), "{words}");
    writer.finish_shard().unwrap();
    assert_eq!(merge_archives(&shards, bed.path("merged.rscir")).unwrap().rows, ROWS);
}

#[test]
fn a_shard_run_twice_changes_nothing() {
    let bed = Bed::new();
    let shards = bed.shards(Precision::F32, 2);
    let manifest = || fs::metadata(shards[0].join("manifest.json")).unwrap().modified().unwrap();
    let (before, written) = (files(&shards[0]), manifest());
    let mut writer = ArchiveWriter::open(&shards[0]).unwrap();
    writer.claim_shard(Some(Shard::new(2, 2).unwrap())).unwrap();
    writer.finish_shard().unwrap();
    assert!(files(&shards[0]) == before);
    assert_eq!(manifest(), written, "the manifest is not written again");
}

#[test]
fn an_archive_takes_no_other_shard_and_a_shard_no_whole_ingest() {
    let bed = Bed::new();
    let shards = bed.shards(Precision::F32, 2);
    let mut writer = ArchiveWriter::open(&shards[0]).unwrap();
    let before = files(&shards[0]);
    for asked in [None, Some(Shard::new(1, 2).unwrap()), Some(Shard::new(2, 3).unwrap())] {
        let error = writer.claim_shard(asked).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert!(error.to_string().contains("holds shard 2/2"), "{error}");
    }
    assert!(files(&shards[0]) == before);
    let mut whole = write(&bed.path("whole.rscir"), Precision::F32, None);
    assert!(whole.claim_shard(Some(Shard::new(1, 2).unwrap())).is_err());
}

#[test]
fn a_shard_without_a_row_counts_and_is_kept_for_its_split() {
    let bed = Bed::new();
    let paths = [bed.path("1.rscir"), bed.path("2.rscir")];
    for (number, path) in (1..).zip(&paths) {
        let mut writer = ArchiveWriter::create(path, spec(), Precision::F32).unwrap();
        writer.claim_shard(Some(Shard::new(number, 2).unwrap())).unwrap();
        writer.finish_shard().unwrap();
        assert!(writer.claim_shard(None).is_err());
    }
    assert_eq!(merge_archives(&paths, bed.path("merged.rscir")).unwrap().rows, 0);
}

#[test]
fn archives_that_do_not_belong_together_are_named() {
    let bed = Bed::new();
    let shards = bed.shards(Precision::F32, 2);
    let into = bed.path("merged.rscir");
    let twice = [&shards[..], &shards[..1]].concat();
    assert!(problem(&twice, &into).1.contains("both hold shard 2/2"));
    let split = [&shards[..], &bed.shards(Precision::F32, 3)[..1]].concat();
    assert!(problem(&split, &into).1.contains("holds shard 3/3"));
    drop(write(&bed.path("whole.rscir"), Precision::F32, None));
    let beside = [&shards[..], &[bed.path("whole.rscir")]].concat();
    assert!(problem(&beside, &into).1.contains("whole.rscir holds no single shard"));

    let plain = |name: &str, spec: EncoderSpec| {
        let path = bed.path(name);
        let mut writer = ArchiveWriter::create(&path, spec, Precision::F32).unwrap();
        commit(&mut writer, &unit_rows(ROWS, DIM, 7), &[5]);
        path
    };
    let same = [plain("a.rscir", spec()), plain("b.rscir", spec())];
    let words = problem(&same, &into).1;
    assert!(words.contains("a.rscir") && words.contains("b.rscir") && words.contains(&key(5)), "{words}");
    let other = plain("c.rscir", EncoderSpec { tokenizer: Some("large".into()), ..spec() });
    let words = problem(&[same[0].clone(), other], &into).1;
    assert!(
        words.contains("different encoders: tokenizer is \"tiny\" in the first and \"large\""),
        "{words}"
    );
    let none: [&Path; 0] = [];
    assert!(matches!(merge_archives(&none, &into), Err(Error::NoShards)));
}

#[test]
fn damage_gets_no_new_checksum_and_an_archive_with_rows_is_not_written_into() {
    let bed = Bed::new();
    let shards = bed.shards(Precision::F32, 2);
    let whole = bed.path("whole.rscir");
    drop(write(&whole, Precision::F32, None));
    let before = files(&whole);
    assert!(matches!(merge_archives(&shards, &whole), Err(Error::Exists { .. })));
    assert!(files(&whole) == before);

    let segment = fs::read_dir(shards[0].join("segments")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let error = merge_archives(&shards, bed.path("merged.rscir")).unwrap_err();
    assert!(matches!(&error, Error::Damaged { path } if *path == segment), "{error}");
    assert_eq!(DiskArchive::open(bed.path("merged.rscir")).unwrap().len(), 0);
}
