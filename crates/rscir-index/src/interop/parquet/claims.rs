//! What a Parquet file says of itself, held against its bytes before a decoder allocates what it says.
//!
//! Structures and field numbers are those of `parquet.thrift` in apache/parquet-format, the encoding is Thrift's compact
//! protocol (apache/thrift, `doc/specs/thrift-compact-protocol.md`).

use super::MAGIC;
use crate::{Error, Result};

/// Structures within structures: `FileMetaData` has five levels.
const MAX_DEPTH: u32 = 16;

/// Elements of a schema, which nest by a count alone. Archives have 64 columns of three elements at most.
const MAX_SCHEMA: u64 = 1024;

/// Bytes that a column, a page or a table may claim to fill beside twice the file's size.
const SLACK: u64 = 64 << 20;

/// Bytes of a decoded value, at least.
const VALUE_BYTES: u64 = 8;

/// Checks the metadata and all page headers of a file.
///
/// # Errors
/// [`Error::ParquetMetadata`] if they make no sense, [`Error::ParquetClaim`] if they claim more than the file justifies.
pub(super) fn check(file: &[u8]) -> Result<()> {
    let no_sense = || Error::ParquetMetadata { at: file.len() as u64 };
    let (body, tail) = file.split_last_chunk::<8>().ok_or_else(no_sense)?;
    let (len, magic) = tail.split_first_chunk::<4>().ok_or_else(no_sense)?;
    if magic != MAGIC {
        return Err(no_sense());
    }
    let footer = body.len().checked_sub(u32::from_le_bytes(*len) as usize).ok_or_else(no_sense)?;
    let mut checked = Checked { limit: SLACK + 2 * file.len() as u64, bytes: 0, values: 0 };
    let mut reader = Reader { bytes: body, at: footer };
    let (mut rows, mut rows_of_groups) = (None, 0u64);
    reader.fields(0, &mut |reader, id, kind| {
        match (id, kind) {
            (2, Kind::LIST) => {
                let elements = reader.elements(1, &mut |reader, kind| reader.skip_element(kind, 2))?;
                checked.at_most("elements of the schema", elements, MAX_SCHEMA)?;
            }
            (3, Kind::I64) => rows = Some(reader.size()?),
            (4, Kind::LIST) => {
                reader.structures(1, &mut |reader| {
                    rows_of_groups =
                        rows_of_groups.saturating_add(checked.row_group(reader, &body[..footer])?);
                    Ok(())
                })?;
            }
            _ => reader.skip(kind, 1)?,
        }
        Ok(())
    })?;
    if rows == Some(rows_of_groups) { Ok(()) } else { Err(no_sense()) }
}

/// What all columns claim so far.
struct Checked {
    limit: u64,
    bytes: u64,
    values: u64,
}

impl Checked {
    fn at_most(&self, what: &'static str, claimed: u64, limit: u64) -> Result<()> {
        if claimed > limit { Err(Error::ParquetClaim { what, claimed, limit }) } else { Ok(()) }
    }

    /// A `RowGroup`; its number of rows.
    fn row_group(&mut self, reader: &mut Reader<'_>, pages: &[u8]) -> Result<u64> {
        let (mut rows, mut fewest) = (None, u64::MAX);
        reader.fields(2, &mut |reader, id, kind| {
            match (id, kind) {
                (1, Kind::LIST) => {
                    reader.structures(3, &mut |reader| {
                        reader.fields(4, &mut |reader, id, kind| match (id, kind) {
                            (3, Kind::STRUCT) => {
                                fewest = fewest.min(self.column(reader, pages)?);
                                Ok(())
                            }
                            _ => reader.skip(kind, 5),
                        })
                    })?;
                }
                (3, Kind::I64) => rows = Some(reader.size()?),
                _ => reader.skip(kind, 3)?,
            }
            Ok(())
        })?;
        // A row has a value in each column, be it none or an empty list.
        let rows = rows.ok_or(Error::ParquetMetadata { at: reader.at as u64 })?;
        self.at_most("rows of a group", rows, fewest.min(self.limit))?;
        Ok(rows)
    }

    /// A `ColumnMetaData`, and the pages it names; its number of values.
    fn column(&mut self, reader: &mut Reader<'_>, pages: &[u8]) -> Result<u64> {
        let (mut values, mut bytes, mut data, mut dictionary) = (0, 0, 0, None);
        reader.fields(5, &mut |reader, id, kind| {
            match (id, kind) {
                (5, Kind::I64) => values = reader.size()?,
                (7, Kind::I64) => bytes = reader.size()?,
                (9, Kind::I64) => data = reader.size()?,
                (11, Kind::I64) => dictionary = Some(reader.size()?),
                _ => reader.skip(kind, 6)?,
            }
            Ok(())
        })?;
        self.values = self.values.saturating_add(values);
        self.at_most("values", self.values, self.limit / VALUE_BYTES)?;
        let no_sense = || Error::ParquetMetadata { at: reader.at as u64 };
        let start = usize::try_from(dictionary.unwrap_or(data)).map_err(|_| no_sense())?;
        let len = usize::try_from(bytes).map_err(|_| no_sense())?;
        let end = start.checked_add(len).filter(|&end| end <= pages.len()).ok_or_else(no_sense)?;
        let mut page = Reader { bytes: &pages[..end], at: start };
        let mut of_pages = 0u64;
        while page.at < end {
            of_pages = of_pages.saturating_add(self.page(&mut page)?);
        }
        if of_pages == values { Ok(values) } else { Err(no_sense()) }
    }

