//! Compares what a Parquet file claims about itself with its bytes, before a decoder allocates memory for it.
//!
//! Structures and field numbers are those of `parquet.thrift` in apache/parquet-format. The encoding is Thrift's
//! compact protocol (apache/thrift, `doc/specs/thrift-compact-protocol.md`).

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::{Error, IoAction, Result};

/// First and last bytes of every file (Apache Parquet, "File Format").
const MAGIC: &[u8; 4] = b"PAR1";

/// Largest depth of structures within structures. `FileMetaData` has five levels.
const MAX_DEPTH: u32 = 16;

/// Largest number of elements of a schema, which nest by counts alone. Archives have at most 64 columns of three
/// elements.
const MAX_SCHEMA: u64 = 1024;

/// Bytes that a column, a page or a table may claim in addition to what the file's size allows.
const SLACK: u64 = 64 << 20;

/// Largest size of the metadata in bytes. Those of ten thousand row groups of twenty columns have about 40 MB.
const MAX_METADATA: u64 = 64 << 20;

/// Largest number of columns in all row groups together. A decoder keeps about a hundred bytes for each.
const MAX_CHUNKS: u64 = 1 << 20;

/// Smallest number of bytes of a decoded value.
const VALUE_BYTES: u64 = 8;

/// Bytes of the file that are read at first for the header of a page. Most headers have less than a hundred.
const HEADER: u64 = 4096;

/// Largest size of a page's header in bytes. Its statistics may hold two long texts.
const MAX_HEADER: u64 = 16 << 20;

/// Limits for the memory that decoding a Parquet file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParquetLimits {
    /// Bytes that all unpacked pages together may have for each byte of the file, in addition to 64 MB.
    pub unpacked_per_byte: u64,
    /// Bytes that one page of each column, with its dictionary, may have together.
    pub pages_at_once: u64,
}

impl ParquetLimits {
    /// Returns the limits for a file that is decoded as a whole.
    #[must_use]
    pub fn whole() -> Self {
        Self { unpacked_per_byte: 2, pages_at_once: u64::MAX }
    }

    /// Returns the limits for a file that is decoded page by page: pages limit the memory, and the file's size
    /// limits the time.
    ///
    /// Vectors of half precision in fields of single precision unpack to two to four times their size, and bytes
    /// in fields of 32 bits to five times. Pages usually have a megabyte, and those of DuckDB up to a hundred.
    #[must_use]
    pub fn by_pages() -> Self {
        Self { unpacked_per_byte: 16, pages_at_once: 512 << 20 }
    }
}

/// Checks the metadata and all page headers of a Parquet file, and reads nothing else of it. `path` is for
/// errors.
///
/// # Errors
/// [`Error::NotTheFormat`] if the file does not begin as a Parquet file; [`Error::ParquetMetadata`] if the
/// metadata cannot be decoded; [`Error::ParquetClaim`] if they claim more than the file's size and `limits`
/// allow; [`Error::Io`] if the file cannot be read.
pub fn check_parquet_claims(file: &mut (impl Read + Seek), path: &Path, limits: ParquetLimits) -> Result<()> {
    let io = |source: io::Error| Error::Io { path: path.into(), action: IoAction::Read, source };
    let len = file.seek(SeekFrom::End(0)).map_err(io)?;
    let no_sense = || Error::ParquetMetadata { at: len };
    let mut magic = [0; 4];
    if len < MAGIC.len() as u64 || read_at(file, 0, &mut magic).map_err(io).map(|()| magic)? != *MAGIC {
        return Err(Error::NotTheFormat { format: "Parquet" });
    }
    let body = len.checked_sub(8).ok_or_else(no_sense)?;
    let mut tail = [0; 8];
    read_at(file, body, &mut tail).map_err(io)?;
    let Some((footer_len, magic)) = tail.split_first_chunk::<4>() else { return Err(no_sense()) };
    if magic != MAGIC {
        return Err(no_sense());
    }
    let footer_len = u64::from(u32::from_le_bytes(*footer_len));
    let footer = body.checked_sub(footer_len).ok_or_else(no_sense)?;
    let limit = SLACK.saturating_add(limits.unpacked_per_byte.saturating_mul(len));
    let mut checked = Checked {
        file,
        path,
        limit,
        pages: footer,
        bytes: 0,
        packed: 0,
        values: 0,
        chunks: 0,
        held: Vec::new(),
        window: Vec::new(),
        window_at: 0,
    };
    checked.at_most("bytes of metadata", footer_len, MAX_METADATA)?;
    let mut metadata = vec![0; footer_len as usize];
    read_at(checked.file, footer, &mut metadata).map_err(io)?;
    let mut reader = Reader { bytes: &metadata, at: 0, offset: footer };
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
                    rows_of_groups = rows_of_groups.saturating_add(checked.row_group(reader)?);
                    Ok(())
                })?;
            }
            _ => reader.skip(kind, 1)?,
        }
        Ok(())
    })?;
    let held = checked.held.iter().fold(0u64, |sum, pages| sum.saturating_add(pages.bytes()));
    checked.at_most("bytes of pages that are held together", held, limits.pages_at_once)?;
    if rows == Some(rows_of_groups) { Ok(()) } else { Err(no_sense()) }
}

