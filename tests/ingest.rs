//! Ingests many files: broken ones, with kills, and with Ctrl-C. Tests of the full sizes are ignored by default.
//! Run them with `cargo test --release --test ingest -- --ignored --nocapture --test-threads 1`.
#![cfg(unix)]
#![allow(clippy::print_stdout, reason = "what a run came to, for people")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Run, example, finish, repository};
use rscir::prelude::*;

/// Number of images that are encoded and committed at once.
const BATCH: usize = 32;

/// A folder of images, with room for archives beside it.
struct Bed {
    folder: tempfile::TempDir,
}

impl Bed {
    /// Makes a folder of `n` sound images.
    fn new(n: usize) -> Self {
        let bed = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(bed.images()).unwrap();
        bed.add_whole(0..n);
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn images(&self) -> PathBuf {
        self.path("images")
    }

    fn image(&self, name: &str) -> PathBuf {
        self.images().join(name)
    }

    /// Makes the files as hard links. A file system may allow only some thousands of links to a file, so there is
    /// one source for each thousand.
    fn add_whole(&self, numbers: impl Iterator<Item = usize>) {
        for i in numbers {
            let source = self.path(&format!("source{}.jpg", i / 1000));
            if !source.is_file() {
                fs::copy(repository("tests/data/ingest/tile.jpg"), &source).unwrap();
            }
            fs::hard_link(source, self.image(&format!("{i:06}.jpg"))).unwrap();
        }
    }

    fn command(&self, archive: &Path) -> Command {
        let mut command = example("extract_features");
        command.arg("--images").arg(self.images()).arg("--archive").arg(archive);
        command
    }

    fn run(&self, archive: &Path) -> Run {
        finish(&mut self.command(archive))
    }
}

/// Reads the files of an archive, by path, except the lock.
fn files(archive: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![archive.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(archive).unwrap().into(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Compacts an archive, and reads its files.
fn compacted_files(archive: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    finish(example("compact").arg("--archive").arg(archive)).ends_with(0);
    files(archive)
}

/// Panics if files differ, with their names and without their bytes.
#[track_caller]
fn assert_identical(got: &Path, expected: &BTreeMap<PathBuf, Vec<u8>>) {
    let got = compacted_files(got);
    let differing: Vec<_> =
        got.keys().chain(expected.keys()).filter(|name| got.get(*name) != expected.get(*name)).collect();
    assert!(differing.is_empty(), "these files differ from an uninterrupted ingest's: {differing:?}");
}

/// Returns the number of committed rows, or 0 before there is an archive.
fn rows(archive: &Path) -> usize {
    DiskArchive::open(archive).map_or(0, |archive| archive.len())
}

fn wait_for_rows(archive: &Path, child: &mut Child) {
    while rows(archive) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "the ingest ended before its first batch");
        sleep(Duration::from_millis(5));
    }
}

/// Breaks one file in a hundred, in twelve ways. Returns the keys that must fail, and the paths to remove while the
/// ingest runs.
fn add_broken(bed: &Bed, n: usize) -> (BTreeSet<String>, Vec<PathBuf>) {
    let data = |name: &str| fs::read(repository("tests/data/ingest").join(name)).unwrap();
    let (mut failing, mut going) = (BTreeSet::new(), Vec::new());
    for i in 0..n {
        let stem = format!("{:06}", i * 100);
        let (name, content, fails) = match i % 12 {
            0 => (format!("{stem}-empty.jpg"), Vec::new(), true),
            1 => (format!("{stem}-cut.jpg"), data("tile.jpg")[..300].to_vec(), true),
            2 => (format!("{stem}-page.jpg"), b"<!doctype html><title>404</title>".to_vec(), true),
            3 => (format!("{stem}-cmyk.jpg"), data("cmyk.jpg"), false),
            4 => (format!("{stem}-gray16.png"), data("gray16.png"), false),
            5 => (format!("{stem}-palette.png"), data("palette.png"), false),
            6 => (format!("{stem}-animated.webp"), data("animated.webp"), false),
            7 => {
                let name = format!("{stem}-secret.jpg");
                fs::write(bed.image(&name), data("tile.jpg")).unwrap();
                fs::set_permissions(bed.image(&name), fs::Permissions::from_mode(0o0)).unwrap();
                if fs::File::open(bed.image(&name)).is_err() {
                    failing.insert(name);
                } else {
                    println!("{name}: root may read it all the same, so it must be encoded");
                }
                continue;
            }
            8 => {
                fs::create_dir(bed.image(&format!("{stem}-folder.jpg"))).unwrap();
                failing.insert(format!("{stem}-folder.jpg"));
                continue;
            }
            9 => {
                symlink("nowhere", bed.image(&format!("{stem}-dangling.jpg"))).unwrap();
                failing.insert(format!("{stem}-dangling.jpg"));
                continue;
            }
            10 => {
                let name = [stem.as_bytes(), b"-\xff.jpg"].concat();
                fs::write(bed.images().join(OsStr::from_bytes(&name)), data("tile.jpg")).unwrap();
                failing.insert(String::from_utf8_lossy(&name).into_owned());
                continue;
            }
            _ => {
                // Their keys are last, so that the files exist when they are listed and are gone when they are
                // read.
                let name = format!("z{stem}-going.jpg");
                going.push(bed.image(&name));
                (name, data("tile.jpg"), true)
            }
        };
        fs::write(bed.image(&name), content).unwrap();
        if fails {
            failing.insert(name);
        }
    }
    (failing, going)
}

/// Encodes `n` files of which one in a hundred is broken, and checks the report. Returns the peak of the process's
/// resident memory in KiB, if the system tells it.
fn one_in_a_hundred_is_broken(n: usize) -> Option<u64> {
    let bed = Bed::new(n - n / 100);
    let (failing, going) = add_broken(&bed, n / 100);
    let (archive, list) = (bed.path("a.rscir"), bed.path("failures.jsonl"));
    let mut command = bed.command(&archive);
    command.arg("--failures").arg(&list);
    let log = fs::File::create(bed.path("log")).unwrap();
    let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    wait_for_rows(&archive, &mut child);
    going.iter().for_each(|path| fs::remove_file(path).unwrap());
    let mut peak = None;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        // The last value that can be read is the peak, because a peak only rises.
        peak = peak_memory(child.id()).or(peak);
        sleep(Duration::from_millis(10));
    };
    let log = fs::read_to_string(bed.path("log")).unwrap();
    assert_eq!(status.code(), Some(3), "{log}");

    let mut reported = BTreeSet::new();
    for line in fs::read_to_string(list).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}")).to_string();
        let key = text("key");
        let stage = match key.rsplit('-').next().unwrap() {
            "empty.jpg" | "cut.jpg" | "page.jpg" => "decode",
            "secret.jpg" | "dangling.jpg" | "going.jpg" => "read",
            _ => "list",
        };
        assert_eq!(text("stage"), stage, "{line}");
        assert!(text("path").ends_with(&key) && !text("reason").is_empty(), "{line}");
        assert!(reported.insert(key), "reported once: {line}");
    }
    assert_eq!(reported, failing);
    let encoded = n - failing.len();
    assert!(
        log.contains(&format!("{encoded} rows; {encoded} encoded, 0 unchanged, {} failed", failing.len()))
    );
    let stored = DiskArchive::open(&archive).unwrap();
    assert_eq!(stored.len(), encoded);
    assert!(
        (1..encoded).all(|row| stored.key(row - 1) < stored.key(row)),
        "rows are in the order of their keys"
    );
    println!("{n} files: {encoded} encoded, {} reported, peak {} KiB", failing.len(), peak.unwrap_or(0));
    peak
}

