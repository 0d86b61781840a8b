//! The members of a tar file, found by reading the headers alone: POSIX ustar and pax (IEEE Std 1003.1, `pax`), and
//! GNU's long names.

use std::io::{Read, Seek, SeekFrom};

/// Bytes of a header. Data are filled up to a multiple of it.
const BLOCK: usize = 512;

/// The most bytes of a name: sixteen times the longest path that Linux opens (`PATH_MAX`).
const MAX_NAME: u64 = 16 * 4096;

/// The most bytes of a pax header. Its values are names, numbers and comments of the writer.
const MAX_PAX: u64 = 1 << 20;

/// Number of blocks behind the end that are looked at. Writers fill the file up to a record of 20 blocks.
const RECORD: u64 = 20;

/// A member, or the reason why it cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A regular file.
    File(Member),
    /// A folder.
    Folder,
    /// A member that is refused, since it is no regular file or since its name is not accepted.
    Refused { name: String, reason: &'static str },
    /// The rest of the file cannot be read. This is the last item. `after` is the last member before.
    Broken { after: Option<String>, reason: String },
}

/// A regular file in a shard.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) size: u64,
    /// Time of change in the header, in seconds since 1970.
    pub(super) modified: u64,
}

/// Iterates over the members of a tar file of `length` bytes. No data but long names and pax headers are read.
pub(super) struct Members<R> {
    input: R,
    length: u64,
    at: u64,
    last: Option<String>,
    ended: bool,
}

impl<R: Read + Seek> Members<R> {
    pub(super) fn new(input: R, length: u64) -> Self {
        Self { input, length, at: 0, last: None, ended: false }
    }

    fn broken(&self, reason: impl Into<String>) -> Found {
        Found::Broken { after: self.last.clone(), reason: reason.into() }
    }

    /// Reads bytes at a position. The caller has checked that the file is long enough.
    fn read(&mut self, at: u64, bytes: &mut [u8]) -> Result<(), Found> {
        let read = self.input.seek(SeekFrom::Start(at)).and_then(|_| self.input.read_exact(bytes));
        read.map_err(|error| self.broken(format!("it cannot be read: {error}")))
    }

