use std::io::Write;
use std::path::Path;

use rscir_core::EncoderSpec;
use rscir_core::files::Together;

use super::input::{ByteOrder, Element, Input};
use super::key_list::{self, KeyList};
use super::output::write_values;
use super::{Features, normalized};
use crate::digest::HashingWriter;
use crate::{Columns, Error, Result};

/// Extension of an array's file.
pub(super) const EXTENSION: &str = "npy";

/// First bytes of every file (NEP 1, "A Simple File Format for NumPy Arrays").
const MAGIC: [u8; 6] = *b"\x93NUMPY";

#[expect(
    clippy::indexing_slicing,
    reason = "a row is below the number of rows, of which there are dim times as many values"
)]
pub(super) fn read(path: &Path) -> Result<Features> {
    let mut array = NpyReader::open(path)?;
    let (rows, dim) = (array.rows, array.dim);
    let mut values = array.values(rows as u64 * dim as u64)?;
    let fortran_order = array.fortran_order;
    let KeyList { kind, keys, .. } = array.finish()?;
    if fortran_order {
        values = (0..rows).flat_map(|row| values[row..].iter().step_by(rows).copied()).collect();
    }
    Ok(Features {
        spec: EncoderSpec::unknown(dim),
        kind,
        keys,
        labels: None,
        columns: Columns::new(rows),
        embeddings: normalized(dim, values)?,
    })
}

/// An array that is read block by block, and the list of keys beside it.
pub(crate) struct NpyReader<'a> {
    input: Input<'a>,
    /// Number of rows.
    pub(crate) rows: usize,
    /// Number of columns, at least 1.
    pub(crate) dim: usize,
    /// `true` if the numbers of a column follow each other, rather than those of a row.
    pub(crate) fortran_order: bool,
    /// The list of keys. Its length may differ from the number of rows.
    pub(crate) list: KeyList,
    element: Element,
    order: ByteOrder,
}

impl<'a> NpyReader<'a> {
    /// Tells whether the extension of a path is that of an array.
    pub(crate) fn is_npy(path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == EXTENSION)
    }

    /// Returns the keys of the rows.
    pub(crate) fn keys(&self) -> &[String] {
        &self.list.keys
    }

    /// Checks that there are rows, with one key each.
    pub(crate) fn check_rows(&self) -> Result<()> {
        let (rows, got) = (self.rows, self.list.keys.len());
        match rows {
            0 => Err(Error::NoRows),
            _ if rows == got => Ok(()),
            _ => Err(Error::RowCount { what: self.list.kind.name(), rows, got }),
        }
    }

    /// Takes the keys out of the reader, for a caller that needs them longer.
    pub(crate) fn take_keys(&mut self) -> Vec<String> {
        std::mem::take(&mut self.list.keys)
    }

    /// Reads the rest of the file only for its checksum.
    ///
    /// # Errors
    /// The errors of [`NpyReader::finish`].
    pub(crate) fn check(mut self) -> Result<()> {
        /// Bytes that are read at once.
        const CHUNK: u64 = 1 << 20;
        let mut left = (self.rows as u64).saturating_mul(self.dim as u64).saturating_mul(self.element.size());
        while left > 0 {
            let chunk = left.min(CHUNK);
            self.input.bytes(chunk)?;
            left -= chunk;
        }
        self.finish().map(|_| ())
    }

    /// Reads the header of an array and the list beside it.
    ///
    /// # Errors
    /// [`Error::NotTheFormat`] if the file is not an npy file; [`Error::FileSize`] if it has another length than
    /// its header says; other errors of the header and the list.
    pub(crate) fn open(path: &'a Path) -> Result<Self> {
        let mut input = Input::hashed(path)?;
        if input.array()? != MAGIC {
            return Err(Error::NotTheFormat { format: "npy" });
        }
        let length = match input.array()? {
            [1, _] => u64::from(u16::from_le_bytes(input.array()?)),
            [2 | 3, _] => u64::from(u32::from_le_bytes(input.array()?)),
            [major, minor] => return Err(Error::NpyVersion { major, minor }),
        };
        let header = input.bytes(length)?;
        let header = Header::parse(&header)?;
        let (element, order) = header.element()?;
        let [rows, dim] = header.shape[..] else {
            return Err(Error::NotAMatrix { shape: header.shape });
        };
        if dim == 0 {
            return Err(Error::NoColumns);
        }
        input.check_left((rows as u64).saturating_mul(dim as u64).saturating_mul(element.size()))?;
        let list = KeyList::beside(path, rows)?;
        list.check_rows(rows)?;
        if !list.has_digest() {
            input.stop_hashing();
        }
        Ok(Self { input, rows, dim, fortran_order: header.fortran_order, list, element, order })
    }

    /// Reads the next `count` numbers, in the order of the file.
    pub(crate) fn values(&mut self, count: u64) -> Result<Vec<f32>> {
        self.input.values(count, self.element, self.order)
    }

    /// Returns the list, after all numbers were read.
    ///
    /// # Errors
    /// [`Error::OtherArray`] if the list was written with another array: the rows that were read have wrong keys
    /// then, and must not be kept.
    pub(crate) fn finish(self) -> Result<KeyList> {
        self.input.check_left(0)?;
        self.list.check_digest(self.input.digest())?;
        Ok(self.list)
    }
}