/// Returns the peak resident memory of a process in KiB.
fn peak_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[test]
fn broken_files_among_many_are_reported_and_all_others_encoded() {
    one_in_a_hundred_is_broken(1200);
}

// Measured: 74,628 KiB for 2,000 files and 79,272 KiB for 10,000.
#[test]
#[ignore = "10,000 files: cargo test --release --test ingest ten_thousand -- --ignored --nocapture"]
fn ten_thousand_files_need_no_more_memory_than_two_thousand() {
    let few = one_in_a_hundred_is_broken(2_000);
    let many = one_in_a_hundred_is_broken(10_000);
    if let (Some(few), Some(many)) = (few, many) {
        assert!(many * 10 <= few * 11, "{many} KiB for 10,000 files, {few} KiB for 2,000");
    }
}

/// Kills ingests of `n` files at random moments, continues after each kill, and compares the archive with that of
/// an ingest that was not killed.
fn killed_ingests_end_as_if_never_killed(n: usize, kills: usize) {
    let bed = Bed::new(n);
    let whole = bed.path("whole.rscir");
    let began = Instant::now();
    bed.run(&whole).ends_with(0).says(&format!("{n} rows; {n} encoded"));
    let duration = began.elapsed();
    let expected = compacted_files(&whole);

    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let (mut killed, mut archives, mut within) = (0, 0, 0);
    while killed < kills {
        archives += 1;
        let archive = bed.path(&format!("{archives}.rscir"));
        let mut committed = 0;
        // This archive's ingest is killed again and again, until a kill comes too late.
        while killed < kills {
            // Xorshift (Marsaglia 2003).
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut child =
                bed.command(&archive).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            sleep(duration.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64));
            let ended = child.try_wait().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            if let Some(status) = ended {
                assert_eq!(status.code(), Some(0));
                break;
            }
            killed += 1;
            let now = rows(&archive);
            assert!(now >= committed, "a kill took {committed} rows to {now}");
            assert!(now.is_multiple_of(BATCH) || now == n, "{now} rows are no whole batches");
            within += usize::from(0 < now && now < n);
            committed = now;
        }
        // Committed rows are not encoded again, and all others are.
        let committed = rows(&archive);
        bed.run(&archive)
            .ends_with(0)
            .says(&format!("{n} rows; {} encoded, {committed} unchanged, 0 failed", n - committed));
        assert_identical(&archive, &expected);
    }
    println!(
        "{killed} kills of ingests of {n} files, {within} of them between the first and the last batch: \
              {archives} archives, each identical to one never killed"
    );
    assert!(within * 4 >= kills, "only {within} of {kills} kills hit while batches were committed");
}

