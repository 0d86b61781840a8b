//! The segments of a file: tables, frame header, scan headers.

#![deny(clippy::indexing_slicing)]

use crate::bits::End;
use crate::error::{Error, Refused};
use crate::frame::{ColorSpace, Frame, Header, Scan};
use crate::huffman::{TableSpec, standard_tables};
use crate::scan::Entropy;

/// Second bytes of markers (T.81, table B.1).
pub(crate) mod marker {
    pub(crate) const TEM: u8 = 0x01;
    pub(crate) const SOF0: u8 = 0xC0;
    pub(crate) const SOF1: u8 = 0xC1;
    pub(crate) const SOF2: u8 = 0xC2;
    pub(crate) const SOF3: u8 = 0xC3;
    pub(crate) const DHT: u8 = 0xC4;
    pub(crate) const SOF5: u8 = 0xC5;
    pub(crate) const SOF7: u8 = 0xC7;
    pub(crate) const SOF9: u8 = 0xC9;
    pub(crate) const SOF11: u8 = 0xCB;
    pub(crate) const DAC: u8 = 0xCC;
    pub(crate) const SOF13: u8 = 0xCD;
    pub(crate) const SOF15: u8 = 0xCF;
    pub(crate) const RST0: u8 = 0xD0;
    pub(crate) const RST7: u8 = 0xD7;
    pub(crate) const SOI: u8 = 0xD8;
    pub(crate) const EOI: u8 = 0xD9;
    pub(crate) const SOS: u8 = 0xDA;
    pub(crate) const DQT: u8 = 0xDB;
    pub(crate) const DNL: u8 = 0xDC;
    pub(crate) const DRI: u8 = 0xDD;
    pub(crate) const DHP: u8 = 0xDE;
    pub(crate) const APP0: u8 = 0xE0;
    pub(crate) const APP1: u8 = 0xE1;
    pub(crate) const APP14: u8 = 0xEE;
    pub(crate) const APP15: u8 = 0xEF;
    pub(crate) const COM: u8 = 0xFE;
}

/// Index in natural (row) order of the coefficient at each zigzag index (T.81, figure A.6). Sixteen more entries
/// catch the runs beyond the end of a damaged block, as in libjpeg (jutils.c, `jpeg_natural_order`). The rest makes
/// the length a power of two, so that a masked index needs no check.
pub(crate) const ZIGZAG: [u8; 128] = zigzag();

#[expect(
    clippy::indexing_slicing,
    reason = "the table is computed when the crate is compiled, where an index beyond the end is an error"
)]
const fn zigzag() -> [u8; 128] {
    let mut order = [63; 128];
    let (mut row, mut col, mut k) = (0usize, 0usize, 0);
    while k < 64 {
        order[k] = (8 * row + col) as u8;
        // Even diagonals run up and to the right, odd ones down and to the left.
        if (row + col) % 2 == 0 {
            if col == 7 {
                row += 1;
            } else {
                col += 1;
                row = row.saturating_sub(1);
            }
        } else if row == 7 {
            col += 1;
        } else {
            row += 1;
            col = col.saturating_sub(1);
        }
        k += 1;
    }
    order
}

