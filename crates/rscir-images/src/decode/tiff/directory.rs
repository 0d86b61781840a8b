//! The first directory of a TIFF or BigTIFF file (TIFF 6.0, section 2).

use super::damaged;
use crate::decode::ImageProblem;

/// Tags that are read (TIFF 6.0, part 1 and 2).
pub(super) mod tag {
    pub(in super::super) const WIDTH: u16 = 256;
    pub(in super::super) const HEIGHT: u16 = 257;
    pub(in super::super) const BITS: u16 = 258;
    pub(in super::super) const COMPRESSION: u16 = 259;
    pub(in super::super) const PHOTOMETRIC: u16 = 262;
    pub(in super::super) const FILL_ORDER: u16 = 266;
    pub(in super::super) const STRIP_OFFSETS: u16 = 273;
    pub(in super::super) const ORIENTATION: u16 = 274;
    pub(in super::super) const SAMPLES: u16 = 277;
    pub(in super::super) const ROWS_PER_STRIP: u16 = 278;
    pub(in super::super) const STRIP_BYTES: u16 = 279;
    pub(in super::super) const PLANAR: u16 = 284;
    pub(in super::super) const PREDICTOR: u16 = 317;
    pub(in super::super) const COLOR_MAP: u16 = 320;
    pub(in super::super) const TILE_WIDTH: u16 = 322;
    pub(in super::super) const TILE_HEIGHT: u16 = 323;
    pub(in super::super) const TILE_OFFSETS: u16 = 324;
    pub(in super::super) const TILE_BYTES: u16 = 325;
    pub(in super::super) const EXTRA_SAMPLES: u16 = 338;
    pub(in super::super) const SAMPLE_FORMAT: u16 = 339;
    pub(in super::super) const JPEG_TABLES: u16 = 347;
    pub(in super::super) const YCBCR_SUBSAMPLING: u16 = 530;
    /// GDAL's: the value that stands for no measurement, as text.
    pub(in super::super) const NO_DATA: u16 = 42_113;
}

pub(super) struct Directory<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) little: bool,
    entries: Vec<Entry>,
}

struct Entry {
    tag: u16,
    kind: Kind,
    /// Bytes of each value.
    size: usize,
    count: usize,
    /// Where the values lie.
    at: usize,
}

/// What the values of an entry are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
    Text,
}

impl<'a> Directory<'a> {
    pub(super) fn first(bytes: &'a [u8]) -> Result<Self, ImageProblem> {
        Self::parse(bytes).ok_or_else(|| damaged("the directory does not lie in the file"))
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut directory = Self { bytes, little: bytes.starts_with(b"II"), entries: Vec::new() };
        // Lengths of an offset and of the number of entries.
        let (offset, count) = if directory.number(2, 2)? == 43 { (8, 8) } else { (4, 2) };
        let start = usize::try_from(directory.number(offset, offset)?).ok()?;
        let entries = start.checked_add(count)?;
        let length = 4 + 2 * offset;
        let count = usize::try_from(directory.number(start, count)?).ok()?;
        if count > bytes.len() / length {
            return None;
        }
        for entry in 0..count {
            let at = entries.checked_add(entry * length)?;
            let values = at + 4 + offset;
            let count = usize::try_from(directory.number(at + 4, offset)?).ok()?;
            // BYTE and UNDEFINED, ASCII, SHORT, LONG, LONG8, and the signed ones, which some writers take for sizes; no tag
            // that is read has another type.
            let (kind, size) = match directory.number(at + 2, 2)? {
                1 | 7 => (Kind::Unsigned, 1),
                2 => (Kind::Text, 1),
                3 => (Kind::Unsigned, 2),
                4 => (Kind::Unsigned, 4),
                16 => (Kind::Unsigned, 8),
                6 => (Kind::Signed, 1),
                8 => (Kind::Signed, 2),
                9 => (Kind::Signed, 4),
                17 => (Kind::Signed, 8),
                _ => continue,
            };
            let inside = count.checked_mul(size)? <= offset;
            let at_values =
                if inside { Some(values) } else { usize::try_from(directory.number(values, offset)?).ok() };
            let Some(at_values) = at_values else { continue };
            let tag = directory.number(at, 2)? as u16;
            directory.entries.push(Entry { tag, kind, size, count, at: at_values });
        }
        Some(directory)
    }

    /// A number of up to eight bytes in the file's order.
    fn number(&self, at: usize, length: usize) -> Option<u64> {
        let digits = self.bytes.get(at..at.checked_add(length)?)?.iter();
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.little { digits.rev().fold(0, join) } else { digits.fold(0, join) })
    }

    /// All values of a tag; `None` without it.
    ///
    /// # Errors
    /// Values that lie beyond the end of the file, or are negative: none that is read may be.
    pub(super) fn values(&self, tag: u16) -> Result<Option<Vec<u64>>, ImageProblem> {
        let numbers = |entry: &&Entry| entry.tag == tag && entry.kind != Kind::Text;
        let Some(entry) = self.entries.iter().find(numbers) else { return Ok(None) };
        // Checked before anything is allocated: there are no more values than bytes.
        self.content(entry)?;
        let value = |i: usize| self.number(entry.at + i * entry.size, entry.size);
        let values: Option<Vec<u64>> = (0..entry.count).map(value).collect();
        let sign = 1 << (8 * entry.size - 1);
        if entry.kind == Kind::Signed && values.iter().flatten().any(|value| value & sign != 0) {
            return Err(damaged(format!("tag {tag} has a negative value")));
        }
        Ok(values)
    }

    /// The text of a tag, up to its first NUL; `None` without it, and for what is not ASCII.
    ///
    /// # Errors
    /// Text that lies beyond the end of the file.
    pub(super) fn text(&self, tag: u16) -> Result<Option<&'a str>, ImageProblem> {
        let texts = |entry: &&Entry| entry.tag == tag && entry.kind == Kind::Text;
        let Some(entry) = self.entries.iter().find(texts) else { return Ok(None) };
        let content = self.content(entry)?;
        let text = content.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(str::from_utf8(text).ok().filter(|text| text.is_ascii()))
    }

    /// The bytes of an entry's values.
    fn content(&self, entry: &Entry) -> Result<&'a [u8], ImageProblem> {
        let end = entry.count.checked_mul(entry.size).and_then(|length| entry.at.checked_add(length));
        let content = end.and_then(|end| self.bytes.get(entry.at..end));
        let tag = entry.tag;
        content.ok_or_else(|| damaged(format!("the values of tag {tag} lie beyond the end of the file")))
    }

    /// The first value of a tag, or `default` without it.
    pub(super) fn value(&self, tag: u16, default: u64) -> Result<u64, ImageProblem> {
        Ok(self.values(tag)?.and_then(|values| values.first().copied()).unwrap_or(default))
    }
}