fn read_at(file: &mut (impl Read + Seek), at: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
}

/// The sums of what all columns claim so far.
struct Checked<'a, F> {
    file: &'a mut F,
    path: &'a Path,
    limit: u64,
    /// Byte of the file at which the pages end.
    pages: u64,
    bytes: u64,
    packed: u64,
    values: u64,
    chunks: u64,
    /// Longest pages of each column.
    held: Vec<Held>,
    /// Bytes of the file that were read last. Short pages lie close together, so that the next header is often
    /// among them.
    window: Vec<u8>,
    window_at: u64,
}

/// The bytes of a column's longest page and of its longest dictionary.
#[derive(Default)]
struct Held {
    page: u64,
    dictionary: u64,
}

impl Held {
    fn bytes(&self) -> u64 {
        self.page.saturating_add(self.dictionary)
    }
}

/// The header of a page.
struct Page {
    is_dictionary: bool,
    unpacked: u64,
    values: u64,
    /// Byte of the file at which the next page begins.
    end: u64,
}

impl<F: Read + Seek> Checked<'_, F> {
    /// Checks that a claim does not exceed its limit.
    fn at_most(&self, what: &'static str, claimed: u64, limit: u64) -> Result<()> {
        if claimed > limit { Err(Error::ParquetClaim { what, claimed, limit }) } else { Ok(()) }
    }

    /// Checks a `RowGroup`, and returns its number of rows.
    fn row_group(&mut self, reader: &mut Reader<'_>) -> Result<u64> {
        let (mut rows, mut fewest) = (None, u64::MAX);
        reader.fields(2, &mut |reader, id, kind| {
            match (id, kind) {
                (1, Kind::LIST) => {
                    let mut position = 0;
                    reader.structures(3, &mut |reader| {
                        let mut values = None;
                        reader.fields(4, &mut |reader, id, kind| match (id, kind) {
                            (3, Kind::STRUCT) => {
                                values = Some(self.column(reader, position)?);
                                Ok(())
                            }
                            _ => reader.skip(kind, 5),
                        })?;
                        fewest = fewest.min(values.ok_or_else(|| reader.no_sense())?);
                        position += 1;
                        Ok(())
                    })?;
                }
                (3, Kind::I64) => rows = Some(reader.size()?),
                _ => reader.skip(kind, 3)?,
            }
            Ok(())
        })?;
        // Each row has a value in each column: a missing value and an empty list count as one.
        let rows = rows.ok_or_else(|| reader.no_sense())?;
        self.at_most("rows of a group", rows, fewest.min(self.limit))?;
        Ok(rows)
    }

    /// Checks a `ColumnMetaData` and the pages that it names, and returns its number of values.
    fn column(&mut self, reader: &mut Reader<'_>, position: usize) -> Result<u64> {
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
        self.chunks += 1;
        self.at_most("columns of row groups", self.chunks, MAX_CHUNKS)?;
        self.values = self.values.saturating_add(values);
        self.at_most("values", self.values, self.limit / VALUE_BYTES)?;
        // Columns that shared bytes could make this loop read them many times, so their sum is limited by the
        // file.
        self.packed = self.packed.saturating_add(bytes);
        self.at_most("bytes of columns", self.packed, self.pages)?;
        let no_sense = || reader.no_sense();
        let mut at = dictionary.unwrap_or(data);
        let end = at.checked_add(bytes).filter(|&end| end <= self.pages).ok_or_else(no_sense)?;
        if self.held.len() <= position {
            self.held.resize_with(position + 1, Held::default);
        }
        let mut of_pages = 0u64;
        while at < end {
            let page = self.page(at, end)?;
            self.bytes = self.bytes.saturating_add(page.unpacked);
            self.at_most("bytes of unpacked pages", self.bytes, self.limit)?;
            self.at_most("values of a page", page.values, self.limit / VALUE_BYTES)?;
            if let Some(held) = self.held.get_mut(position) {
                let longest = if page.is_dictionary { &mut held.dictionary } else { &mut held.page };
                *longest = page.unpacked.max(*longest);
            }
            of_pages = of_pages.saturating_add(if page.is_dictionary { 0 } else { page.values });
            at = page.end;
        }
        if of_pages == values { Ok(values) } else { Err(no_sense()) }
    }

    /// Reads the header of the page at byte `at`, in a column that ends at byte `end`.
    fn page(&mut self, at: u64, end: u64) -> Result<Page> {
        let known = at.checked_sub(self.window_at).and_then(|start| self.window.get(start as usize..));
        if let Some(bytes) = known
            && let Ok(page) = (Reader { bytes, at: 0, offset: at }).page(end)
        {
            return Ok(page);
        }
        let mut most = HEADER;
        loop {
            let len = most.min(end - at);
            self.window_at = at;
            self.window.resize(len as usize, 0);
            read_at(self.file, at, &mut self.window).map_err(Error::io(IoAction::Read, self.path))?;
            match (Reader { bytes: &self.window, at: 0, offset: at }).page(end) {
                // The header may continue beyond the bytes that were read.
                Err(Error::ParquetMetadata { .. }) if len < end - at && most < MAX_HEADER => most *= 16,
                page => return page,
            }
        }
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

/// Reads the compact protocol, without keeping what it reads.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Byte of the file at which `bytes` begin.
    offset: u64,
}

