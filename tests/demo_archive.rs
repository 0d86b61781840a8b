//! Checks that the demo's archive is whole, also after a program that made it was killed and if several make it at
//! once.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::{example, repository};
use rscir::prelude::*;

/// Returns the path of the archive.
fn archive() -> PathBuf {
    repository("target/demo.rscir")
}

/// Lists the demo's tiles.
const TILES: usize = 630;

fn search() -> Command {
    let mut command = example("search");
    command.arg("--image").arg(repository("data/demo/benchmark/images/runway/runway04.jpg"));
    command.args(["--text", "sand", "--top", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Panics unless the command gave the answer of the whole archive.
#[track_caller]
fn assert_right(output: &std::process::Output) {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(out.contains("runway69.jpg"), "{out}{error}");
}

fn remove() {
    if archive().exists() {
        fs::remove_dir_all(archive()).unwrap();
    }
}

fn rows() -> usize {
    DiskArchive::open(archive()).map_or(0, |archive| archive.len())
}

// There is one test for all of this, because all programs share one archive.
#[test]
fn a_first_run_that_was_killed_is_completed_and_six_at_once_all_answer_right() {
    remove();
    let mut first = search().spawn().unwrap();
    while rows() == 0 {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended before it had a row");
        sleep(Duration::from_millis(1));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let kept = rows();
    assert!(0 < kept && kept < TILES, "{kept} rows");
    assert_right(&search().output().unwrap());
    assert_eq!(rows(), TILES);

    // An archive of another model is made again, and so is one that cannot be read.
    remove();
    drop(ArchiveWriter::create(archive(), EncoderSpec::unknown(7), Precision::F32).unwrap());
    assert_right(&search().output().unwrap());
    fs::write(archive().join("manifest.json"), "{}").unwrap();
    assert_right(&search().output().unwrap());

    remove();
    let six: Vec<_> = (0..6).map(|_| search().spawn().unwrap()).collect();
    let outputs: Vec<_> = six.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    outputs.iter().for_each(assert_right);
    assert_eq!(rows(), TILES);
    let waited = |output: &&std::process::Output| {
        String::from_utf8_lossy(&output.stderr).contains("another program is making the demo's archive")
    };
    assert!(outputs.iter().filter(waited).count() > 0, "who waits says so");
}
