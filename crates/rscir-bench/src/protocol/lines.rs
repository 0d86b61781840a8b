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
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        Error::Line { path: path.into(), line, problem: "not UTF-8: save the file as UTF-8".into() }
    })
}
