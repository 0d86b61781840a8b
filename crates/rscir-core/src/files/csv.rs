use std::fs::File;
use std::io::{BufRead, BufReader, Bytes, Read, Take};
use std::path::{Path, PathBuf};

use super::error::{FileAction, FileError};
use super::open_regular;

/// What a csv file may have at most. Rows of three letters take thirty times the memory that their file takes on the disk,
/// so each of the limits is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvLimits {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of a record.
    pub record_bytes: u64,
    /// Number of records.
    pub records: u64,
    /// Fields of a record that are kept; all are counted.
    pub fields: usize,
}

/// A record of a csv file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvRecord {
    /// The line that it begins on, from 1.
    pub line: u64,
    /// The fields, as many as the limits keep.
    pub fields: Vec<String>,
    /// How many fields it has.
    pub count: usize,
}

/// The records of a csv file: fields between commas, quotes around those that hold commas, quotes or line ends. Ends after the
/// first error.
///
/// No line is taken for a header. Empty lines are left out, as every csv reader does, and byte order marks at the beginning
/// of a record, which files that were joined have within.
#[derive(Debug)]
pub struct CsvRecords<R = BufReader<Take<File>>> {
    path: PathBuf,
    bytes: Bytes<R>,
    limits: CsvLimits,
    /// Line of the next byte.
    line: u64,
    /// Records so far.
    records: u64,
    failed: bool,
}

/// Reads the records of a csv file.
///
/// # Errors
/// [`FileError::TooLarge`], and those of [`open_regular`]. Its items: [`FileError::Line`], [`FileError::NotText`],
/// [`FileError::Io`].
pub fn read_csv(path: impl AsRef<Path>, limits: CsvLimits) -> Result<CsvRecords, FileError> {
    let path = path.as_ref();
    let (file, bytes) = open_regular(path)?;
    if bytes > limits.file_bytes {
        return Err(FileError::TooLarge { path: path.into(), bytes, limit: limits.file_bytes });
    }
    Ok(CsvRecords::new(path, BufReader::new(file.take(limits.file_bytes)), limits))
}

/// Bytes of a file that must be UTF-8 and begin on line `line`.
///
/// # Errors
/// [`FileError::NotText`] with the line of the first byte that is none.
pub fn utf8(path: &Path, line: u64, bytes: Vec<u8>) -> Result<String, FileError> {
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = line + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        FileError::NotText { path: path.into(), line, problem: "not UTF-8" }
    })
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
    record: CsvRecord,
    field: Vec<u8>,
    /// Line on which the field begins.
    line: u64,
}

impl Building {
    /// Ends the field.
    fn end(&mut self, path: &Path, kept: usize, next_line: u64) -> Result<(), FileError> {
        if self.record.fields.len() < kept {
            let field = utf8(path, self.line, std::mem::take(&mut self.field))?;
            self.record.fields.push(field);
        }
        self.field.clear();
        self.record.count += 1;
        self.line = next_line;
        Ok(())
    }
}

impl<R: BufRead> CsvRecords<R> {
    fn new(path: &Path, input: R, limits: CsvLimits) -> Self {
        Self { path: path.into(), bytes: input.bytes(), limits, line: 1, records: 0, failed: false }
    }

    fn bad(&self, line: u64, problem: String) -> FileError {
        FileError::Line { path: self.path.clone(), line, problem }
    }

    fn byte(&mut self) -> Result<Option<u8>, FileError> {
        self.bytes.next().transpose().map_err(FileError::io(FileAction::Read, &self.path))
    }

    /// The next record; `None` at the end.
    fn record(&mut self) -> Result<Option<CsvRecord>, FileError> {
        let CsvLimits { record_bytes, records, fields, .. } = self.limits;
        let record = CsvRecord { line: self.line, fields: Vec::new(), count: 0 };
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
            if length > record_bytes {
                let (line, what) = match at {
                    At::Quoted => (opened, "a quote is not closed within"),
                    _ => (line, "the line has more than"),
                };
                return Err(self.bad(line, format!("{what} {record_bytes} bytes: write one row a line")));
            }
            if byte == 0 {
                // UTF-16 without its mark is UTF-8 with a NUL in every other place.
                utf8(&self.path, building.line, building.field)?;
                return Err(FileError::NotText { path: self.path.clone(), line, problem: "a NUL byte" });
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
                    building.end(&self.path, fields, line)?;
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
        building.end(&self.path, fields, self.line)?;
        self.records += 1;
        if self.records > records {
            let problem = format!("there are more than {records} rows: split the list");
            return Err(self.bad(building.record.line, problem));
        }
        Ok(Some(building.record))
    }
}

impl<R: BufRead> Iterator for CsvRecords<R> {
    type Item = Result<CsvRecord, FileError>;

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

    const LIMITS: CsvLimits =
        CsvLimits { file_bytes: 1 << 20, record_bytes: 4096, records: 1000, fields: 16 };

    fn read(content: &[u8]) -> Result<Vec<(u64, Vec<String>, usize)>, FileError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let records = read_csv(file.path(), LIMITS)?;
        records.map(|r| r.map(|r| (r.line, r.fields, r.count))).collect()
    }

    fn read_in_memory(content: &[u8]) -> Result<Vec<CsvRecord>, FileError> {
        CsvRecords::new(Path::new("a.csv"), content, LIMITS).collect()
    }

    fn count(content: &[u8]) -> Result<usize, FileError> {
        CsvRecords::new(Path::new("a.csv"), content, LIMITS)
            .try_fold(0, |count, record| record.map(|_| count + 1))
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
        assert_eq!((records[0].1.len(), records[0].2), (LIMITS.fields, 1001));
    }

    #[test]
    fn a_file_has_so_many_records_at_most() {
        let most = LIMITS.records as usize;
        assert_eq!(read_in_memory(&b"\n".repeat(most + 1)).unwrap().len(), 0);
        let error = count(&b"a\n".repeat(most + 1)).unwrap_err();
        assert!(matches!(error, FileError::Line { line, .. } if line == LIMITS.records + 1), "{error}");
        assert_eq!(count(&b"a\n".repeat(most)).unwrap(), most);
    }

    #[test]
    fn a_larger_file_is_not_begun() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(LIMITS.file_bytes + 1).unwrap();
        assert!(matches!(read_csv(file.path(), LIMITS), Err(FileError::TooLarge { .. })));
    }
}
