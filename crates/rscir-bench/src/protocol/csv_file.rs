//! The csv files of a benchmark, read record by record within limits.

use std::fs::File;
use std::io::{BufRead, BufReader, Bytes, Take};
use std::path::Path;

use super::lines::{MAX_LINE_BYTES, MAX_LINES, not_text, open_list, utf8};
use crate::{Error, Result};

/// A record of a csv file and the line it begins on.
pub(super) struct Record {
    pub(super) line: u64,
    /// The fields, [`KEPT_FIELDS`] at most.
    pub(super) fields: Vec<String>,
    /// How many fields it has.
    pub(super) count: usize,
}

/// Fields of a record that are kept; all are counted. No benchmark has more than five.
const KEPT_FIELDS: usize = 16;

/// The records of a file. Ends after the first error.
///
/// No line is taken for a header. Empty lines are left out, as every csv reader does, and byte order marks at the beginning
/// of a record, which files that were joined have within.
pub(super) struct CsvRecords<'a, R = BufReader<Take<File>>> {
    path: &'a Path,
    bytes: Bytes<R>,
    /// Line of the next byte.
    line: u64,
    /// Records so far.
    records: u64,
    failed: bool,
}

/// Reads a csv file: fields between commas, quotes around those that hold commas, quotes or line ends.
pub(super) fn read_csv(path: &Path) -> Result<CsvRecords<'_>> {
    Ok(CsvRecords::new(path, open_list(path)?))
}

/// Where in a field a byte is.
enum At {
    Start,
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: its end, or half of a doubled quote.
    Closed,
}

/// A record in the making.
struct Building {
    record: Record,
    field: Vec<u8>,
    /// Line on which the field begins.
    line: u64,
}

impl Building {
    /// Ends the field.
    fn end(&mut self, path: &Path, next_line: u64) -> Result<()> {
        if self.record.fields.len() < KEPT_FIELDS {
            let field = utf8(path, self.line, std::mem::take(&mut self.field))?;
            self.record.fields.push(field);
        }
        self.field.clear();
        self.record.count += 1;
        self.line = next_line;
        Ok(())
    }
}

impl<'a, R: BufRead> CsvRecords<'a, R> {
    fn new(path: &'a Path, input: R) -> Self {
        Self { path, bytes: input.bytes(), line: 1, records: 0, failed: false }
    }

    fn bad(&self, line: u64, problem: String) -> Error {
        Error::Line { path: self.path.into(), line, problem }
    }

    fn byte(&mut self) -> Result<Option<u8>> {
        let failed = |source| Error::Io { action: "read", path: self.path.into(), source };
        self.bytes.next().transpose().map_err(failed)
    }

    /// The next record; `None` at the end.
    fn record(&mut self) -> Result<Option<Record>> {
        let record = Record { line: self.line, fields: Vec::new(), count: 0 };
        let mut building = Building { record, field: Vec::new(), line: self.line };
        let (mut at, mut opened, mut length) = (At::Start, self.line, 0);
        loop {
            let Some(byte) = self.byte()? else {
                if let At::Quoted = at {
                    let problem =
                        "a quote is not closed: close it, or double it where it is part of the text";
                    return Err(self.bad(opened, problem.into()));
                }
                if length == 0 {
                    return Ok(None);
                }
                break;
            };
            let line = self.line;
            self.line += u64::from(byte == b'\n');
            if length == 0 && matches!(byte, b'\r' | b'\n') {
                (building.record.line, building.line, opened) = (self.line, self.line, self.line);
                continue;
            }
            length += 1;
            if length > MAX_LINE_BYTES {
                let (line, what) = match at {
                    At::Quoted => (opened, "a quote is not closed within"),
                    _ => (line, "the line has more than"),
                };
                return Err(self.bad(line, format!("{what} {MAX_LINE_BYTES} bytes: write one row a line")));
            }
            if byte == 0 {
                // UTF-16 without its mark is UTF-8 with a NUL in every other place.
                utf8(self.path, building.line, building.field)?;
                return Err(not_text(self.path, line, "a NUL byte"));
            }
            let is_first = building.record.count == 0;
            at = match (at, byte) {
                (At::Start, b'"') => {
                    opened = line;
                    At::Quoted
                }
                (At::Quoted, b'"') => At::Closed,
                (At::Closed, b'"') | (At::Quoted, _) => {
                    building.field.push(byte);
                    At::Quoted
                }
                (_, b'\r' | b'\n') => break,
                (_, b',') => {
                    building.end(self.path, line)?;
                    At::Start
                }
                _ => {
                    building.field.push(byte);
                    At::Plain
                }
            };
            if is_first && matches!(at, At::Plain) && building.field == "\u{feff}".as_bytes() {
                building.field.clear();
                (at, length) = (At::Start, 0);
            }
        }
        building.end(self.path, self.line)?;
        self.records += 1;
        if self.records > MAX_LINES {
            let problem = format!("there are more than {MAX_LINES} rows: split the list");
            return Err(self.bad(building.record.line, problem));
        }
        Ok(Some(building.record))
    }
}