impl Reader<'_> {
    /// Makes the error for bytes that cannot be decoded.
    fn no_sense(&self) -> Error {
        Error::ParquetMetadata { at: self.offset + self.at as u64 }
    }

    /// Reads a `PageHeader` of a column that ends at byte `end` of the file.
    fn page(&mut self, end: u64) -> Result<Page> {
        /// A value of `PageType`.
        const DICTIONARY: u64 = 2;
        let (mut page_type, mut unpacked, mut packed, mut values) = (None, 0, 0, 0);
        self.fields(0, &mut |reader, id, kind| {
            match (id, kind) {
                (1, Kind::I32) => page_type = Some(reader.size()?),
                (2, Kind::I32) => unpacked = reader.size()?,
                (3, Kind::I32) => packed = reader.size()?,
                // The structures for a data page, a dictionary and a data page of version 2 begin with a count.
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
        let next = (self.offset + self.at as u64).checked_add(packed).filter(|&next| next <= end);
        let end = next.ok_or_else(|| self.no_sense())?;
        Ok(Page { is_dictionary: page_type == Some(DICTIONARY), unpacked, values, end })
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

    /// Reads an integer that must not be negative.
    fn size(&mut self) -> Result<u64> {
        let zigzag = self.varint()?;
        if zigzag & 1 == 0 { Ok(zigzag >> 1) } else { Err(self.no_sense()) }
    }

    /// Calls `field` with the number and the type of each field of a structure; it must read the field.
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

    /// Calls `element` with the type of each element of a list; it must read the element. Returns the number of
    /// elements.
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
            // Each element takes at least one byte, so the loop ends with the bytes at the latest.
            element(self, head & 0x0f)?;
        }
        Ok(len)
    }

    /// Calls `structure` to read each element of a list of structures.
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

    /// Skips an element of a list. A truth value takes a byte there; as a field it is part of the type.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Result<()> {
        match kind {
            Kind::TRUE | Kind::FALSE => self.advance(1),
            kind => self.skip(kind, depth),
        }
    }
}