pub(super) fn write(features: &Features, path: &Path) -> Result<()> {
    let (rows, dim) = (features.embeddings.len(), features.embeddings.dim());
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    // Spaces and a newline end the header, so that the data begins at a multiple of 64.
    let before = MAGIC.len() + 4;
    let padding = (before + header.len() + 1).next_multiple_of(64) - (before + header.len() + 1);
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    // The header has two numbers of at most 20 digits, so it is far shorter than the 65,535 bytes of version 1.
    let length = header.len() as u16;

    let (list, others) = key_list::paths(path, features.kind);
    let mut files = Together::new();
    let sha256 = files.write(path, |out| {
        let mut out = HashingWriter::new(out);
        out.write_all(&MAGIC)?;
        out.write_all(&[1, 0])?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        write_values(&mut out, features.embeddings.as_slice())?;
        Ok(out.finish().1)
    })?;
    for other in others {
        // An older list would be read instead of the new one, or contradict it.
        files.remove(other)?;
    }
    // The file that is written last is renamed first. A program that reads in between finds a list that does not
    // fit the array, and returns an error.
    files.write(list, |out| key_list::write(out, features.kind, &features.keys, sha256))?;
    Ok(files.commit()?)
}

/// The Python dict literal that describes the array.
#[derive(Debug, PartialEq)]
struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let text = str::from_utf8(bytes).map_err(|_| Error::NpyHeader { expected: "UTF-8", at: 0 })?;
        let mut literal = Literal { text, at: 0 };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        literal.expect("{")?;
        while !literal.take("}") {
            let key = literal.string()?;
            literal.expect(":")?;
            match key {
                "descr" => descr = Some(literal.string()?.to_owned()),
                "fortran_order" => fortran_order = Some(literal.boolean()?),
                "shape" => shape = Some(literal.shape()?),
                _ => return Err(literal.error("descr, fortran_order or shape")),
            }
            if !literal.take(",") {
                literal.expect("}")?;
                break;
            }
        }
        Ok(Self {
            descr: descr.ok_or_else(|| literal.error("descr"))?,
            fortran_order: fortran_order.ok_or_else(|| literal.error("fortran_order"))?,
            shape: shape.ok_or_else(|| literal.error("shape"))?,
        })
    }

    fn element(&self) -> Result<(Element, ByteOrder)> {
        let (order, kind) = match self.descr.strip_prefix('>') {
            Some(kind) => (ByteOrder::Big, kind),
            None => (ByteOrder::Little, self.descr.strip_prefix('<').unwrap_or(&self.descr)),
        };
        let element = match kind {
            "f2" => Element::F16,
            "f4" => Element::F32,
            "f8" => Element::F64,
            _ => return Err(Error::ElementType { got: self.descr.clone(), known: "f2, f4, f8" }),
        };
        Ok((element, order))
    }
}

/// Reads the few Python literals that a header consists of.
struct Literal<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Literal<'a> {
    fn error(&self, expected: &'static str) -> Error {
        Error::NpyHeader { expected, at: self.at }
    }

    /// Skips white space and returns the text that is left.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, token: &'static str) -> Result<()> {
        if self.take(token) { Ok(()) } else { Err(self.error(token)) }
    }

    fn string(&mut self) -> Result<&'a str> {
        let rest = self.rest();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let (content, _) =
            quote.and_then(|quote| rest[1..].split_once(quote)).ok_or_else(|| self.error("a string"))?;
        self.at += content.len() + 2;
        Ok(content)
    }

    fn boolean(&mut self) -> Result<bool> {
        let value = self.take("True");
        if value || self.take("False") { Ok(value) } else { Err(self.error("True or False")) }
    }

    fn shape(&mut self) -> Result<Vec<usize>> {
        self.expect("(")?;
        let mut shape = Vec::new();
        while !self.take(")") {
            let rest = self.rest();
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            shape.push(rest[..digits].parse().map_err(|_| self.error("a length"))?);
            self.at += digits;
            // Python 2 wrote long lengths with an L.
            self.take("L");
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Option<Header> {
        Header::parse(text.as_bytes()).ok()
    }

    #[test]
    fn headers_are_read_in_any_order_and_spacing() {
        let expected = Some(Header { descr: "<f4".into(), fortran_order: false, shape: vec![3, 4] });
        for text in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n",
            "{\"shape\":(3,4,),\"fortran_order\":False,\"descr\":\"<f4\"}",
            " { 'shape' : ( 3L , 4L ) , 'descr' : '<f4' , 'fortran_order' : False , } ",
        ] {
            assert_eq!(header(text), expected);
        }
    }

    #[test]
    fn malformed_headers_are_errors() {
        for text in [
            "",
            "{",
            "{'descr': '<f4'}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, -4)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 4)}",
            "{'descr': '<f4, 'fortran_order': False, 'shape': (3, 4)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4",
            "{'descr': '\u{e9}', 'order': 1}",
        ] {
            assert_eq!(header(text), None, "{text}");
        }
    }
}