impl<R: BufRead> Iterator for CsvRecords<'_, R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.record().transpose();
        self.failed = matches!(record, Some(Err(_)));
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<Vec<(u64, Vec<String>, usize)>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let records = read_csv(file.path())?;
        records.map(|r| r.map(|r| (r.line, r.fields, r.count))).collect()
    }

    fn read_in_memory(content: &[u8]) -> Result<Vec<Record>> {
        CsvRecords::new(Path::new("a.csv"), content).collect()
    }

    fn count(content: &[u8]) -> Result<usize> {
        CsvRecords::new(Path::new("a.csv"), content).try_fold(0, |count, record| record.map(|_| count + 1))
    }

    /// What the csv crate makes of the same bytes.
    fn reference(content: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(content);
        reader.records().map(|record| record.unwrap().iter().map(String::from).collect()).collect()
    }

    #[test]
    fn records_are_those_of_the_csv_crate() {
        // Every text of up to seven of the letters that matter.
        let letters = [b'a', b',', b'"', b'\r', b'\n'];
        let mut compared = 0;
        for code in 0..5usize.pow(7) {
            let text: Vec<u8> = (0..7).map(|place| letters[code / 5usize.pow(place) % 5]).collect();
            // The csv crate takes a field that is not closed for one that is.
            if let Ok(records) = read_in_memory(&text) {
                let fields: Vec<Vec<String>> = records.into_iter().map(|record| record.fields).collect();
                assert_eq!(fields, reference(&text), "{}", String::from_utf8_lossy(&text).escape_debug());
                compared += 1;
            }
        }
        assert!(compared > 40_000, "{compared}");
    }

    #[test]
    fn records_know_their_lines() {
        let records = read("a\r\n\r\nb,\"c\nd\"\n\n\u{feff}e,\u{feff}f\n\u{feff}\n".as_bytes()).unwrap();
        let fields = |record: &[&str]| record.iter().map(|f| (*f).to_string()).collect::<Vec<_>>();
        assert_eq!(
            records,
            [(1, fields(&["a"]), 1), (3, fields(&["b", "c\nd"]), 2), (6, fields(&["e", "\u{feff}f"]), 2)]
        );
    }

    #[test]
    fn fields_are_counted_beyond_those_that_are_kept() {
        let records = read(&[b','; 1000]).unwrap();
        assert_eq!((records[0].1.len(), records[0].2), (KEPT_FIELDS, 1001));
    }

    #[test]
    fn a_file_has_so_many_records_at_most() {
        let most = MAX_LINES as usize;
        assert_eq!(read_in_memory(&b"\n".repeat(most + 1)).unwrap().len(), 0);
        let error = count(&b"a\n".repeat(most + 1)).unwrap_err();
        assert!(matches!(error, Error::Line { line, .. } if line == MAX_LINES + 1), "{error}");
        assert_eq!(count(&b"a\n".repeat(most)).unwrap(), most);
    }

    #[test]
    fn a_larger_file_is_not_begun() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(super::super::lines::MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(read_csv(file.path()), Err(Error::File(_))));
    }
}
