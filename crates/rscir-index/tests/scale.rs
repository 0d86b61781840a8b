//! An archive of millions of wide rows: how long it takes to open and to ask. Ignored by default: it writes 10 GB, once, to
//! the folder of temporary files of Cargo's target folder.
//! `cargo test --release -p rscir-index --test scale -- --ignored --nocapture`
//!
//! `SCALE_ROWS` sets the number of rows. The printed times are for docs/search.md; the assertions hold on any
//! machine.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "what a run came to, for people")]

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rscir_core::{
    Archive, ComposedQuery, Embeddings, EncoderSpec, Fingerprint, Precision, SinkRow, UnitVector,
};
use rscir_index::{
    ArchiveWriter, DiskArchive, Hit, SearchOptions, SearchPath, Searcher, Statistics, search_with,
};
use rscir_weicom::WeiCom;
use rustix::fs::{Advice, fadvise};

/// Width of the vectors of SigLIP so400m, with which Major TOM encoded the planet.
const DIM: usize = 1152;

/// Number of clusters of similar scenes.
const CLUSTERS: u64 = 2000;

/// Rows of a full segment, so that commits merge nothing.
const BATCH: usize = 65_536;

fn rows() -> usize {
    std::env::var("SCALE_ROWS").ok().map_or(3_000_000, |rows| rows.parse().unwrap())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scale-{}.rscir", rows()))
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Adds values that are nearly normal, of deviation `scale`, smaller and smaller along the vector.
    fn add_to(&mut self, values: &mut [f32], scale: f32) {
        let width = values.len() as f32;
        for (i, four) in values.chunks_mut(4).enumerate() {
            let bits = self.next();
            // The spectrum of embeddings falls: the first axes vary four times as much as the last.
            let scale = scale * (2.0 - 1.5 * (4 * i) as f32 / width);
            for (j, value) in four.iter_mut().enumerate() {
                let (a, b) = (bits >> (16 * j) & 0xff, bits >> (16 * j + 8) & 0xff);
                // The sum of two uniform values of 0 to 255 has the deviation 104.5.
                *value += scale * (a as f32 + b as f32 - 255.0) / 104.5;
            }
        }
    }
}

/// Makes rows in a narrow cone and in clusters, like those of encoders: the cosine of two rows is about 0.7,
/// within a cluster about 0.9.
fn images(first: usize, count: usize) -> Embeddings {
    let mut cone = vec![0.0f32; DIM];
    Random(1).add_to(&mut cone, 1.0);
    let mut values = vec![0.0f32; count * DIM];
    values.par_chunks_exact_mut(DIM).enumerate().for_each(|(i, row)| {
        let mut random = Random(((first + i) as u64) << 20 | 3);
        row.copy_from_slice(&cone);
        // Some scenes are a thousand times as common as others.
        let uniform = (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        let cluster = (CLUSTERS as f64).powf(uniform) as u64;
        Random(cluster << 44 | 5).add_to(row, 0.5);
        random.add_to(row, 0.35);
    });
    Embeddings::normalize(DIM, values).unwrap()
}

/// Makes a text in another cone than the images, which points faintly to a cluster, like the texts of encoders
/// with two towers.
fn text(seed: u64) -> UnitVector {
    let mut values = vec![0.0f32; DIM];
    Random(2).add_to(&mut values, 1.0);
    Random((seed * 37 % CLUSTERS) << 44 | 5).add_to(&mut values, 0.1);
    Random(seed << 20 | 7).add_to(&mut values, 0.5);
    UnitVector::normalize(values).unwrap()
}

fn queries(count: usize) -> Vec<ComposedQuery> {
    let images = images(usize::MAX >> 24, count);
    (0..count)
        .map(|i| {
            let query = ComposedQuery::new(EncoderSpec::unknown(DIM)).with_image(images.vector(i)).unwrap();
            query.with_text(text(i as u64)).unwrap()
        })
        .collect()
}

fn key(row: usize) -> String {
    let mut random = Random(row as u64);
    format!("{:03}U_{:04}R/S2B_MSIL2A_{:016x}", random.next() % 720, random.next() % 1440, random.next())
}

/// Makes the archive, unless an earlier run has made it.
fn make() -> PathBuf {
    let dir = folder();
    let mut writer = ArchiveWriter::open_or_create(&dir, EncoderSpec::unknown(DIM), Precision::F16).unwrap();
    let began = Instant::now();
    let made = writer.len();
    for first in (made..rows()).step_by(BATCH) {
        let count = BATCH.min(rows() - first);
        let keys: Vec<String> = (first..first + count).map(key).collect();
        let described: Vec<_> = keys.iter().map(|key| SinkRow::new(key, Fingerprint([1; 16]))).collect();
        writer.commit(&described, &images(first, count)).unwrap();
    }
    println!("{} rows written in {:.3?}, {} KiB held", rows() - made, began.elapsed(), memory());
    let began = Instant::now();
    let made = writer.quantize().unwrap();
    println!("{made} rows copied in 8 bits in {:.3?}, {} KiB held", began.elapsed(), memory());
    let began = Instant::now();
    let made = writer.index_keys().unwrap();
    println!("{made} keys indexed in {:.3?}, {} KiB held", began.elapsed(), memory());
    dir
}

/// Resident memory in KiB that is not the pages of files.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

/// Lets the system forget what it holds of the archive's files, which nothing maps now.
fn forget(dir: &Path) {
    for path in fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path()) {
        let file = File::open(path).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }
}

