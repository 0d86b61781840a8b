//! Directories of a TIFF or BigTIFF file (TIFF 6.0, section 2).

use super::{ReadAt, damaged, read_failed, tag};
use crate::ImageProblem;

/// The most entries of a directory. A classic file counts them with 16 bits.
const MAX_ENTRIES: u64 = 65_535;
/// The most bytes of a tag's numbers, each of which may take eight bytes in memory. The longest that files have are
/// maps of 65,536 colors, with 384 KiB. Offsets and lengths of strips and tiles are read in parts.
const MAX_NUMBERS: u64 = 1 << 20;
/// The most bytes of a long text. GDAL's metadata of a scene with hundreds of bands have some hundred kilobytes.
pub(super) const LONG_TEXT: u64 = 16 << 20;
/// The most bytes of a text that is a number or a date. A float of 64 bits has some 300 digits at most.
pub(super) const SHORT_TEXT: u64 = 1 << 10;

/// The form of the numbers in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// True if the least significant byte comes first.
    pub(crate) little: bool,
    /// True if offsets have 64 bits, as in BigTIFF.
    pub(crate) big: bool,
}

impl Form {
    /// Reads the header. Returns the form and the position of the first directory.
    pub(super) fn read(source: &dyn ReadAt) -> Result<(Self, u64), ImageProblem> {
        let mut start = [0; 16];
        let length = source.size().min(16) as usize;
        let start: &mut [u8] = start.get_mut(..length).unwrap_or_default();
        source.read_at(0, start).map_err(|error| read_failed(0, error))?;
        let start = &*start;
        let short = || damaged("the header is cut short");
        let little = start.starts_with(b"II");
        let form = Self { little, big: false };
        let version = form.number_at(start, 2, 2).ok_or_else(short)?;
        match (start, version) {
            ([b'I', b'I', ..] | [b'M', b'M', ..], 42) => {
                Ok((form, form.number_at(start, 4, 4).ok_or_else(short)?))
            }
            ([b'I', b'I', ..] | [b'M', b'M', ..], 43) => {
                Ok((Self { big: true, ..form }, form.number_at(start, 8, 8).ok_or_else(short)?))
            }
            _ => Err(damaged("this is no TIFF file: it begins with other bytes")),
        }
    }

    /// Returns the number of bytes of an offset.
    fn offset(self) -> usize {
        if self.big { 8 } else { 4 }
    }

    /// Returns the number of bytes of an entry.
    fn entry(self) -> usize {
        if self.big { 20 } else { 12 }
    }

    /// Reads a number of up to eight bytes.
    pub(super) fn number(self, digits: &[u8]) -> u64 {
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if self.little { digits.iter().rev().fold(0, join) } else { digits.iter().fold(0, join) }
    }

    fn number_at(self, bytes: &[u8], at: usize, length: usize) -> Option<u64> {
        bytes.get(at..at.checked_add(length)?).map(|digits| self.number(digits))
    }
}

/// A directory: the tags that it has, and the positions of their values.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    pub(crate) form: Form,
    entries: Vec<Entry>,
    /// Position of the next directory. 0: there is none.
    pub(super) next: u64,
}

/// The values of a tag, as they lie in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    tag: u16,
    kind: Kind,
    /// Number of bytes of each value.
    pub(super) size: usize,
    pub(super) count: u64,
    /// Position of the values in the file.
    pub(super) at: u64,
}

/// The kind of the values of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
    Text,
    Float,
}

