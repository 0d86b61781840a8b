//! The text files of a benchmark, read with line numbers.

use std::path::Path;

use crate::{Error, Result};

/// A record of a csv file and the line it begins on.
pub(super) struct Record {
    pub(super) line: u64,
    pub(super) fields: Vec<String>,
}

/// Reads a csv file without taking any line for a header. Empty lines are left out, as every csv reader does; a byte order
/// mark is dropped.
pub(super) fn read_csv(path: &Path) -> Result<Vec<Record>> {
    let text = read_text(path)?;
    let text = text.trim_start_matches('\u{feff}');
    if let Some(line) = unterminated_quote(text) {
        let problem = "a quote is not closed: close it, or double it where it is part of the text".into();
        return Err(Error::Line { path: path.into(), line, problem });
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut lines = LineCounter { text, offset: 0, line: 1 };
    let mut records = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| Error::Line {
            path: path.into(),
            line: error.position().map_or(lines.line, csv::Position::line),
            problem: error.to_string(),
        })?;
        let line = lines.line_of_record(record.position().map_or(0, csv::Position::byte) as usize);
        records.push(Record { line, fields: record.iter().map(str::to_string).collect() });
    }
    Ok(records)
}

/// The line of a quote that opens a field and is closed nowhere, so that the field would swallow the rest of the file.
fn unterminated_quote(text: &str) -> Option<u64> {
    enum At {
        Start,
        Plain,
        Quoted,
        /// Behind a quote in a quoted field: its end, or half of a doubled quote.
        Closed,
    }
    let (mut at, mut line, mut opened) = (At::Start, 1, 1);
    for byte in text.bytes() {
        at = match (at, byte) {
            (At::Start, b'"') => {
                opened = line;
                At::Quoted
            }
            (At::Closed, b'"') => At::Quoted,
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) => At::Quoted,
            (_, b',' | b'\r' | b'\n') => At::Start,
            _ => At::Plain,
        };
        line += u64::from(byte == b'\n');
    }
    matches!(at, At::Quoted).then_some(opened)
}

/// Counts lines up to growing offsets. The csv reader's own count is one behind after a CRLF, whose second half it takes for
/// the start of the next record.
struct LineCounter<'a> {
    text: &'a str,
    offset: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// The line on which the record starts that the reader found at `offset`.
    fn line_of_record(&mut self, offset: usize) -> u64 {
        let bytes = self.text.as_bytes();
        let skipped =
            bytes[offset.min(bytes.len())..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let start = (offset + skipped).min(bytes.len());
        self.line += bytes[self.offset..start].iter().filter(|b| **b == b'\n').count() as u64;
        self.offset = start;
        self.line
    }
}

/// Reads a file that must be UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let bytes =
        std::fs::read(path).map_err(|source| Error::Io { action: "read", path: path.into(), source })?;
    let bad = |before: &[u8], problem: &str| {
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        Error::Line { path: path.into(), line, problem: format!("{problem}: save the file as UTF-8 text") }
    };
    let text = String::from_utf8(bytes)
        .map_err(|error| bad(&error.as_bytes()[..error.utf8_error().valid_up_to()], "not UTF-8"))?;
    // UTF-16 without its mark is UTF-8 with a NUL in every other place.
    match text.find('\0') {
        Some(at) => Err(bad(&text.as_bytes()[..at], "a NUL byte")),
        None => Ok(text),
    }
}

/// Characters of a field that a person may have meant; names of files have at most 255 bytes.
const LONGEST_FIELD: usize = 4096;

/// What is wrong with a field that names or describes something, if anything is.
pub(super) fn field_problem(what: &str, field: &str) -> Option<String> {
    let problem = if field.trim().is_empty() {
        "is empty: fill it in, or delete the line"
    } else if field.len() > LONGEST_FIELD {
        return Some(format!("the {what} has {} characters: more than {LONGEST_FIELD}", field.len()));
    } else if field.contains(['\n', '\r']) {
        "holds a line break: write it on one line, or close a quote"
    } else if field.trim() != field {
        "begins or ends with a blank: take it away"
    } else {
        return None;
    };
    Some(format!("the {what} {problem}"))
}

/// The last part of a path, for reports.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