#[test]
fn a_killed_ingest_goes_on_to_the_same_bytes() {
    killed_ingests_end_as_if_never_killed(400, 8);
}

#[test]
#[ignore = "50 kills of 3,000 files: cargo test --release --test ingest fifty -- --ignored --nocapture"]
fn fifty_kills_leave_the_same_bytes() {
    killed_ingests_end_as_if_never_killed(3_000, 50);
}

#[test]
fn an_interrupt_ends_within_two_seconds_and_keeps_finished_batches() {
    let bed = Bed::new(1000);
    let archive = bed.path("a.rscir");
    let mut child = bed.command(&archive).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_rows(&archive, &mut child);
    let began = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let waited = began.elapsed();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(waited < Duration::from_secs(2), "ended after {waited:?}");
    assert!(output.status.code() == Some(1) && log.contains("run the same command again"), "{log}");
    let kept = rows(&archive);
    assert!(kept > 0 && kept < 1000 && kept.is_multiple_of(BATCH), "{kept} rows");

    bed.run(&archive).ends_with(0).says(&format!("{} encoded, {kept} unchanged", 1000 - kept));
    let whole = bed.path("whole.rscir");
    bed.run(&whole).ends_with(0);
    assert_identical(&archive, &compacted_files(&whole));
}

#[test]
fn a_new_tile_between_others_is_a_commit_and_rows_are_in_order_all_the_same() {
    let bed = Bed::new(200);
    let archive = bed.path("a.rscir");
    bed.run(&archive).ends_with(0);
    let before = files(&archive);
    fs::copy(repository("tests/data/ingest/palette.png"), bed.image("000007-new.png")).unwrap();
    bed.run(&archive).ends_with(0).says("201 rows; 1 encoded, 200 unchanged");
    let after = files(&archive);
    let rewritten: Vec<_> = before.keys().filter(|name| after.get(*name) != before.get(*name)).collect();
    assert_eq!(rewritten, [Path::new("manifest.json")]);
    let stored = DiskArchive::open(&archive).unwrap();
    assert!((1..stored.len()).all(|row| stored.key(row - 1) < stored.key(row)));
    assert_eq!(stored.key(7), "000007-new.png");

    // Compacted, the archive is as if the tile had been there from the beginning.
    let whole = bed.path("whole.rscir");
    bed.run(&whole).ends_with(0);
    assert_identical(&archive, &compacted_files(&whole));
}

#[test]
fn too_many_failures_end_the_job_and_stay_in_the_list() {
    let bed = Bed::new(5);
    for i in 0..4 {
        fs::write(bed.image(&format!("broken{i}.jpg")), "").unwrap();
    }
    fs::create_dir(bed.image("folder.jpg")).unwrap();
    let (archive, list) = (bed.path("a.rscir"), bed.path("failures.jsonl"));
    let run =
        |limit: &str| finish(bed.command(&archive).args(["--max-failures", limit, "--failures"]).arg(&list));
    run("3").ends_with(1).says("more than 3 images failed").says("folder.jpg: list: ");
    assert_eq!(fs::read_to_string(&list).unwrap().lines().count(), 4);
    run("5").ends_with(3).says("5 rows; 5 encoded, 0 unchanged, 5 failed").says("5 images failed");
    assert_eq!(fs::read_to_string(&list).unwrap().lines().count(), 5);
}