impl Directory {
    /// Reads the directory at `at`.
    pub(super) fn read(source: &dyn ReadAt, form: Form, at: u64) -> Result<Self, ImageProblem> {
        let outside = || damaged("the directory does not lie in the file");
        let read = |at: u64, length: usize| -> Result<Vec<u8>, ImageProblem> {
            let end = at.checked_add(length as u64).ok_or_else(outside)?;
            if end > source.size() {
                return Err(outside());
            }
            let mut bytes = vec![0; length];
            source.read_at(at, &mut bytes).map_err(|error| read_failed(at, error))?;
            Ok(bytes)
        };
        let count_length = if form.big { 8 } else { 2 };
        let count = form.number(&read(at, count_length)?);
        if count > MAX_ENTRIES {
            return Err(damaged(format!("a directory of {count} entries")));
        }
        let start = at.saturating_add(count_length as u64);
        let length = count as usize * form.entry();
        let bytes = read(start, length)?;
        let mut entries: Vec<Entry> = Vec::new();
        for (number, bytes) in bytes.chunks_exact(form.entry()).enumerate() {
            let place = start + (number * form.entry()) as u64;
            // If a tag occurs twice, the first entry counts, since look-ups find it first.
            if let Some(entry) = Entry::parse(form, bytes, place) {
                entries.push(entry);
            }
        }
        // Some programs end the file after the last entry, without the position of a next directory.
        let next = start + length as u64;
        let next = read(next, form.offset()).map_or(0, |bytes| form.number(&bytes));
        Ok(Self { form, entries, next })
    }

    pub(super) fn has(&self, tag: u16) -> bool {
        self.entries.iter().any(|entry| entry.tag == tag)
    }

    /// Returns the entry of a tag if its values are integers.
    pub(super) fn integers(&self, tag: u16) -> Option<Entry> {
        let integers =
            |entry: &&Entry| entry.tag == tag && matches!(entry.kind, Kind::Unsigned | Kind::Signed);
        self.entries.iter().find(integers).copied()
    }

    /// Reads all values of a tag. Returns `None` if the directory does not have the tag.
    ///
    /// # Errors
    /// [`ImageProblem::Damaged`] if values lie beyond the end of the file, or are negative, which no tag that is read
    /// may be.
    pub(crate) fn values(&self, source: &dyn ReadAt, tag: u16) -> Result<Option<Vec<u64>>, ImageProblem> {
        let Some(entry) = self.integers(tag) else { return Ok(None) };
        let bytes = entry.content(source, MAX_NUMBERS)?;
        entry.numbers(self.form, &bytes).map(Some)
    }

    /// Reads the first value of a tag. Returns `default` if the directory does not have the tag.
    pub(crate) fn value(&self, source: &dyn ReadAt, tag: u16, default: u64) -> Result<u64, ImageProblem> {
        Ok(self.values(source, tag)?.and_then(|values| values.first().copied()).unwrap_or(default))
    }

    /// Reads all values of a tag as floats. The list is empty if the directory does not have the tag, or its values are
    /// no numbers.
    ///
    /// # Errors
    /// [`ImageProblem::Damaged`] if values lie beyond the end of the file.
    pub(super) fn floats(&self, source: &dyn ReadAt, tag: u16) -> Result<Vec<f64>, ImageProblem> {
        let numbers = |entry: &&Entry| entry.tag == tag && entry.kind != Kind::Text;
        let Some(entry) = self.entries.iter().find(numbers) else { return Ok(Vec::new()) };
        let bytes = entry.content(source, MAX_NUMBERS)?;
        let number = |digits| match (entry.kind, self.form.number(digits), entry.size) {
            (Kind::Float, number, 4) => f32::from_bits(number as u32).into(),
            (Kind::Float, number, _) => f64::from_bits(number),
            (Kind::Signed, number, size) => {
                let unused = 64 - 8 * size as u32;
                ((number << unused) as i64 >> unused) as f64
            }
            (_, number, _) => number as f64,
        };
        Ok(bytes.chunks_exact(entry.size).map(number).collect())
    }