/// A place in a file, from which markers and segments are read.
#[derive(Clone, Copy)]
pub(crate) struct Stream<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl<'a> Stream<'a> {
    /// Begins after the start-of-image marker.
    ///
    /// # Errors
    /// [`Error::NotJpeg`] if the file does not begin with that marker and the first byte of another.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        if !bytes.starts_with(&[0xFF, marker::SOI, 0xFF]) {
            return Err(Error::NotJpeg);
        }
        Ok(Self { bytes, pos: 2 })
    }

    /// Begins at a place in the file.
    pub(crate) fn at(bytes: &'a [u8], pos: usize) -> Self {
        Self { bytes, pos }
    }

    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let byte = *self.bytes.get(self.pos).ok_or(Error::Truncated { offset: self.pos })?;
        self.pos += 1;
        Ok(byte)
    }

    /// Goes past the next marker and returns its second byte. Skips the bytes before the marker: all but `FF`, and
    /// `FF 00`. Further `FF` are padding (libjpeg-turbo, jdmarker.c, `next_marker`).
    ///
    /// # Errors
    /// [`Error::Truncated`] if the file ends first.
    pub(crate) fn next_marker(&mut self) -> Result<u8, Error> {
        loop {
            while self.byte()? != 0xFF {}
            let code = loop {
                match self.byte()? {
                    0xFF => {}
                    code => break code,
                }
            };
            if code != 0 {
                return Ok(code);
            }
        }
    }

    /// Reads the contents of the segment whose length comes next. A length below two is wrong and counts as no
    /// contents.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the file ends before the segment does.
    pub(crate) fn segment(&mut self) -> Result<&'a [u8], Error> {
        let length = u16::from_be_bytes([self.byte()?, self.byte()?]);
        let end = self.pos + usize::from(length.saturating_sub(2));
        let contents = self.bytes.get(self.pos..end).ok_or(Error::Truncated { offset: self.bytes.len() })?;
        self.pos = end;
        Ok(contents)
    }
}

/// A segment that is more than a definition of tables or a note.
enum Event<'a> {
    /// A frame header.
    Frame(Frame),
    /// The contents of a scan header.
    Scan(&'a [u8]),
    /// The end of the image.
    End,
}

impl Event<'_> {
    fn marker(&self) -> u8 {
        match self {
            Self::Frame(frame) if frame.progressive => marker::SOF2,
            Self::Frame(_) => marker::SOF0,
            Self::Scan(_) => marker::SOS,
            Self::End => marker::EOI,
        }
    }
}

/// The marker segments read so far, and the place after them.
pub(crate) struct Markers<'a> {
    stream: Stream<'a>,
    /// The marker that ended an entropy-coded segment, if it is still to be read.
    pending: Option<u8>,
    pub(crate) quant: [Option<[u16; 64]>; 4],
    pub(crate) dc: [Option<TableSpec>; 4],
    pub(crate) ac: [Option<TableSpec>; 4],
    /// Number of MCUs between restart markers, or 0 without such markers.
    pub(crate) restart_interval: u32,
    jfif: bool,
    /// The transform byte of the Adobe segment.
    adobe: Option<u8>,
    /// The allowed numbers of components.
    counts: &'static [u8],
}