#[test]
fn changes_are_seen_by_time_or_by_content() {
    let bed = Bed::new(3);
    let archive = bed.path("a.rscir");
    let run = |check: &str| finish(bed.command(&archive).args(["--check", check])).ends_with(0);
    let other = bed.image("000001.png");
    fs::copy(repository("tests/data/ingest/palette.png"), &other).unwrap();
    let time = fs::metadata(&other).unwrap().modified().unwrap();
    let set_time = |time| fs::File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
    run("content").says("4 encoded, 0 unchanged");
    set_time(time + Duration::from_secs(9));
    run("content").says("0 encoded, 4 unchanged");
    run("time").says("4 encoded, 0 unchanged");
    set_time(time + Duration::from_secs(18));
    run("time").says("1 encoded, 3 unchanged");
}

#[test]
fn columns_of_a_table_go_beside_the_vectors_and_are_kept_by_a_resumed_ingest() {
    let bed = Bed::new(3);
    let (archive, table) = (bed.path("tiles.rscir"), bed.path("tiles.csv"));
    let run = |content: &str| {
        fs::write(&table, content).unwrap();
        finish(bed.command(&archive).arg("--columns").arg(&table).args(["--key-column", "tile"]))
    };
    run("tile,label,cloud\n000000.jpg,sea,0.5\n000002.jpg,harbor,\nno such tile.jpg,sea,1\n")
        .ends_with(0)
        .says("columns: 1 images are not in the table, such as 000001.jpg")
        .says("columns: 1 keys of the table are those of no image, such as no such tile.jpg");
    let value = |key: &str, name: &str| {
        let archive = DiskArchive::open(&archive).unwrap();
        archive.value(name, archive.find(key).unwrap()).map(|value| value.to_string())
    };
    let kept = || (value("000000.jpg", "label"), value("000000.jpg", "cloud"), value("000002.jpg", "label"));
    assert_eq!(kept(), (Some("sea".into()), Some("0.5".into()), Some("harbor".into())));
    bed.run(&archive).ends_with(0);
    assert_eq!(kept(), (Some("sea".into()), Some("0.5".into()), Some("harbor".into())));

    run("tile,label\n000002.jpg,quay\n")
        .ends_with(0)
        .says("0 encoded, 3 unchanged")
        .says("columns: 1 rows that were not encoded again got other values");
    assert_eq!(kept(), (Some("sea".into()), Some("0.5".into()), Some("quay".into())));

    // These tables are wrong in ways that are seen before anything is encoded.
    let before = files(&archive);
    run("tile,cloud\n000000.jpg,cloudy\n").ends_with(1).says("column \"cloud\": expected float, got text");
    run("tile,label\nimages/000000.jpg,sea\n").ends_with(1).says("--key-column names another column");
    run("key,label\n000000.jpg,sea\n").ends_with(1).says("column tile is missing; present: key, label");
    assert!(files(&archive) == before);
}

#[test]
fn tar_shards_are_ingested_where_they_lie_with_their_columns() {
    let bed = Bed::new(0);
    let (archive, export) = (bed.path("tiles.rscir"), bed.path("tiles.npy"));
    let shards = repository("crates/rscir-images/tests/data/shards");
    let run = |names: &[&str], export: Option<&Path>| {
        let mut command = example("extract_features");
        command.arg("--archive").arg(&archive).arg("--tar").args(names.iter().map(|name| shards.join(name)));
        export.map(|path| command.arg("--export").arg(path));
        finish(&mut command)
    };
    run(&["000.tar"], None).ends_with(0).says("left out: 1 nested values in .json members").says("2 encoded");
    run(&["000.tar", "001.tar"], Some(&export))
        .ends_with(0)
        .says("1 encoded, 2 unchanged")
        .says("keeps no columns");
    let opened = DiskArchive::open(&archive).unwrap();
    let row = opened.find("000.tar#tiles/0002.png").unwrap();
    assert_eq!(opened.value("txt", row).map(|value| value.to_string()), Some("na\u{ef}ve".into()));
    assert_eq!(Features::read(&export).unwrap().keys.len(), 3);

    let cut = bed.path("cut.tar");
    fs::write(&cut, &fs::read(shards.join("000.tar")).unwrap()[..3000]).unwrap();
    let mut command = example("extract_features");
    let cut_off = finish(command.arg("--archive").arg(&archive).arg("--tar").arg(&cut));
    cut_off
        .ends_with(3)
        .says("failed: cut.tar: list: after tiles/0001.txt: it ends without the mark of its end");
    let zipped = bed.path("zipped.tar");
    fs::write(&zipped, [0x1f, 0x8b, 8].repeat(200)).unwrap();
    let mut command = example("extract_features");
    finish(command.arg("--archive").arg(&archive).arg("--tar").arg(&zipped))
        .ends_with(1)
        .says("unpack compressed");
}