    /// Reads the text of a tag, up to its first NUL. Returns `None` if the directory does not have the tag, or the text
    /// is not UTF-8.
    ///
    /// # Errors
    /// [`ImageProblem::Damaged`] if the text lies beyond the end of the file, or has more than `most` bytes.
    pub(super) fn text(
        &self,
        source: &dyn ReadAt,
        tag: u16,
        most: u64,
    ) -> Result<Option<String>, ImageProblem> {
        let texts = |entry: &&Entry| entry.tag == tag && entry.kind == Kind::Text;
        let Some(entry) = self.entries.iter().find(texts) else { return Ok(None) };
        let mut content = entry.content(source, most)?;
        content.truncate(content.iter().position(|byte| *byte == 0).unwrap_or(content.len()));
        Ok(String::from_utf8(content).ok())
    }
}

impl Entry {
    /// Reads the entry in `bytes`, which lie at `place` in the file. Returns `None` for a tag or a type that is not read.
    fn parse(form: Form, bytes: &[u8], place: u64) -> Option<Self> {
        let tag = form.number_at(bytes, 0, 2)? as u16;
        if !tag::READ.contains(&tag) {
            return None;
        }
        // The types are BYTE and UNDEFINED, ASCII, SHORT, LONG and IFD, LONG8 and IFD8; the signed types, which some
        // programs use for sizes; FLOAT and DOUBLE.
        let (kind, size) = match form.number_at(bytes, 2, 2)? {
            1 | 7 => (Kind::Unsigned, 1),
            2 => (Kind::Text, 1),
            3 => (Kind::Unsigned, 2),
            4 | 13 => (Kind::Unsigned, 4),
            16 | 18 => (Kind::Unsigned, 8),
            6 => (Kind::Signed, 1),
            8 => (Kind::Signed, 2),
            9 => (Kind::Signed, 4),
            17 => (Kind::Signed, 8),
            11 => (Kind::Float, 4),
            12 => (Kind::Float, 8),
            _ => return None,
        };
        let offset = form.offset();
        let count = form.number_at(bytes, 4, offset)?;
        let inside = count.saturating_mul(size as u64) <= offset as u64;
        let at = if inside { place + 4 + offset as u64 } else { form.number_at(bytes, 4 + offset, offset)? };
        Some(Self { tag, kind, size, count, at })
    }

    /// Reads the numbers in the bytes of the values, or in a part of them.
    ///
    /// # Errors
    /// [`ImageProblem::Damaged`] if one is negative.
    pub(super) fn numbers(self, form: Form, bytes: &[u8]) -> Result<Vec<u64>, ImageProblem> {
        let values: Vec<u64> = bytes.chunks_exact(self.size).map(|digits| form.number(digits)).collect();
        let sign = 1 << (8 * self.size - 1);
        if self.kind == Kind::Signed && values.iter().any(|value| value & sign != 0) {
            return Err(damaged(format!("tag {} has a negative value", self.tag)));
        }
        Ok(values)
    }

    /// Checks that the values lie in the file. Returns the number of their bytes.
    pub(super) fn check(&self, source: &dyn ReadAt) -> Result<u64, ImageProblem> {
        let length = self.count.saturating_mul(self.size as u64);
        match self.at.checked_add(length) {
            Some(end) if end <= source.size() => Ok(length),
            _ => {
                let tag = self.tag;
                Err(damaged(format!("the values of tag {tag} lie beyond the end of the file")))
            }
        }
    }

    /// Reads the bytes of the values.
    ///
    /// # Errors
    /// [`ImageProblem::Damaged`] if they lie beyond the end of the file, or are more than `most`.
    fn content(&self, source: &dyn ReadAt, most: u64) -> Result<Vec<u8>, ImageProblem> {
        // The length is checked before memory is allocated, so that a wrong count cannot exhaust it.
        let length = self.check(source)?;
        if length > most {
            return Err(damaged(format!("tag {} has {length} bytes of values", self.tag)));
        }
        let mut bytes = vec![0; length as usize];
        source.read_at(self.at, &mut bytes).map_err(|error| read_failed(self.at, error))?;
        Ok(bytes)
    }
}