    /// Reads the next header. Returns `None` at the end of the file.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, Found> {
        let mut block = [0; BLOCK];
        if self.length.saturating_sub(self.at) < BLOCK as u64 {
            return Err(self.broken("it ends without the mark of its end: it was cut off"));
        }
        self.read(self.at, &mut block)?;
        if block.iter().any(|&byte| byte != 0) {
            return Ok(Some(block));
        }
        for _ in 0..RECORD {
            self.at += BLOCK as u64;
            if self.length.saturating_sub(self.at) < BLOCK as u64 {
                break;
            }
            self.read(self.at, &mut block)?;
            if block.iter().any(|&byte| byte != 0) {
                return Err(self.broken(
                    "there is more behind the mark of its end: pack joined files anew, each as a shard of its own",
                ));
            }
        }
        Ok(None)
    }

    /// Returns the position of the data of a header, and that of the next header.
    fn data(&self, size: u64) -> Result<(u64, u64), Found> {
        let offset = self.at + BLOCK as u64;
        let end = offset.checked_add(size).filter(|end| *end <= self.length);
        let end = end.ok_or_else(|| {
            self.broken(format!("a member of {size} bytes goes beyond its end: it was cut off"))
        })?;
        Ok((offset, end.next_multiple_of(BLOCK as u64)))
    }

    /// Reads the data of a header that describes the next header.
    fn description(&mut self, size: u64, limit: u64, what: &str) -> Result<Vec<u8>, Found> {
        if size > limit {
            return Err(self.broken(format!("{what} has {size} bytes, and {limit} at most are read")));
        }
        let (offset, next) = self.data(size)?;
        let mut bytes = vec![0; size as usize];
        self.read(offset, &mut bytes)?;
        self.at = next;
        Ok(bytes)
    }

    fn member(&mut self) -> Result<Option<Found>, Found> {
        let mut described = Description::default();
        loop {
            let Some(block) = self.header()? else { return Ok(None) };
            let header = Header(&block);
            if !header.is_sound() {
                let reason = if self.last.is_none() && self.at == 0 {
                    "this is no tar file: unpack compressed ones first"
                } else {
                    "a header's checksum is wrong: the file is damaged"
                };
                return Err(self.broken(reason));
            }
            let wrong =
                |what: &str| self.broken(format!("the {what} in a header is no number that a file can have"));
            let size = header.number(SIZE).ok_or_else(|| wrong("size"))?;
            match header.kind() {
                b'L' => {
                    described.long_name =
                        Some(c_string(&self.description(size, MAX_NAME, "a name")?).to_vec())
                }
                b'K' => drop(self.description(size, MAX_NAME, "the target of a link")?),
                b'x' => {
                    let records = self.description(size, MAX_PAX, "a pax header")?;
                    described.read_pax(&records).map_err(|reason| self.broken(reason))?;
                }
                b'g' => {
                    let mut global = Description::default();
                    let records = self.description(size, MAX_PAX, "a pax header")?;
                    global.read_pax(&records).map_err(|reason| self.broken(reason))?;
                    if global != Description::default() {
                        return Err(self.broken("a pax header gives all members one name or size"));
                    }
                }
                kind => return self.described(&header, kind, size, described).map(Some),
            }
        }
    }

    /// Makes the member that a header and the descriptions before it describe.
    fn described(
        &mut self,
        header: &Header<'_>,
        kind: u8,
        size: u64,
        pax: Description,
    ) -> Result<Found, Found> {
        let modified = header.number(MODIFIED).unwrap_or_default();
        let name = String::from_utf8(pax.path.or(pax.long_name).unwrap_or_else(|| header.name()));
        let (name, is_text) = match name {
            Ok(name) => (name, true),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), false),
        };
        self.last = Some(name.clone());
        if kind == b'S' || pax.sparse {
            return Err(self.broken("a member is stored with holes: pack it anew without --sparse"));
        }
        // Links, devices and folders have no data, even if their size is not 0 (GNU tar, CPython's tarfile).
        let has_data = !matches!(kind, b'1'..=b'6');
        let size = if has_data { pax.size.unwrap_or(size) } else { 0 };
        let (offset, next) = self.data(size)?;
        self.at = next;
        let refused = match kind {
            b'1' | b'2' => Some("it is a link"),
            b'3' | b'4' | b'6' => Some("it is a device or a pipe"),
            b'5' => return Ok(Found::Folder),
            // In the old format a folder is known only by the slash at the end of its name.
            0 | b'0' | b'7' if name.ends_with('/') => return Ok(Found::Folder),
            0 | b'0' | b'7' if !is_text => Some("its name is not UTF-8"),
            0 | b'0' | b'7' if is_outside(&name) => Some("its name leads out of a folder"),
            0 | b'0' | b'7' => None,
            _ => Some("it is of a type that is not known"),
        };
        Ok(match refused {
            Some(reason) => Found::Refused { name, reason },
            None => Found::File(Member { name, offset, size, modified }),
        })
    }
}

impl<R: Read + Seek> Iterator for Members<R> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        if self.ended {
            return None;
        }
        let found = self.member();
        self.ended = !matches!(found, Ok(Some(_)));
        match found {
            Ok(found) => found,
            Err(broken) => Some(broken),
        }
    }
}

/// Tells whether a name would lead out of the folder in which a shard is unpacked, is empty, or has a NUL.
fn is_outside(name: &str) -> bool {
    let is_up = |part: &str| part == "..";
    name.is_empty() || name.starts_with('/') || name.contains('\0') || name.split(['/', '\\']).any(is_up)
}