    /// A `PageHeader` and its page; the number of values, none for a dictionary.
    fn page(&mut self, reader: &mut Reader<'_>) -> Result<u64> {
        /// `PageType`.
        const DICTIONARY: u64 = 2;
        let (mut page_type, mut unpacked, mut packed, mut values) = (None, 0, 0, 0);
        reader.fields(0, &mut |reader, id, kind| {
            match (id, kind) {
                (1, Kind::I32) => page_type = Some(reader.size()?),
                (2, Kind::I32) => unpacked = reader.size()?,
                (3, Kind::I32) => packed = reader.size()?,
                // The headers of a page, a dictionary, and a page of the second version begin with a count.
                (5 | 7 | 8, Kind::STRUCT) => reader.fields(1, &mut |reader, id, kind| {
                    match (id, kind) {
                        (1, Kind::I32) => values = reader.size()?,
                        _ => reader.skip(kind, 2)?,
                    }
                    Ok(())
                })?,
                _ => reader.skip(kind, 1)?,
            }
            Ok(())
        })?;
        self.bytes = self.bytes.saturating_add(unpacked);
        self.at_most("bytes of unpacked pages", self.bytes, self.limit)?;
        self.at_most("values of a page", values, self.limit / VALUE_BYTES)?;
        reader.advance(packed)?;
        Ok(if page_type == Some(DICTIONARY) { 0 } else { values })
    }
}

/// Types of the compact protocol.
struct Kind;

impl Kind {
    const STOP: u8 = 0;
    const TRUE: u8 = 1;
    const FALSE: u8 = 2;
    const I8: u8 = 3;
    const I16: u8 = 4;
    const I32: u8 = 5;
    const I64: u8 = 6;
    const DOUBLE: u8 = 7;
    const BINARY: u8 = 8;
    const LIST: u8 = 9;
    const SET: u8 = 10;
    const MAP: u8 = 11;
    const STRUCT: u8 = 12;
}

/// Reads the compact protocol, holding nothing of it.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn no_sense(&self) -> Error {
        Error::ParquetMetadata { at: self.at as u64 }
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.no_sense())?;
        self.at += 1;
        Ok(byte)
    }

    fn advance(&mut self, len: u64) -> Result<()> {
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        self.at = end.filter(|&end| end <= self.bytes.len()).ok_or_else(|| self.no_sense())?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.no_sense())
    }

    /// An integer that may not be negative.
    fn size(&mut self) -> Result<u64> {
        let zigzag = self.varint()?;
        if zigzag & 1 == 0 { Ok(zigzag >> 1) } else { Err(self.no_sense()) }
    }

    /// Hands the number and type of each field of a structure to `field`, which reads it.
    fn fields(&mut self, depth: u32, field: &mut dyn FnMut(&mut Self, i64, u8) -> Result<()>) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.no_sense());
        }
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if kind == Kind::STOP {
                return Ok(());
            }
            id = match head >> 4 {
                0 => {
                    let zigzag = self.varint()?;
                    (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
                }
                step => id.saturating_add(i64::from(step)),
            };
            field(self, id, kind)?;
        }
    }

    /// Hands the type of each element of a list to `element`, which reads it; their number.
    fn elements(&mut self, depth: u32, element: &mut dyn FnMut(&mut Self, u8) -> Result<()>) -> Result<u64> {
        if depth > MAX_DEPTH {
            return Err(self.no_sense());
        }
        let head = self.byte()?;
        let len = match head >> 4 {
            15 => self.varint()?,
            len => u64::from(len),
        };
        for _ in 0..len {
            // Each takes a byte at least, so a list ends with the bytes.
            element(self, head & 0x0f)?;
        }
        Ok(len)
    }

    /// Has `structure` read each element of a list of structures.
    fn structures(&mut self, depth: u32, structure: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let element = &mut |reader: &mut Self, kind| match kind {
            Kind::STRUCT => structure(reader),
            _ => Err(reader.no_sense()),
        };
        self.elements(depth, element).map(|_| ())
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Result<()> {
        match kind {
            Kind::TRUE | Kind::FALSE => Ok(()),
            Kind::I8 => self.advance(1),
            Kind::I16 | Kind::I32 | Kind::I64 => self.varint().map(|_| ()),
            Kind::DOUBLE => self.advance(8),
            Kind::BINARY => {
                let len = self.varint()?;
                self.advance(len)
            }
            Kind::LIST | Kind::SET => {
                self.elements(depth, &mut |reader, kind| reader.skip_element(kind, depth + 1)).map(|_| ())
            }
            Kind::MAP => {
                let len = self.varint()?;
                let kinds = if len == 0 { 0 } else { self.byte()? };
                for _ in 0..len {
                    self.skip_element(kinds >> 4, depth + 1)?;
                    self.skip_element(kinds & 0x0f, depth + 1)?;
                }
                Ok(())
            }
            Kind::STRUCT => self.fields(depth, &mut |reader, _, kind| reader.skip(kind, depth + 1)),
            _ => Err(self.no_sense()),
        }
    }

    /// A field's type says whether it is true; an element has a byte for that.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Result<()> {
        match kind {
            Kind::TRUE | Kind::FALSE => self.advance(1),
            kind => self.skip(kind, depth),
        }
    }
}
