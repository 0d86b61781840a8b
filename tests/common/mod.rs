//! Runs the examples as a user would, and reads the pages as one.

#![allow(dead_code, unreachable_pub, reason = "shared by tests, each of which uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file or folder of the repository.
pub fn repository(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The pages that people read, relative to the repository: at its root, in docs/, of the data, and of each crate.
pub fn pages() -> Vec<PathBuf> {
    let crates = entries("crates").into_iter().map(|folder| folder.join("README.md"));
    let listed = ["", "docs", "data", "data/demo"].into_iter().flat_map(entries);
    let is_page = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "md") && repository(path).is_file()
    };
    listed.chain(crates).filter(is_page).collect()
}

/// What a folder of the repository holds, in the order of names, relative to the repository.
pub fn entries(folder: &str) -> Vec<PathBuf> {
    let path = repository(folder);
    let list = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut found: Vec<_> =
        list.map(|entry| Path::new(folder).join(entry.expect("a folder is listed").file_name())).collect();
    found.sort();
    found
}

/// The lines of a page that are no code, each with its number from 1. Code between backticks is left out.
pub fn prose(text: &str) -> Vec<(usize, String)> {
    let mut is_code = false;
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        if !is_code && !is_fence {
            found.push((at + 1, line.split('`').step_by(2).collect::<Vec<_>>().join("``")));
        }
    }
    found
}

/// The code blocks of a page: the line of each fence from 1, what follows the fence's backticks, and the code.
pub fn code_blocks(text: &str) -> Vec<(usize, String, String)> {
    let mut open: Option<(usize, String, String)> = None;
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line_trimmed = line.trim_start();
        match (line_trimmed.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some((at + 1, info.trim().to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some((_, _, code))) => {
                code.push_str(line);
                code.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// What a run of an example came to.
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// Panics with all output unless the exit code is `code`.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Panics with all output unless standard error holds `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "no {text:?} in stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// A command that runs the example `name`.
pub fn example(name: &str) -> Command {
    // A test lies in <profile>/deps, the examples of the same build in <profile>/examples.
    let test = std::env::current_exe().expect("a running test has a path");
    let profile = test.ancestors().nth(2).expect("a test lies two folders below its profile");
    let path = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is not built: run the whole package's tests, cargo builds the examples then",
        path.display()
    );
    Command::new(path)
}

/// Runs the example `name` with `arguments`.
pub fn run<A: AsRef<std::ffi::OsStr>>(name: &str, arguments: &[A]) -> Run {
    finish(example(name).args(arguments))
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Run {
    let Output { status, stdout, stderr } = command.output().expect("the example starts");
    Run {
        code: status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}
