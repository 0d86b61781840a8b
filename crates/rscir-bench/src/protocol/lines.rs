//! Reads the text files of a benchmark, with line numbers and within limits.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Take};
use std::path::Path;

use rscir_core::files::{self, CsvLimits, CsvRecord, FileError};

use crate::{Error, Result};

/// Greatest length of a file in bytes. The largest list, i-CIR's gallery of 750,000 images, has a third of
/// it.
pub(super) const MAX_FILE_BYTES: u64 = 256 << 20;

/// Greatest length of a line or a CSV record in bytes: room for the keys of a hundred thousand relevant
/// images.
const MAX_LINE_BYTES: u64 = 4 << 20;

/// Greatest number of lines or records of a file: five times those of i-CIR's gallery. Rows of three letters
/// would otherwise take thirty times as much memory as space on the disk.
const MAX_LINES: u64 = 4_000_000;

/// Iterator over the lines of a file that are not empty, without byte order marks, with their numbers from 1.
/// It ends after the first error.
pub(super) struct TextLines<'a> {
    path: &'a Path,
    file: BufReader<Take<File>>,
    line: u64,
    failed: bool,
}

/// Opens a list that is not longer than the limit, and reads no more than the limit if the file grows.
fn open_list(path: &Path) -> Result<BufReader<Take<File>>> {
    let (file, bytes) = files::open_regular(path)?;
    if bytes > MAX_FILE_BYTES {
        return Err(FileError::TooLarge { path: path.into(), bytes, limit: MAX_FILE_BYTES }.into());
    }
    Ok(BufReader::new(file.take(MAX_FILE_BYTES)))
}

/// Reads a text file line by line.
pub(super) fn read_lines(path: &Path) -> Result<TextLines<'_>> {
    let file = open_list(path)?;
    Ok(TextLines { path, file, line: 0, failed: false })
}

impl TextLines<'_> {
    /// Reads the next line that is not empty. Returns `None` at the end.
    fn line(&mut self) -> Result<Option<(u64, String)>> {
        loop {
            let mut bytes = Vec::new();
            let mut limited = (&mut self.file).take(MAX_LINE_BYTES + 1);
            let failed = |source| Error::Io { action: "read", path: self.path.into(), source };
            let read = limited.read_until(b'\n', &mut bytes).map_err(failed)? as u64;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            let bad = |problem| Err(Error::Line { path: self.path.into(), line: self.line, problem });
            if read > MAX_LINE_BYTES {
                return bad(format!("the line has more than {MAX_LINE_BYTES} bytes: write one row a line"));
            }
            if self.line > MAX_LINES {
                return bad(format!("there are more than {MAX_LINES} lines: split the list"));
            }
            let text = files::utf8(self.path, self.line, bytes)?;
            if text.contains('\0') {
                return Err(not_text(self.path, self.line, "a NUL byte"));
            }
            let text = files::without_byte_order_mark(text.trim_end_matches(['\r', '\n']));
            if !text.trim().is_empty() {
                return Ok(Some((self.line, text.into())));
            }
        }
    }
}

impl Iterator for TextLines<'_> {
    type Item = Result<(u64, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let line = self.line().transpose();
        self.failed = matches!(line, Some(Err(_)));
        line
    }
}

/// Reads the records of a CSV file, with the errors of this crate.
pub(super) fn read_csv(path: &Path) -> Result<impl Iterator<Item = Result<CsvRecord>>> {
    /// Number of fields of a record that are kept. No benchmark has more than five.
    const KEPT_FIELDS: usize = 16;
    let limits = CsvLimits {
        file_bytes: MAX_FILE_BYTES,
        record_bytes: MAX_LINE_BYTES,
        records: MAX_LINES,
        fields: KEPT_FIELDS,
    };
    Ok(files::read_csv(path, limits)?.map(|record| Ok(record?)))
}

/// Makes the error about bytes that are not text.
fn not_text(path: &Path, line: u64, problem: &str) -> Error {
    Error::Line { path: path.into(), line, problem: format!("{problem}: save the file as UTF-8 text") }
}

/// Greatest length in bytes of a field that a person may have meant. File names have at most 255 bytes.
const MAX_FIELD_BYTES: usize = 4096;

/// Returns what is wrong with a field that names or describes something, or `None`.
pub(super) fn field_problem(what: &str, field: &str) -> Option<String> {
    let problem = if field.trim().is_empty() {
        "is empty: fill it in, or delete the line"
    } else if field.len() > MAX_FIELD_BYTES {
        return Some(format!("the {what} has {} characters: more than {MAX_FIELD_BYTES}", field.len()));
    } else if field.contains(['\n', '\r']) {
        "holds a line break: write it on one line, or close a quote"
    } else if field.trim() != field {
        "begins or ends with a blank: take it away"
    } else {
        return None;
    };
    Some(format!("the {what} {problem}"))
}

/// Shortens a text for a message, because a file may have megabytes where a word should be.
pub(crate) fn shortened(text: &str) -> String {
    /// Number of characters that a message shows: some lines of a terminal.
    const SHOWN: usize = 300;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into(),
    }
}

/// Returns the last part of a path, for reports.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
