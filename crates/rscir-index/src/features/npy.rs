use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rscir_core::{Embeddings, EncoderSpec};

use super::input::{ByteOrder, Element, Input};
use super::output::{replace, write_values};
use super::{Features, KeyKind};
use crate::error::IoAction;
use crate::{Columns, Error, Result};

/// First bytes of every file (NEP 1, "A Simple File Format for NumPy Arrays").
const MAGIC: [u8; 6] = *b"\x93NUMPY";

pub(super) fn read(path: &Path) -> Result<Features> {
    let mut input = Input::open(path)?;
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
    let count = (rows as u64).saturating_mul(dim as u64);
    let mut values = input.values(count, element, order)?;
    input.end()?;
    if header.fortran_order {
        values = (0..rows).flat_map(|row| values[row..].iter().step_by(rows).copied()).collect();
    }
    let embeddings = Embeddings::normalize(dim, values)?;
    let (kind, keys) = keys_beside(path, rows)?;
    Ok(Features {
        spec: EncoderSpec::unknown(dim),
        kind,
        keys,
        labels: None,
        columns: Columns::new(rows),
        embeddings,
    })
}

pub(super) fn write(features: &Features, path: &Path) -> Result<()> {
    let (rows, dim) = (features.embeddings.len(), features.embeddings.dim());
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    // Spaces and a newline end the header, so that the data begins at a multiple of 64.
    let before = MAGIC.len() + 4;
    let padding = (before + header.len() + 1).next_multiple_of(64) - (before + header.len() + 1);
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    // Two numbers of 20 digits at most: far below the 65,535 bytes of version 1.
    let length = header.len() as u16;

    let kind = features.kind;
    let keys =
        serde_json::to_vec(&features.keys).map_err(|source| Error::Json { what: kind.name(), source })?;
    for (other, _, extension) in
        SIDECARS.iter().filter(|(other, _, extension)| (*other, *extension) != (kind, "json"))
    {
        // An older list would otherwise be read in place of, or contradict, the one written now.
        remove_if_there(&beside(path, *other, extension))?;
    }
    replace(&beside(path, kind, "json"), |out| out.write_all(&keys))?;
    replace(path, |out| {
        out.write_all(&MAGIC)?;
        out.write_all(&[1, 0])?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        write_values(out, features.embeddings.as_slice())
    })
}

/// How a list of keys is read.
type ParseKeys = fn(&str) -> serde_json::Result<Vec<String>>;

/// The lists that may stand beside a file, in the order in which they are looked for.
const SIDECARS: [(KeyKind, ParseKeys, &str); 4] = [
    (KeyKind::Keys, |text| serde_json::from_str(text), "json"),
    (KeyKind::Keys, lines, "txt"),
    (KeyKind::Texts, |text| serde_json::from_str(text), "json"),
    (KeyKind::Texts, lines, "txt"),
];

fn lines(text: &str) -> serde_json::Result<Vec<String>> {
    Ok(text.lines().map(String::from).collect())
}

fn keys_beside(path: &Path, rows: usize) -> Result<(KeyKind, Vec<String>)> {
    for (kind, parse, extension) in SIDECARS {
        let list = beside(path, kind, extension);
        match fs::read_to_string(&list) {
            Ok(text) => {
                let keys = parse(&text).map_err(|source| Error::Json { what: kind.name(), source });
                return keys.map(|keys| (kind, keys)).map_err(|error| error.in_file(&list));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Io { path: list, action: IoAction::Read, source }),
        }
    }
    Ok((KeyKind::Keys, (0..rows).map(|row| row.to_string()).collect()))
}

fn beside(path: &Path, kind: KeyKind, extension: &str) -> PathBuf {
    path.with_extension(format!("{}.{extension}", kind.name()))
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(Error::Io { path: path.into(), action: IoAction::Write, source })
        }
        _ => Ok(()),
    }
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

/// Reads the few Python literals that a header is made of.
struct Literal<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Literal<'a> {
    fn error(&self, expected: &'static str) -> Error {
        Error::NpyHeader { expected, at: self.at }
    }

    /// What is left, after white space.
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
