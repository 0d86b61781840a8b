//! Prints results on standard output, and all else on standard error. If the reader of standard output has gone
//! away, the job goes on and the program ends without an error, where `println!` would panic. A full device is an
//! error at the end.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use super::text;

/// The first failure of standard output, after which nothing is written to it.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints lines on standard output, like `println!`.
macro_rules! say {
    ($($arguments:tt)*) => { $crate::common::out::write_lines(format_args!($($arguments)*)) };
}

/// Prints lines on standard error, like `eprintln!`.
macro_rules! note {
    ($($arguments:tt)*) => { $crate::common::out::write_note(format_args!($($arguments)*)) };
}

pub(crate) use {note, say};

/// Writes lines to standard output, with control characters escaped. A failure is kept for [`finish`], so that the
/// program still writes the files that it was asked for.
pub fn write_lines(lines: Arguments<'_>) {
    raw(&format!("{}\n", text::lines(&lines.to_string())));
}

/// Writes JSON to standard output.
pub fn json(value: &serde_json::Value) {
    raw(&format!("{}\n", text::json(value)));
}

/// Writes text to standard output, unless that has failed before.
fn raw(text: &str) {
    let mut failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner);
    if failure.is_none() {
        *failure = io::stdout().write_all(text.as_bytes()).err();
    }
}

/// Tells whether standard output has taken everything that was written so far.
pub fn is_read() -> bool {
    FAILURE.lock().unwrap_or_else(PoisonError::into_inner).is_none()
}

/// Writes lines to standard error, with control characters escaped. A failure is ignored, because there is nobody
/// to tell.
pub fn write_note(lines: Arguments<'_>) {
    // The lines are written in one piece, so that those of several threads or programs do not mix.
    let _ = io::stderr().write_all(format!("{}\n", text::lines(&lines.to_string())).as_bytes());
}

/// Flushes standard output, and returns the first failure of it.
///
/// # Errors
/// If standard output could not be written. A pipe whose reader has gone away, such as `head`, is no error.
pub fn finish() -> anyhow::Result<()> {
    let failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take();
    match failure.map_or_else(|| io::stdout().flush(), Err) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
