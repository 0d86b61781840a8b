//! Runs the examples as a user would.

#![allow(dead_code, unreachable_pub, reason = "shared by tests, each of which uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file or folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
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