/// Encodes `n` files in four processes, of which one is killed and run again, and compares their merged archive
/// with that of one process.
fn shards_of_processes_are_merged_to_the_bytes_of_one(n: usize) {
    let bed = Bed::new(n);
    let whole = bed.path("whole.rscir");
    bed.run(&whole).ends_with(0).says(&format!("{n} rows; {n} encoded"));
    let expected = compacted_files(&whole);

    let shard = |number: usize| bed.path(&format!("shard{number}.rscir"));
    let command = |number: usize| {
        let mut command = bed.command(&shard(number));
        command.arg("--shard").arg(format!("{number}/4"));
        command
    };
    let merge = |shards: &[PathBuf]| {
        finish(example("merge_archives").arg("--archive").arg(bed.path("merged.rscir")).args(shards))
    };
    let mut children: Vec<Child> = (1..=4)
        .map(|number| command(number).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        .collect();
    wait_for_rows(&shard(3), &mut children[2]);
    children[2].kill().unwrap();
    for (child, number) in children.iter_mut().zip(1..) {
        assert_eq!(child.wait().unwrap().success(), number != 3, "shard {number}");
    }
    let all: Vec<PathBuf> = (1..=4).map(shard).collect();
    merge(&all)
        .ends_with(1)
        .says("shard3.rscir: the ingest of shard 3/4 is unfinished")
        .says("extract_features --shard");
    let kept = rows(&shard(3));
    finish(&mut command(3)).ends_with(0).says("shard 3/4").says(&format!("{kept} unchanged"));
    let before = files(&shard(3));
    finish(&mut command(3)).ends_with(0).says("0 encoded");
    assert!(files(&shard(3)) == before, "a shard run twice changes nothing");

    merge(&all[..3]).ends_with(1).says("of 4 shards one is missing: 4/4");
    merge(&all).ends_with(0);
    assert_identical(&bed.path("merged.rscir"), &expected);
    // The next ingest continues the merged archive like the archive of one process.
    bed.run(&bed.path("merged.rscir")).ends_with(0).says(&format!("0 encoded, {n} unchanged"));
    println!("{n} files: four shards, one killed with {kept} rows and run again, merged to the bytes of one");
}

#[test]
fn four_shards_of_which_one_is_killed_are_merged_to_the_bytes_of_one_process() {
    shards_of_processes_are_merged_to_the_bytes_of_one(600);
}

#[test]
#[ignore = "5,000 files: cargo test --release --test ingest five_thousand -- --ignored --nocapture"]
fn four_shards_of_five_thousand_files_are_merged_to_the_bytes_of_one_process() {
    shards_of_processes_are_merged_to_the_bytes_of_one(5_000);
}

#[test]
fn a_shard_reports_what_is_its_own_and_refuses_anothers_archive() {
    let bed = Bed::new(40);
    for i in 0..8 {
        fs::write(bed.image(&format!("broken{i}.jpg")), "").unwrap();
    }
    let table = bed.path("tiles.csv");
    let labels = (0..48).map(|i| format!("{i:06}.jpg,sea\n"));
    fs::write(&table, format!("key,label\n{}", labels.collect::<String>())).unwrap();
    let run = |shard: &str, archive: &str| {
        let mut command = bed.command(&bed.path(archive));
        finish(command.args(["--shard", shard, "--columns"]).arg(&table))
    };
    let mut failed = 0;
    for number in 1..=3 {
        let ended = run(&format!("{number}/3"), &format!("{number}.rscir")).ends_with(3);
        failed += ended.err.matches(": decode: ").count();
        assert!(!ended.err.contains("columns: 8 keys"), "keys of other shards are not missed: {}", ended.err);
    }
    assert_eq!(failed, 8, "each broken file is reported by one shard");
    let sum: usize = (1..=3).map(|number| rows(&bed.path(&format!("{number}.rscir")))).sum();
    assert_eq!(sum, 40);
    let before = files(&bed.path("1.rscir"));
    run("2/3", "1.rscir").ends_with(1).says("holds shard 1/3, and shard 2/3 should go into it");
    bed.run(&bed.path("1.rscir")).ends_with(1).says("holds shard 1/3, and no single shard should go into it");
    run("0/3", "1.rscir").ends_with(2).says("such as 1/4 to 4/4");
    assert!(files(&bed.path("1.rscir")) == before);
}