impl<'a> Markers<'a> {
    /// Begins a file whose components are colors: 1, 3 or 4 of them.
    ///
    /// # Errors
    /// [`Error::NotJpeg`] if the bytes do not begin like a JPEG file.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::of_counts(bytes, &[1, 3, 4])
    }

    /// Begins a file whose number of components is one of `counts`.
    ///
    /// # Errors
    /// [`Error::NotJpeg`] if the bytes do not begin like a JPEG file.
    pub(crate) fn of_counts(bytes: &'a [u8], counts: &'static [u8]) -> Result<Self, Error> {
        Ok(Self {
            counts,
            stream: Stream::new(bytes)?,
            pending: None,
            quant: [None; 4],
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            restart_interval: 0,
            jfif: false,
            adobe: None,
        })
    }

    /// Defines the tables 0 and 1 that the file left out (libjpeg-turbo, jstdhuff.c).
    #[expect(
        clippy::indexing_slicing,
        reason = "there are two standard tables of each kind, and places for four"
    )]
    pub(crate) fn assume_standard_tables(&mut self) {
        let missing = |tables: &[Option<TableSpec>; 4]| tables[..2].iter().any(Option::is_none);
        if missing(&self.dc) || missing(&self.ac) {
            for (index, (dc, ac)) in standard_tables().into_iter().enumerate() {
                self.dc[index].get_or_insert(dc);
                self.ac[index].get_or_insert(ac);
            }
        }
    }

    /// Continues where the data of a scan ended.
    pub(crate) fn resume(&mut self, entropy: &Entropy<'a>) {
        self.stream = entropy.position();
        self.pending = match entropy.source.end() {
            End::Marker(code) => Some(code),
            End::Open | End::File => None,
        };
    }

    /// Reads the frame header and everything else up to the data of the first scan.
    pub(crate) fn first_scan(&mut self) -> Result<(Frame, Scan), Error> {
        let mut frame = None;
        loop {
            let event = self.next_event()?;
            let (marker, offset) = (event.marker(), self.stream.pos());
            let unexpected = |reason| Err(Error::Marker { marker, offset, reason });
            match (event, frame) {
                (Event::Frame(read), None) => frame = Some(read),
                (Event::Scan(contents), Some(frame)) => {
                    let scan = Scan::parse(contents, offset, &frame)?;
                    return Ok((frame, scan));
                }
                (Event::Frame(_), Some(_)) => return unexpected("a second frame header"),
                (Event::Scan(_), None) => return unexpected("a scan before the frame header"),
                (Event::End, _) => return unexpected("the file ends without an image"),
            }
        }
    }

    /// Reads up to the data of the next scan of `frame`. Returns `None` at the end of the image.
    pub(crate) fn next_scan(&mut self, frame: &Frame) -> Result<Option<Scan>, Error> {
        let event = self.next_event()?;
        let offset = self.stream.pos();
        match event {
            Event::Scan(contents) => Scan::parse(contents, offset, frame).map(Some),
            Event::End => Ok(None),
            Event::Frame(_) => {
                Err(Error::Marker { marker: event.marker(), offset, reason: "a second frame header" })
            }
        }
    }

    /// Reads segments up to the next one that is more than a table or a note, and returns that one.
    fn next_event(&mut self) -> Result<Event<'a>, Error> {
        use marker::*;
        loop {
            let code = match self.pending.take() {
                Some(code) => code,
                None => self.stream.next_marker()?,
            };
            let offset = self.stream.pos();
            let unexpected = |reason| Err(Error::Marker { marker: code, offset, reason });
            let refuse = |kind| Err(Error::Unsupported { kind, offset });
            match code {
                SOF0 | SOF1 | SOF2 => {
                    let contents = self.stream.segment()?;
                    let progressive = code == SOF2;
                    return Frame::parse(contents, offset + 2, progressive, self.counts).map(Event::Frame);
                }
                SOS => return self.stream.segment().map(Event::Scan),
                EOI => return Ok(Event::End),
                SOF3 => return refuse(Refused::Lossless),
                SOF5..=SOF7 | DHP => return refuse(Refused::Hierarchical),
                SOF9..=SOF11 | SOF13..=SOF15 => return refuse(Refused::ArithmeticCoding),
                DHT => self.huffman_tables()?,
                DQT => self.quantization_tables()?,
                DRI => {
                    let &[high, low] = self.stream.segment()? else {
                        return Err(Error::Segment {
                            segment: "DRI",
                            offset: offset + 2,
                            reason: "its length is not 4",
                        });
                    };
                    self.restart_interval = u16::from_be_bytes([high, low]).into();
                }
                // "JFIF\0" and nine bytes (JFIF 1.02); "Adobe", six bytes and the transform (Adobe TN 5116).
                APP0 => {
                    let contents = self.stream.segment()?;
                    self.jfif |= contents.len() >= 14 && contents.starts_with(b"JFIF\0");
                }
                APP14 => {
                    let contents = self.stream.segment()?;
                    if let Some(&transform) = contents.get(11).filter(|_| contents.starts_with(b"Adobe")) {
                        self.adobe = Some(transform);
                    }
                }
                APP1..=APP15 | COM | DNL | DAC => {
                    self.stream.segment()?;
                }
                RST0..=RST7 | TEM => {}
                SOI => return unexpected("a second start of image"),
                _ => return unexpected("a reserved marker"),
            }
        }
    }

    fn huffman_tables(&mut self) -> Result<(), Error> {
        let offset = self.stream.pos() + 2;
        let bad = |reason| Error::Segment { segment: "DHT", offset, reason };
        let mut rest = self.stream.segment()?;
        while let Some((&[slot, ref counts @ ..], after)) = rest.split_first_chunk::<17>() {
            let total = counts.iter().map(|&n| usize::from(n)).sum();
            let mut symbols = [0; 256];
            let (Some(known), Some((given, after))) =
                (symbols.get_mut(..total), after.split_at_checked(total))
            else {
                return Err(bad("it has more codes than symbols"));
            };
            known.copy_from_slice(given);
            let tables = if slot & 0x10 == 0 { &mut self.dc } else { &mut self.ac };
            let table = tables
                .get_mut(usize::from(slot & !0x10))
                .ok_or_else(|| bad("its table number is not 0 to 3"))?;
            *table = Some(TableSpec { counts: *counts, symbols });
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { Err(bad("its length does not fit its tables")) }
    }

    #[expect(clippy::indexing_slicing, reason = "the first 64 places of the zigzag are below 64")]
    fn quantization_tables(&mut self) -> Result<(), Error> {
        let offset = self.stream.pos() + 2;
        let bad = |reason| Error::Segment { segment: "DQT", offset, reason };
        let mut rest = self.stream.segment()?;
        while let Some((&slot, after)) = rest.split_first() {
            let table = self
                .quant
                .get_mut(usize::from(slot & 15))
                .ok_or_else(|| bad("its table number is not 0 to 3"))?;
            let width = if slot >> 4 == 0 { 1 } else { 2 };
            let (values, after) =
                after.split_at_checked(64 * width).ok_or_else(|| bad("a table is cut short"))?;
            let mut natural = [0; 64];
            for (value, &at) in values.chunks_exact(width).zip(&ZIGZAG) {
                natural[usize::from(at)] =
                    value.iter().fold(0, |number, &byte| number << 8 | u16::from(byte));
            }
            *table = Some(natural);
            rest = after;
        }
        Ok(())
    }

    /// Returns the meaning of the components (libjpeg-turbo, jdapimin.c, `default_decompress_parms`).
    pub(crate) fn color_space(&self, frame: &Frame) -> ColorSpace {
        let ids: Vec<u8> = frame.components.iter().map(|c| c.id).collect();
        match ids.len() {
            1 => ColorSpace::Gray,
            3 if self.jfif => ColorSpace::YCbCr,
            3 => match self.adobe {
                Some(0) => ColorSpace::Rgb,
                None if ids == *b"RGB" => ColorSpace::Rgb,
                _ => ColorSpace::YCbCr,
            },
            _ => match self.adobe {
                None | Some(0) => ColorSpace::Cmyk,
                Some(_) => ColorSpace::Ycck,
            },
        }
    }

    pub(crate) fn header(&self, frame: &Frame) -> Header {
        Header {
            width: frame.width as u32,
            height: frame.height as u32,
            components: frame.components.len() as u8,
            color_space: self.color_space(frame),
            progressive: frame.progressive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zigzag_visits_every_place_once() {
        assert_eq!(ZIGZAG[..16], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5]);
        assert_eq!(ZIGZAG[56..64], [53, 60, 61, 54, 47, 55, 62, 63]);
        let mut seen: Vec<u8> = ZIGZAG[..64].to_vec();
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..64));
    }

    #[test]
    fn junk_and_padding_before_a_marker_are_skipped() {
        let bytes = [0xFF, 0xD8, 0xFF, 0x00, 7, 0xFF, 0xFF, 0xFF, 0xE1, 0, 3, 9, 0xFF, 0xD9];
        let mut stream = Stream::new(&bytes).unwrap();
        assert_eq!(stream.next_marker().unwrap(), marker::APP1);
        assert_eq!(stream.segment().unwrap(), [9]);
        assert_eq!(stream.next_marker().unwrap(), marker::EOI);
        assert_eq!(stream.next_marker(), Err(Error::Truncated { offset: 14 }));
    }
}
