//! The directory of a zip archive, as far as PyTorch's files need it: the entries, the place of their bytes,
//! and their checksums.
//!
//! Section numbers below are those of PKWARE's APPNOTE 6.3.10.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::mapped::MappedFile;

/// First bytes of a local header, and so of a zip archive (4.3.7).
pub(crate) const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02"; // 4.3.12
const ZIP64_END: [u8; 4] = *b"PK\x06\x06"; // 4.3.14
const ZIP64_LOCATOR: [u8; 4] = *b"PK\x06\x07"; // 4.3.15
const END: [u8; 4] = *b"PK\x05\x06"; // 4.3.16

const LOCAL_LENGTH: usize = 30;
const CENTRAL_LENGTH: usize = 46;
const ZIP64_LOCATOR_LENGTH: usize = 20;
const END_LENGTH: usize = 22;
/// Greatest length of the comment after the end record, which has 16 bits (4.4.12).
const MAX_COMMENT_BYTES: usize = 0xffff;

/// A value of all ones means that the real value is in the zip64 extra field (4.5.3).
const IN_ZIP64_FIELD: u32 = u32::MAX;
const ZIP64_FIELD: u16 = 1;

/// Bit 0 of the flags: the entry is encrypted (4.4.4).
const ENCRYPTED: u16 = 1;

/// One file in the archive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Place of the first byte in the archive.
    pub(crate) start: usize,
    /// Number of bytes.
    pub(crate) length: usize,
    /// The recorded CRC-32. torch records zero if it is told not to compute it (`set_crc32_options`).
    pub(crate) crc: Option<u32>,
    /// `true` if the entry is neither compressed nor encrypted.
    stored: bool,
}

/// The entries of an archive by name.
#[derive(Debug)]
pub(crate) struct Archive<'f> {
    file: &'f MappedFile,
    entries: BTreeMap<&'f str, Entry>,
}

impl<'f> Archive<'f> {
    /// Reads the central directory and checks that every entry lies in the file. It refuses names that occur
    /// twice, because readers disagree about them, names that lead out of a folder, and entries that overlap,
    /// by which a small file could cause much work.
    pub(crate) fn read(file: &'f MappedFile) -> Result<Self> {
        let bytes = file.bytes();
        let damaged = |problem| Error::Zip { path: file.path().to_owned(), problem };
        let (count, start, end) = directory(bytes).map_err(damaged)?;
        let mut rest = bytes.get(start..end).ok_or(damaged("its directory lies outside the file"))?;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let (name, entry, length) = central(bytes, rest, start).map_err(damaged)?;
            let refused =
                |problem| Error::ZipEntry { path: file.path().to_owned(), entry: name.into(), problem };
            if name.starts_with('/')
                || name.contains(['\\', '\0'])
                || name.split('/').any(|part| part == "..")
            {
                return Err(refused("has a name that leads out of the archive"));
            }
            if entries.insert(name, entry).is_some() {
                return Err(refused("occurs twice"));
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        let mut ranges: Vec<_> =
            entries.values().map(|entry| (entry.start, entry.start + entry.length)).collect();
        ranges.sort_unstable();
        if ranges.array_windows().any(|[before, after]| before.1 > after.0) {
            return Err(damaged("two of its entries overlap"));
        }
        Ok(Self { file, entries })
    }

    /// Returns the names in alphabetical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'f str> {
        self.entries.keys().copied()
    }

    /// Returns an entry that is neither compressed nor encrypted.
    pub(crate) fn stored(&self, name: &str) -> Result<Entry> {
        let refused =
            |problem| Error::ZipEntry { path: self.file.path().to_owned(), entry: name.into(), problem };
        match self.entries.get(name) {
            Some(entry) if entry.stored => Ok(*entry),
            Some(_) => Err(refused("is compressed or encrypted, which PyTorch does not do")),
            None => Err(refused("is missing")),
        }
    }

    /// Returns the content of a stored entry after a comparison with its checksum.
    pub(crate) fn content(&self, name: &str) -> Result<&'f [u8]> {
        let entry = self.stored(name)?;
        let content = self.file.bytes().get(entry.start..entry.start + entry.length).unwrap_or_default();
        if let Some(crc) = entry.crc {
            check(self.file, name, crc, content)?;
        }
        Ok(content)
    }
}

/// Compares a content with its recorded checksum.
pub(crate) fn check(file: &MappedFile, name: &str, expected: u32, content: &[u8]) -> Result<()> {
    let got = crc32fast::hash(content);
    if got != expected {
        return Err(Error::Checksum { path: file.path().to_owned(), entry: name.into(), expected, got });
    }
    Ok(())
}

type Problem = &'static str;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&bytes| u16::from_le_bytes(bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&bytes| u32::from_le_bytes(bytes))
}

fn size_at(bytes: &[u8], at: usize) -> Option<usize> {
    let value = bytes.get(at..)?.first_chunk().map(|&bytes| u64::from_le_bytes(bytes))?;
    usize::try_from(value).ok()
}

/// Tells whether a record with this signature begins at a place.
fn starts_at(bytes: &[u8], at: usize, signature: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(signature))
}

