//! What a program prints: results on standard output, all else on standard error. A reader that has gone away ends neither
//! the job nor the program with a panic, as `println!` would; a device that is full is an error in the end.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use super::text;

/// The first failure of standard output, after which nothing is written to it.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints lines on standard output, as `println!`.
macro_rules! say {
    ($($arguments:tt)*) => { $crate::common::out::write_lines(format_args!($($arguments)*)) };
}

/// Prints lines on standard error, as `eprintln!`.
macro_rules! note {
    ($($arguments:tt)*) => { $crate::common::out::write_note(format_args!($($arguments)*)) };
}

pub(crate) use {note, say};

/// Writes lines to standard output, control characters escaped. What goes wrong is kept for [`finish`]: files asked for are
/// written all the same.
pub fn write_lines(lines: Arguments<'_>) {
    raw(&format!("{}\n", text::lines(&lines.to_string())));
}

/// Writes JSON to standard output.
pub fn json(value: &serde_json::Value) {
    raw(&format!("{}\n", text::json(value)));
}

fn raw(text: &str) {
    let mut failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner);
    if failure.is_none() {
        *failure = io::stdout().write_all(text.as_bytes()).err();
    }
}

/// Tells whether standard output took all that was written so far.
pub fn is_read() -> bool {
    FAILURE.lock().unwrap_or_else(PoisonError::into_inner).is_none()
}

/// Writes lines to standard error, control characters escaped. If it is closed there is nobody to tell.
pub fn write_note(lines: Arguments<'_>) {
    // As one piece: lines of several threads or programs do not mix.
    let _ = io::stderr().write_all(format!("{}\n", text::lines(&lines.to_string())).as_bytes());
}

/// Sees to it that all is written.
///
/// # Errors
/// If standard output could not take it, but for a pipe whose reader has all that it wants, as `head` does.
pub fn finish() -> anyhow::Result<()> {
    let failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take();
    match failure.map_or_else(|| io::stdout().flush(), Err) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