/// Returns the bytes before the first NUL.
fn c_string(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The properties of a member that come before its header, as a long name or in a pax header.
#[derive(Debug, Default, PartialEq, Eq)]
struct Description {
    long_name: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl Description {
    /// Reads the records of a pax header. Each is its length, a blank, `key=value` and a line end.
    ///
    /// # Errors
    /// A message if a record is malformed.
    fn read_pax(&mut self, mut records: &[u8]) -> Result<(), &'static str> {
        const MALFORMED: &str = "a pax header is malformed";
        while !records.is_empty() {
            let blank = records.iter().position(|&byte| byte == b' ').ok_or(MALFORMED)?;
            let (length, _) = records.split_at_checked(blank).ok_or(MALFORMED)?;
            let length: usize =
                str::from_utf8(length).ok().and_then(|text| text.parse().ok()).ok_or(MALFORMED)?;
            let (record, rest) = records.split_at_checked(length).ok_or(MALFORMED)?;
            let record =
                record.get(blank + 1..).and_then(|record| record.strip_suffix(b"\n")).ok_or(MALFORMED)?;
            let equals = record.iter().position(|&byte| byte == b'=').ok_or(MALFORMED)?;
            let (key, value) = record.split_at_checked(equals).ok_or(MALFORMED)?;
            let value = value.get(1..).ok_or(MALFORMED)?;
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"size" => {
                    let size = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    self.size =
                        Some(size.ok_or("the size in a pax header is no number that a file can have")?);
                }
                key if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
            records = rest;
        }
        Ok(())
    }
}

/// The bytes of a field in a header (IEEE Std 1003.1, `pax`, "ustar Interchange Format").
type Field = std::ops::Range<usize>;
const NAME: Field = 0..100;
const SIZE: Field = 124..136;
const MODIFIED: Field = 136..148;
const CHECKSUM: Field = 148..156;
const KIND: usize = 156;
const MAGIC: Field = 257..263;
const PREFIX: Field = 345..500;

struct Header<'a>(&'a [u8; BLOCK]);

impl<'a> Header<'a> {
    fn field(&self, field: Field) -> &'a [u8] {
        self.0.get(field).unwrap_or_default()
    }

    fn kind(&self) -> u8 {
        self.0.get(KIND).copied().unwrap_or_default()
    }

    /// Returns the name, behind the prefix that POSIX's format may have.
    fn name(&self) -> Vec<u8> {
        let name = c_string(self.field(NAME));
        match c_string(self.field(PREFIX)) {
            // GNU's older format has other fields in place of the prefix.
            prefix if !prefix.is_empty() && self.field(MAGIC) == b"ustar\0" => [prefix, b"/", name].concat(),
            _ => name.to_vec(),
        }
    }

    /// Reads a number in octal digits, or as GNU writes large ones, in bytes behind a set bit. Returns `None` if the
    /// field is no number, or one that is negative or too large.
    fn number(&self, field: Field) -> Option<u64> {
        let field = self.field(field);
        let (first, rest) = field.split_first()?;
        if first & 0x80 == 0 {
            let digits = field.trim_ascii_start();
            let digits = digits.split(|byte| matches!(byte, 0 | b' ')).next().unwrap_or_default();
            return digits.iter().try_fold(0u64, |value, byte| {
                let digit = byte.checked_sub(b'0').filter(|digit| *digit < 8)?;
                value.checked_mul(8)?.checked_add(digit.into())
            });
        }
        // A second set bit is the sign of a negative number.
        let high = u64::from(first & 0x7f);
        (high & 0x40 == 0).then_some(())?;
        rest.iter().try_fold(high, |value, &byte| value.checked_mul(256)?.checked_add(byte.into()))
    }

    /// Tells whether the recorded checksum is the sum of all bytes, those of the checksum itself counted as blanks. The
    /// sum of signed bytes, as old programs computed it, is accepted, too.
    fn is_sound(&self) -> bool {
        let bytes =
            || self.0.iter().enumerate().map(|(at, &byte)| if CHECKSUM.contains(&at) { b' ' } else { byte });
        let unsigned: u64 = bytes().map(u64::from).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte as i8)).sum();
        let recorded = self.number(CHECKSUM);
        recorded == Some(unsigned) || recorded.is_some_and(|sum| i64::try_from(sum) == Ok(signed))
    }
}
