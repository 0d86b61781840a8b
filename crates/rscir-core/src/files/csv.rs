use std::fs::File;
use std::io::{BufRead, BufReader, Bytes, Read, Take};
use std::path::{Path, PathBuf};

use super::error::{FileAction, FileError};
use super::open_regular;

/// Limits of a CSV file. Rows of three letters take thirty times as much memory as space on the disk, so each
/// of the limits is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvLimits {
    /// Greatest length of the file in bytes.
    pub file_bytes: u64,
    /// Greatest length of a record in bytes.
    pub record_bytes: u64,
    /// Greatest number of records.
    pub records: u64,
    /// Number of fields of a record that are kept. All fields are counted.
    pub fields: usize,
}

/// A record of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvRecord {
    /// Line on which the record begins, from 1.
    pub line: u64,
    /// The first fields, as many as the limits keep.
    pub fields: Vec<String>,
    /// Number of fields that the record has in the file.
    pub count: usize,
}

/// Iterator over the records of a CSV file: fields between commas, with quotes around fields that hold
/// commas, quotes or line ends. It ends after the first error.
///
/// The first line is a record like all others. Empty lines are skipped, as by every CSV reader. So is a byte
/// order mark at the beginning of a record, which files joined from several have in the middle.
#[derive(Debug)]
pub struct CsvRecords<R = BufReader<Take<File>>> {
    path: PathBuf,
    bytes: Bytes<R>,
    limits: CsvLimits,
    /// Line of the next byte.
    line: u64,
    /// Number of records read so far.
    records: u64,
    failed: bool,
}

/// Opens a CSV file and reads its records.
///
/// # Errors
/// [`FileError::TooLarge`] if the file is longer than the limit; the errors of [`open_regular`]. The iterator
/// returns [`FileError::Line`] for a record that breaks a limit or has an open quote, [`FileError::NotText`]
/// and [`FileError::Io`].
pub fn read_csv(path: impl AsRef<Path>, limits: CsvLimits) -> Result<CsvRecords, FileError> {
    let path = path.as_ref();
    let (file, bytes) = open_regular(path)?;
    if bytes > limits.file_bytes {
        return Err(FileError::TooLarge { path: path.into(), bytes, limit: limits.file_bytes });
    }
    Ok(CsvRecords::new(path, BufReader::new(file.take(limits.file_bytes)), limits))
}

/// Takes the bytes of a file, which begin on line `line`, as UTF-8.
///
/// # Errors
/// [`FileError::NotText`] with the line of the first byte that is not UTF-8.
pub fn utf8(path: &Path, line: u64, bytes: Vec<u8>) -> Result<String, FileError> {
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = line + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        FileError::NotText { path: path.into(), line, problem: "not UTF-8" }
    })
}

/// Position of a byte in a field.
enum At {
    Start,
    Plain,
    Quoted,
    /// After a quote in a quoted field, which is the field's end or the first half of a doubled quote.
    Closed,
}

/// A record under construction.
struct Building {
    record: CsvRecord,
    field: Vec<u8>,
    /// Line on which the field begins.
    line: u64,
}

impl Building {
    /// Ends the current field.
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

    /// Reads the next record. Returns `None` at the end of the file.
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
                // UTF-16 without a byte order mark is UTF-8 with a NUL in every other place.
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

    /// Reads the same bytes by the csv crate.
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