/// Returns the number of entries, and the begin and the end of the central directory.
fn directory(bytes: &[u8]) -> std::result::Result<(usize, usize, usize), Problem> {
    const TRUNCATED: Problem = "it has no end record, so it is truncated";
    let last = bytes.len().checked_sub(END_LENGTH).ok_or(TRUNCATED)?;
    let first = last.saturating_sub(MAX_COMMENT_BYTES);
    let end = (first..=last)
        .rev()
        .find(|&at| starts_at(bytes, at, &END) && u16_at(bytes, at + 20) == u16::try_from(last - at).ok())
        .ok_or(TRUNCATED)?;

    // A zip64 archive has a locator directly before the end record. PyTorch always writes one.
    let locator = end.checked_sub(ZIP64_LOCATOR_LENGTH).filter(|&at| starts_at(bytes, at, &ZIP64_LOCATOR));
    let (count, length, start, limit) = match locator {
        Some(locator) => {
            let at = size_at(bytes, locator + 8).ok_or("its zip64 locator is damaged")?;
            let record = bytes.get(at..locator).filter(|record| record.starts_with(&ZIP64_END));
            let record = record.ok_or("its zip64 end record is not where the locator says")?;
            let fields = (size_at(record, 32), size_at(record, 40), size_at(record, 48));
            let (Some(count), Some(length), Some(start)) = fields else {
                return Err("its zip64 end record is damaged");
            };
            (count, length, start, at)
        }
        None => {
            let fields = (u16_at(bytes, end + 10), u32_at(bytes, end + 12), u32_at(bytes, end + 16));
            let (Some(count), Some(length), Some(start)) = fields else { return Err(TRUNCATED) };
            (count.into(), length as usize, start as usize, end)
        }
    };
    match start.checked_add(length) {
        Some(end) if end <= limit && count <= length / CENTRAL_LENGTH => Ok((count, start, end)),
        _ => Err("its directory lies outside the file"),
    }
}

/// Reads the first entry of `rest`, the unread part of the central directory that begins at `directory`.
/// Returns the name, the entry and the length of its record.
fn central<'a>(
    bytes: &'a [u8],
    rest: &'a [u8],
    directory: usize,
) -> std::result::Result<(&'a str, Entry, usize), Problem> {
    const DAMAGED: Problem = "an entry of its directory is damaged";
    let record = rest.get(..CENTRAL_LENGTH).filter(|record| record.starts_with(&CENTRAL)).ok_or(DAMAGED)?;
    let u16_of = |at| u16_at(record, at).ok_or(DAMAGED);
    let u32_of = |at| u32_at(record, at).ok_or(DAMAGED);
    let (flags, method, crc) = (u16_of(8)?, u16_of(10)?, u32_of(16)?);
    let (packed, unpacked, offset) = (u32_of(20)?, u32_of(24)?, u32_of(42)?);
    let name_end = CENTRAL_LENGTH + usize::from(u16_of(28)?);
    let extra_end = name_end + usize::from(u16_of(30)?);
    let length = extra_end + usize::from(u16_of(32)?);
    let name = rest.get(CENTRAL_LENGTH..name_end).ok_or(DAMAGED)?;
    let name = str::from_utf8(name).map_err(|_| "the name of an entry is not UTF-8")?;
    let extra = rest.get(name_end..extra_end).ok_or(DAMAGED)?;
    rest.get(extra_end..length).ok_or(DAMAGED)?;

    let mut zip64 = zip64_field(extra);
    let mut wide = |value: u32| match value {
        IN_ZIP64_FIELD => {
            let wide = size_at(zip64, 0).ok_or("the zip64 field of an entry is damaged");
            zip64 = zip64.get(8..).unwrap_or_default();
            wide
        }
        value => Ok(value as usize),
    };
    let (unpacked, packed, offset) = (wide(unpacked)?, wide(packed)?, wide(offset)?);
    let crc = (crc != 0).then_some(crc);
    let stored = method == 0 && flags & ENCRYPTED == 0;
    if stored && packed != unpacked {
        return Err("a stored entry has two lengths");
    }

    let local = bytes
        .get(offset..)
        .filter(|local| local.starts_with(&LOCAL))
        .ok_or("an entry is not where the directory says")?;
    let name_length = usize::from(u16_at(local, 26).ok_or(DAMAGED)?);
    let extra_length = usize::from(u16_at(local, 28).ok_or(DAMAGED)?);
    if local.get(LOCAL_LENGTH..LOCAL_LENGTH + name_length) != Some(name.as_bytes()) {
        return Err("an entry has two names");
    }
    // Both lengths have 16 bits and the offset lies in the file, so this sum cannot overflow.
    let start = offset + LOCAL_LENGTH + name_length + extra_length;
    match start.checked_add(packed) {
        Some(end) if end <= directory => Ok((name, Entry { start, length: packed, crc, stored }, length)),
        _ => Err("an entry reaches beyond the file's content"),
    }
}

/// Returns the content of the zip64 field among the extra fields of an entry. Empty without such a field.
fn zip64_field(mut extra: &[u8]) -> &[u8] {
    while let (Some(id), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let end = 4 + usize::from(length);
        match extra.get(4..end) {
            Some(content) if id == ZIP64_FIELD => return content,
            Some(_) => extra = extra.get(end..).unwrap_or_default(),
            None => break,
        }
    }
    &[]
}
