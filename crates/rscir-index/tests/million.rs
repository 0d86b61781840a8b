//! Time and memory of changes of single rows in an archive of a million rows. Ignored by default: it writes 6 GB.
//! `cargo test --release -p rscir-index --test million -- --ignored --nocapture`
#![allow(clippy::print_stdout, reason = "what a run came to, for people")]

use std::time::{Duration, Instant};

use rscir_core::testing::unit_rows;
use rscir_core::{Archive, Embeddings, EncoderSpec, Fingerprint, Precision, SinkRow};
use rscir_index::{ArchiveWriter, DiskArchive};

const ROWS: usize = 1_000_000;
const DIM: usize = 768;

/// Largest time of a commit.
const LIMIT: Duration = Duration::from_millis(200);
const LIMIT_KIB: u64 = 300 * 1024;

fn key(row: usize) -> String {
    format!("scene{:03}/tile_{row:07}.png", row % 500)
}

fn commit(writer: &mut ArchiveWriter, keys: &[String], rows: &Embeddings) {
    let described: Vec<_> = keys.iter().map(|key| SinkRow::new(key, Fingerprint([1; 16]))).collect();
    writer.commit(&described, rows).unwrap();
}

/// Returns the resident memory in KiB without pages of files, or `None` if the system does not tell it.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    let took = began.elapsed();
    println!("{what}: {took:.3?}, {} KiB held", memory().unwrap_or(0));
    (done, took)
}

fn within_limits(what: &str, work: impl FnOnce()) {
    let ((), took) = timed(what, work);
    assert!(took <= LIMIT, "{what} took {took:?}");
    assert!(memory().is_none_or(|kib| kib <= LIMIT_KIB), "{what} needs {:?} KiB", memory());
}

#[test]
#[ignore = "6 GB: cargo test --release -p rscir-index --test million -- --ignored --nocapture"]
fn a_row_among_a_million_costs_a_commit() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("million.rscir");
    let mut writer = ArchiveWriter::create(&dir, EncoderSpec::unknown(DIM), Precision::F32).unwrap();
    const BATCH: usize = 50_000;
    let block = unit_rows(BATCH, DIM, 1);
    timed("a million rows written", || {
        for start in (0..ROWS).step_by(BATCH) {
            let keys: Vec<String> = (start..start + BATCH).map(key).collect();
            commit(&mut writer, &keys, &block);
        }
    });
    drop((writer, block));
    let one = unit_rows(1, DIM, 2);

    let (mut writer, _) = timed("opened for writing", || ArchiveWriter::open(&dir).unwrap());
    within_limits("one row added", || commit(&mut writer, &["added.png".into()], &one));
    within_limits("one row deleted", || assert_eq!(writer.delete(&[&key(77)]).unwrap(), 1));
    let half: Vec<String> = (0..ROWS).step_by(2).map(key).collect();
    let half: Vec<&str> = half.iter().map(String::as_str).collect();
    within_limits("half of the rows deleted", || assert_eq!(writer.delete(&half).unwrap(), ROWS / 2));
    within_limits("one more row added", || commit(&mut writer, &["more.png".into()], &one));
    drop(writer);

    let (archive, _) = timed("opened", || DiskArchive::open(&dir).unwrap());
    assert_eq!(archive.len(), ROWS / 2 + 1);
    let query = one.queries();
    let mut scores = vec![0.0; archive.len()];
    timed("similarities of every other row", || archive.similarities(query, &mut scores).unwrap());
    timed("the same again", || archive.similarities(query, &mut scores).unwrap());
    timed("moments", || archive.moments().count());
    drop(archive);
    let (mut writer, _) = timed("opened for writing", || ArchiveWriter::open(&dir).unwrap());
    timed("compacted", || writer.compact().unwrap());
    let (archive, _) = timed("opened", || DiskArchive::open(&dir).unwrap());
    timed("similarities", || archive.similarities(query, &mut scores).unwrap());
    timed("the same again", || archive.similarities(query, &mut scores).unwrap());
}
