//! Several processes and threads at one archive: one writer, any number of readers, and a writer that is killed.
//!
//! Where a test needs other processes, it runs this program again with [`ROLE`] set and `--ignored --exact other_process`.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Step, content, open_or_create, take};
use rscir_core::{Archive, Precision};
use rscir_index::storage::FileStorage;
use rscir_index::{ArchiveWriter, DiskArchive, Error, verify};

/// Variable that holds the job of another process: `contend` or `ingest`.
const ROLE: &str = "RSCIR_TEST_ROLE";
/// Variable that holds the path of the archive.
const ARCHIVE: &str = "RSCIR_TEST_ARCHIVE";
/// Rows of a batch.
const BATCH: usize = 5;

fn writer(dir: &Path) -> ArchiveWriter {
    open_or_create(Arc::new(FileStorage), dir).unwrap()
}

fn start(role: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "other_process", "--nocapture", "--test-threads", "1"])
        .envs([(ROLE, role.as_ref()), (ARCHIVE, dir.as_os_str())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Returns the lines that another process prints, without those of the test harness.
fn said(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| Some(line.split_once("say ")?.1.to_owned()))
}

fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nsay {what}").and_then(|()| out.flush()).unwrap();
}

#[test]
#[ignore = "run by the other tests, in processes of its own"]
fn other_process() {
    let role = std::env::var(ROLE).expect("the role is set by the test that runs this one");
    let dir = PathBuf::from(std::env::var_os(ARCHIVE).expect("the archive is set with the role"));
    match role.as_str() {
        "contend" => contend(&dir),
        _ => ingest(&dir),
    }
}

/// Tries to open the archive when told to, prints the result, and keeps the archive open until its input ends.
fn contend(dir: &Path) {
    say("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let start = Instant::now();
    let writer = ArchiveWriter::open(dir);
    let time = start.elapsed().as_micros();
    match &writer {
        Ok(_) => say(&format!("won {time}")),
        Err(Error::Locked { .. }) => say(&format!("locked {time}")),
        Err(other) => say(&format!("failed: {other}")),
    }
    let _ = std::io::stdin().read_to_string(&mut line);
}

/// Adds rows until it is killed, and prints the number of rows after each commit has returned.
fn ingest(dir: &Path) {
    let mut writer = writer(dir);
    loop {
        let rows = writer.len();
        take(&mut writer, &Step::Commit((rows..rows + BATCH).collect(), 1)).unwrap();
        say(&writer.len().to_string());
        if rows.is_multiple_of(13 * BATCH) {
            take(&mut writer, &Step::Compact).unwrap();
        }
    }
}

#[test]
fn of_many_processes_one_gets_the_lock_and_the_others_are_told_at_once() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("tiles.rscir");
    take(&mut writer(&dir), &Step::Commit((0..100).collect(), 1)).unwrap();
    let mut slowest = 0;
    for round in 0..200 {
        let mut children: Vec<Child> = (0..2 + round % 7).map(|_| start("contend", &dir)).collect();
        let mut words: Vec<_> = children.iter_mut().map(said).collect();
        for words in &mut words {
            assert_eq!(words.next().as_deref(), Some("ready"));
        }
        let mut inputs: Vec<_> = children.iter_mut().map(|child| child.stdin.take().unwrap()).collect();
        for input in &mut inputs {
            input.write_all(b"go\n").unwrap();
        }
        let mut winners = 0;
        for words in &mut words {
            let word = words.next().unwrap();
            let (result, time) = word.split_once(' ').unwrap();
            winners += usize::from(result == "won");
            if result != "won" {
                assert_eq!(result, "locked", "{word}");
                slowest = slowest.max(time.parse().unwrap());
            }
        }
        assert_eq!(winners, 1, "round {round}");
        drop(inputs);
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
    }
    assert!(slowest < 100_000, "a process waited {slowest} us to be told");
}

#[test]
#[cfg(unix)]
fn forty_kills_lose_nothing_acknowledged() {
    kill_ingests(40);
}

/// `cargo test --release -p rscir-index --test race -- --ignored two_hundred`
#[test]
#[cfg(unix)]
#[ignore = "waits for the disk for half a minute"]
fn two_hundred_kills_lose_nothing_acknowledged() {
    kill_ingests(200);
}

#[cfg(unix)]
fn kill_ingests(times: u64) {
    let parent = tempfile::tempdir().unwrap();
    let mut dir = PathBuf::new();
    for kill in 0..times {
        if kill % 20 == 0 {
            dir = parent.path().join(format!("{kill}.rscir"));
        }
        let mut child = start("ingest", &dir);
        let mut words = said(&mut child);
        let mut acknowledged = 0;
        for word in words.by_ref().take(kill as usize % 7) {
            acknowledged = word.parse().unwrap();
        }
        // Kills the process anywhere in a commit, which takes some milliseconds, or, if no line was awaited,
        // anywhere in the opening.
        std::thread::sleep(Duration::from_micros(kill * 7919 % 6000));
        child.kill().unwrap();
        child.wait().unwrap();
        for word in words {
            acknowledged = word.parse().unwrap();
        }
        let archive = match DiskArchive::open(&dir) {
            Err(Error::NotFound { .. }) if acknowledged == 0 => continue,
            other => other.unwrap(),
        };
        let rows = archive.len();
        assert!(
            rows == acknowledged || rows == acknowledged + BATCH || acknowledged == 0,
            "kill {kill}: {rows}"
        );
        assert_eq!(content(&archive), (0..rows).map(|row| (row, 1)).collect::<Vec<_>>());
        assert!(rows.is_multiple_of(BATCH) && verify(&dir).unwrap().is_sound());
    }
}

#[test]
fn readers_see_prefixes_while_a_writer_commits_and_compacts() {
    const ROWS: usize = 1000;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("tiles.rscir");
    let mut writer = writer(&dir);
    let (acknowledged, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut opened, mut kept) = (0, Vec::new());
                    while !done.load(Ordering::SeqCst) {
                        let before = acknowledged.load(Ordering::SeqCst);
                        let archive = DiskArchive::open(&dir).unwrap();
                        assert!(archive.len() >= before && archive.len().is_multiple_of(BATCH));
                        if opened % 40 == 0 {
                            kept.push((archive.len(), archive));
                        }
                        opened += 1;
                    }
                    // Snapshots stay readable after their files are removed.
                    for (len, archive) in &kept {
                        assert_eq!(content(archive), (0..*len).map(|row| (row, 1)).collect::<Vec<_>>());
                    }
                    opened
                })
            })
            .collect();
        for start in (0..ROWS).step_by(BATCH) {
            take(&mut writer, &Step::Commit((start..start + BATCH).collect(), 1)).unwrap();
            acknowledged.store(start + BATCH, Ordering::SeqCst);
            if start.is_multiple_of(29 * BATCH) {
                writer.compact().unwrap();
            }
        }
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            assert!(reader.join().unwrap() > 10, "readers had time to look");
        }
    });
    assert_eq!((writer.len(), writer.precision()), (ROWS, Precision::F32));
}
