//! Checks that no terminal obeys a name that a program prints, and that a pipe whose reader is gone ends no job.
#![cfg(unix)]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;

use common::{Run, example, finish, repository, run};
use rscir::core::is_unprintable;

/// Sets the title of a terminal, clears it, overwrites the line above, and turns the direction of what follows.
const HOSTILE: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[1Aok\r\u{9b}31m\u{7f}\u{202e}gnp";

fn tile() -> Vec<u8> {
    fs::read(repository("tests/data/ingest/tile.jpg")).unwrap()
}

/// Panics if the output has a character that a terminal obeys, or lacks the escaped form `text`.
#[track_caller]
fn assert_escaped(run: &Run, text: &str) {
    for (name, text) in [("standard output", &run.out), ("standard error", &run.err)] {
        let raw = text.chars().find(|&c| is_unprintable(c) && c != '\n');
        assert_eq!(raw, None, "{name} holds a raw control character: {text:?}");
    }
    assert!(run.out.contains(text) || run.err.contains(text), "no {text:?} in {:?} {:?}", run.out, run.err);
}

#[test]
fn no_byte_of_a_name_is_obeyed_by_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    fs::create_dir(&images).unwrap();
    let good = images.join(format!("{HOSTILE}.jpg"));
    fs::write(&good, tile()).unwrap();
    fs::write(images.join(format!("{HOSTILE}\nfailed: nothing\n.jpg")), "no image").unwrap();
    fs::write(images.join(OsStr::from_bytes(b"\x1b[2J\xff.jpg")), tile()).unwrap();
    let archive = folder.path().join(format!("{HOSTILE}.rscir"));

    let ingest =
        finish(example("extract_features").arg("--images").arg(&images).arg("--archive").arg(&archive))
            .ends_with(3);
    assert_escaped(&ingest, r"\u{1b}]0;title\u{7}\u{1b}[2J");
    assert_eq!(ingest.err.lines().filter(|line| line.starts_with("failed: ")).count(), 2, "{}", ingest.err);

    let search = |arguments: &[&str]| {
        let mut command = example("search");
        command.arg("--archive").arg(&archive).arg("--image").arg(&good).args(arguments);
        finish(&mut command)
    };
    assert_escaped(&search(&["--text", "x"]).ends_with(0), r"\u{202e}gnp.jpg");
    let json = search(&["--text", "x", "--json"]).ends_with(0);
    assert_escaped(&json, "\\u001b]0;title\\u0007\\u001b[2J");
    let hits: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(hits[0]["key"], format!("{HOSTILE}.jpg"), "JSON gives the name back as it is");

    // These are errors of the program, of the library and of the parser of arguments.
    fs::write(folder.path().join(HOSTILE), "no image").unwrap();
    let missing = finish(example("search").arg("--archive").arg(folder.path().join(HOSTILE)).arg("--text=x"));
    assert_escaped(&missing.ends_with(1), r"\u{1b}]0;title");
    for arguments in [
        vec![format!("--{HOSTILE}")],
        vec!["--text=x".into(), format!("--lambda={HOSTILE}")],
        vec!["--text=x".into(), format!("--where={HOSTILE}")],
        vec!["--text=x".into(), "--device".into(), format!("{HOSTILE}\nerror: another")],
    ] {
        let run = run("search", &arguments).ends_with(2);
        assert_escaped(&run, r"\u{1b}]0;title");
        assert_eq!(run.err.matches("\nerror").count(), 0, "{}", run.err);
    }
    assert_escaped(&finish(example("evaluate_patterncom").arg("--methods").arg(HOSTILE)), r"\u{1b}]0;title");
}

/// An archive of 40 rows, and the file of one of them.
fn archive(folder: &Path) -> (String, String) {
    let images = folder.join("images");
    fs::create_dir(&images).unwrap();
    for i in 0..40 {
        fs::write(images.join(format!("{i:02}.jpg")), tile()).unwrap();
    }
    let archive = folder.join("a.rscir");
    finish(example("extract_features").arg("--images").arg(&images).arg("--archive").arg(&archive))
        .ends_with(0);
    let text = |path: &Path| path.to_str().unwrap().to_string();
    (text(&archive), text(&images.join("00.jpg")))
}

#[test]
fn a_reader_that_goes_away_ends_a_search_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, image) = archive(folder.path());
    for error_closed in [false, true] {
        let mut child = example("search")
            .args(["--archive", &archive, "--image", &image, "--text", "x", "--top", "40"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        if error_closed {
            drop(child.stderr.take());
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn a_reader_that_goes_away_costs_no_file_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (report, page) = (folder.path().join("report"), folder.path().join("page.html"));
    let mut child = example("evaluate_patterncom")
        .args(["--methods", "image"])
        .arg("--output")
        .arg(&report)
        .arg("--page")
        .arg(&page)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut first = [0];
    let mut errors = child.stderr.take().unwrap();
    // After one byte nobody reads standard error either.
    let _ = errors.read(&mut first).unwrap();
    drop(errors);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(report.join("metrics.csv").is_file() && page.is_file());
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_device_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, image) = archive(folder.path());
    for form in [&["--top", "3"][..], &["--json"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = example("search")
            .args(["--archive", &archive, "--image", &image])
            .args(form)
            .stdout(full)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("error: cannot write to standard output: No space left"), "{error}");
        assert_eq!(output.status.code(), Some(1));
    }
}

/// Programs with arguments that make them print.
const PRINTING: [(&str, &[&str]); 10] = [
    ("compact", &["--help"]),
    ("compare_methods", &["--help"]),
    ("evaluate_patterncom", &["--help"]),
    ("extract_features", &["--help"]),
    ("import_vectors", &["--help"]),
    ("query_picture", &["--help"]),
    ("repair", &["--help"]),
    ("reproduce", &["--help"]),
    ("search", &["--version"]),
    ("verify", &["--help"]),
];

#[test]
fn every_program_ends_quietly_when_nobody_reads() {
    for (program, arguments) in PRINTING {
        let mut command = example(program);
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*error), (Some(0), ""), "{program}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn every_program_says_that_a_device_is_full() {
    for (program, arguments) in PRINTING {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = example(program).args(arguments).stdout(full).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.starts_with("error: cannot write to standard output: No space left"),
            "{program}: {error}"
        );
        assert_eq!(output.status.code(), Some(1), "{program}");
    }
}