/// Reads the 8-bit rows once, from the first file to the last.
fn plain_read(dir: &Path) {
    let mut buffer = vec![0; 1 << 20];
    for path in files(dir, "int8") {
        let mut file = File::open(path).unwrap();
        while file.read(&mut buffer).unwrap() > 0 {}
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Processor time of this process, user's and system's.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> (T, Duration) {
    let (began, processor) = (Instant::now(), processor_time());
    let done = work();
    let took = began.elapsed();
    let processor = processor_time() - processor;
    println!("{what}: {took:.3?}, {processor:.2?} of processor time, {} KiB held", memory());
    (done, took)
}

#[test]
#[ignore = "10 GB: cargo test --release -p rscir-index --test scale -- --ignored --nocapture"]
fn millions_of_rows_on_disk_are_searched_at_the_speed_of_the_disk() {
    let dir = make();
    let queries = queries(64);
    let method = WeiCom::default();
    let options = SearchOptions::top(10);

    // Reads everything once, so that caches behind the disk, such as the memory of a host, are in the same state
    // for all measurements.
    plain_read(&dir);
    for (round, query) in queries.iter().enumerate().take(4) {
        println!("\nround {round}, from the disk");
        forget(&dir);
        let read = || timed("plain read", || plain_read(&dir));
        // The two take turns at being first.
        if round % 2 == 0 {
            read();
            forget(&dir);
        }
        let (archive, _) = timed("open", || DiskArchive::open(&dir).unwrap());
        timed("first query", || {
            let searcher = Searcher::new(&archive);
            assert_eq!(searcher.search(&method, query, &options).unwrap().1, SearchPath::Int8);
        });
        drop(archive);
        if round % 2 == 1 {
            forget(&dir);
            read();
        }
    }

    println!("\nfrom memory");
    plain_read(&dir);
    let (archive, _) = timed("open", || DiskArchive::open(&dir).unwrap());
    let searcher = Searcher::new(&archive);
    timed("first query", || searcher.search(&method, &queries[0], &options).unwrap());
    // The two take turns, so that other work of the machine affects both.
    let (mut reads, mut searches) = (Vec::new(), Vec::new());
    let mut processor = [Duration::ZERO; 2];
    for query in &queries[..32] {
        let (began, at) = (Instant::now(), processor_time());
        plain_read(&dir);
        reads.push(began.elapsed());
        let (began, between) = (Instant::now(), processor_time());
        searcher.search(&method, query, &options).unwrap();
        searches.push(began.elapsed());
        processor[0] += between - at;
        processor[1] += processor_time() - between;
    }
    for (what, times, processor) in [("plain read", reads, processor[0]), ("query", searches, processor[1])] {
        println!("{what}: {:.3?}, {:.3?} of processor time, 32 in turn", median(times), processor / 32);
    }
    let (batch, _) = timed("64 queries", || searcher.search_batch(&method, &queries, &options).unwrap().0);
    timed("a key", || assert_eq!(archive.find(&key(rows() / 2)), Some(rows() / 2)));
    timed("another key", || assert_eq!(archive.find(&key(7)), Some(7)));
    timed("no key", || assert_eq!(archive.find("none"), None));

    let by_moments = options.statistics(Statistics::Moments);
    let rows_of = |hits: &[Hit]| hits.iter().map(|hit| hit.row).collect::<Vec<_>>();
    let began = Instant::now();
    for (query, hits) in queries[..32].iter().zip(&batch) {
        let scanned = search_with(&archive, &method, query, &by_moments).unwrap();
        assert_eq!(rows_of(hits), rows_of(&scanned));
        assert_eq!(*hits, scanned);
    }
    println!("32 scans, the same answers: {:.3?}", began.elapsed());
}
