use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rscir_core::files::{self, FileError};
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::KeyKind;
use crate::digest::Digest;
use crate::{Error, Result};

/// Keys of an array's rows, from a list beside the array.
#[derive(Debug, PartialEq)]
pub(crate) struct KeyList {
    pub(crate) kind: KeyKind,
    pub(crate) keys: Vec<String>,
    origin: Origin,
}

/// What a list says about the array that it was written with.
#[derive(Debug, PartialEq)]
enum Origin {
    /// There is no list, so the keys are the row numbers.
    Absent,
    /// The list says nothing, like those that other programs write.
    Plain,
    /// The list names the number of rows and the checksum of its array.
    Array { list: PathBuf, rows: u64, sha256: Digest },
}

/// Reads the text of a list.
type Parse = fn(&str) -> serde_json::Result<Content>;

/// Lists that may stand beside an array, in the order in which they are looked for.
const LISTS: [(KeyKind, Parse, &str); 4] = [
    (KeyKind::Keys, |text| serde_json::from_str(text), "json"),
    (KeyKind::Keys, lines, "txt"),
    (KeyKind::Texts, |text| serde_json::from_str(text), "json"),
    (KeyKind::Texts, lines, "txt"),
];

/// Reads a list with one key a line.
fn lines(text: &str) -> serde_json::Result<Content> {
    // Files that were joined have byte order marks at the beginning of lines within.
    let keys = text.lines().map(|line| files::without_byte_order_mark(line).into()).collect();
    Ok(Content { keys, array: None })
}

/// Returns the largest number of bytes of a list that are read, for an array of `rows` rows.
fn limit(rows: usize) -> u64 {
    /// The longest path that Linux opens has 4,096 bytes (`PATH_MAX`), and JSON may take six bytes for each.
    const PER_ROW: u64 = 6 * 4096;
    /// A few rows may be long texts.
    const MIN: u64 = 1 << 20;
    /// Forty million keys of a hundred bytes.
    const MAX: u64 = 1 << 32;
    (rows as u64).saturating_mul(PER_ROW).clamp(MIN, MAX)
}

impl KeyList {
    /// Reads the list beside the array `path` of `rows` rows. If there is none, the keys are the row numbers.
    pub(super) fn beside(path: &Path, rows: usize) -> Result<Self> {
        for (kind, parse, extension) in LISTS {
            let list = list_path(path, kind, extension);
            match files::read_text(&list, limit(rows)) {
                Ok(text) => {
                    let content = parse(&text)
                        .map_err(|source| Error::Json { what: kind.name(), source }.in_file(&list))?;
                    let origin = match content.array {
                        Some((rows, sha256)) => Origin::Array { list, rows, sha256 },
                        None => Origin::Plain,
                    };
                    return Ok(Self { kind, keys: content.keys, origin });
                }
                Err(FileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        let keys = (0..rows).map(|row| row.to_string()).collect();
        Ok(Self { kind: KeyKind::Keys, keys, origin: Origin::Absent })
    }

    /// Tells whether the list names the checksum of its array.
    pub(crate) fn has_digest(&self) -> bool {
        matches!(self.origin, Origin::Array { .. })
    }

    /// Checks that the list was written with an array of `rows` rows, or does not say.
    ///
    /// # Errors
    /// [`Error::OtherArray`] if it names another number.
    pub(super) fn check_rows(&self, rows: usize) -> Result<()> {
        match &self.origin {
            Origin::Array { list, rows: own, .. } if *own != rows as u64 => Err(Error::OtherArray {
                list: list.clone(),
                what: "number of rows",
                expected: own.to_string(),
                got: rows.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Checks that the list was written with the array of this checksum, or does not say.
    ///
    /// # Errors
    /// [`Error::OtherArray`] if it names another checksum.
    pub(super) fn check_digest(&self, got: Option<Digest>) -> Result<()> {
        match (&self.origin, got) {
            (Origin::Array { list, sha256, .. }, Some(got)) if *sha256 != got => Err(Error::OtherArray {
                list: list.clone(),
                what: "SHA-256",
                expected: sha256.to_string(),
                got: got.to_string(),
            }),
            _ => Ok(()),
        }
    }
}

/// Returns the path of the list that is written for an array, and the paths of all other lists that may stand
/// beside it.
pub(super) fn paths(path: &Path, kind: KeyKind) -> (PathBuf, Vec<PathBuf>) {
    let others = LISTS.iter().filter(|(other, _, extension)| (*other, *extension) != (kind, "json"));
    let others = others.map(|(other, _, extension)| list_path(path, *other, extension)).collect();
    (list_path(path, kind, "json"), others)
}

/// Checks that every list beside an array can be written or removed.
pub(super) fn can_be_written_beside(path: &Path) -> Result<()> {
    LISTS.iter().try_for_each(|(kind, _, extension)| {
        files::can_be_written(list_path(path, *kind, extension)).map_err(Error::from)
    })
}

/// Returns the path of a list.
fn list_path(path: &Path, kind: KeyKind, extension: &str) -> PathBuf {
    path.with_extension(format!("{}.{extension}", kind.name()))
}

/// Writes the list for the array with the checksum `sha256`.
pub(super) fn write(out: &mut dyn Write, kind: KeyKind, keys: &[String], sha256: Digest) -> io::Result<()> {
    #[derive(Serialize)]
    struct Written<'a> {
        rows: usize,
        sha256: Digest,
        #[serde(skip_serializing_if = "Option::is_none")]
        keys: Option<&'a [String]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        texts: Option<&'a [String]>,
    }
    let of = |own| (kind == own).then_some(keys);
    let written = Written { rows: keys.len(), sha256, keys: of(KeyKind::Keys), texts: of(KeyKind::Texts) };
    serde_json::to_writer(&mut *out, &written)?;
    out.write_all(b"\n")
}

/// Content of a list: an array of strings, or an object that also names the array of the keys.
#[derive(Debug)]
struct Content {
    keys: Vec<String>,
    array: Option<(u64, Digest)>,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings, or an object with rows, sha256 and such a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = list.next_element()? {
            keys.push(key);
        }
        Ok(Content { keys, array: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let (mut rows, mut sha256, mut keys) = (None, None, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "rows" => rows = Some(map.next_value()?),
                "sha256" => sha256 = Some(map.next_value()?),
                "keys" | "texts" => keys = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let keys = keys.ok_or_else(|| A::Error::missing_field("keys"))?;
        let array = match (rows, sha256) {
            (Some(rows), Some(sha256)) => Some((rows, sha256)),
            (None, None) => None,
            (None, _) => return Err(A::Error::missing_field("rows")),
            (_, None) => return Err(A::Error::missing_field("sha256")),
        };
        Ok(Content { keys, array })
    }
}
