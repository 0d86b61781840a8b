//! The walk over the MCUs of one scan, with restart markers and recovery from damage.

#![deny(clippy::indexing_slicing)]

use crate::bits::{Bits, End, Source};
use crate::error::Error;
use crate::frame::{Frame, Scan};
use crate::huffman::{HuffmanTable, TableSpec};
use crate::markers::{Stream, marker};

/// State of reading an entropy-coded segment.
pub(crate) struct Entropy<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) bits: Bits,
    /// DC prediction of each component of the scan.
    pub(crate) prediction: [i32; 4],
    /// Number of coming blocks that have no further coefficients in the band (progressive AC scans).
    pub(crate) end_of_band_run: u32,
    /// True once the segment has ended before its last MCU. Blocks then stay as they are until the next restart marker.
    starved: bool,
    restart_interval: u32,
    until_restart: u32,
    next_restart: u8,
}

impl<'a> Entropy<'a> {
    fn new(bytes: &'a [u8], scan: &Scan, restart_interval: u32) -> Self {
        let (source, bits) = Source::new(bytes, scan.offset, End::Open);
        Self {
            source,
            bits,
            prediction: [0; 4],
            end_of_band_run: 0,
            starved: false,
            restart_interval,
            until_restart: restart_interval,
            next_restart: 0,
        }
    }

    /// Passes the restart marker that is due.
    ///
    /// If another marker stands in its place, does what libjpeg does (libjpeg-turbo, jdmarker.c,
    /// `jpeg_resync_to_restart`):
    ///
    /// - skips a marker that is invalid or belongs to one of the last two restarts, and looks at the next one;
    /// - leaves a marker unread that belongs to one of the next two restarts or ends the scan, so that the coming
    ///   MCUs find no data;
    /// - takes any other restart marker for the one that is due.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the file ends before a marker.
    fn restart(&mut self) -> Result<(), Error> {
        let mut stream = self.position();
        let mut code = match self.source.end() {
            End::Marker(code) => code,
            End::Open | End::File => stream.next_marker()?,
        };
        let ahead = |code: u8| (code.wrapping_sub(marker::RST0 + self.next_restart)) & 7;
        let end = loop {
            match code {
                0..marker::SOF0 => code = stream.next_marker()?,
                marker::RST0..=marker::RST7 => match ahead(code) {
                    1 | 2 => break End::Marker(code),
                    6 | 7 => code = stream.next_marker()?,
                    _ => break End::Open,
                },
                _ => break End::Marker(code),
            }
        };
        (self.source, self.bits) = Source::new(self.source.bytes(), stream.pos(), end);
        self.prediction = [0; 4];
        self.end_of_band_run = 0;
        self.until_restart = self.restart_interval;
        self.next_restart = (self.next_restart + 1) & 7;
        if end == End::Open {
            self.starved = false;
        }
        Ok(())
    }

    /// Returns the place after the bytes that were read.
    pub(crate) fn position(&self) -> Stream<'a> {
        Stream::at(self.source.bytes(), self.source.position(self.bits))
    }

    /// Records after an MCU whether its data was there.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the file ended before the data.
    fn finish_mcu(&mut self) -> Result<(), Error> {
        if self.source.overrun(self.bits) {
            if self.source.end() == End::File {
                return Err(Error::Truncated { offset: self.source.bytes().len() });
            }
            self.starved = true;
        }
        Ok(())
    }
}

/// Place of a block of a scan.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Index into the scan's components.
    pub(crate) component: usize,
    /// Row of blocks, and column of blocks. At the right and lower edges an interleaved scan has blocks beyond the
    /// image.
    pub(crate) row: usize,
    pub(crate) col: usize,
}

/// State after a scan.
pub(crate) struct Walked<'a> {
    pub(crate) entropy: Entropy<'a>,
    /// Last MCU row whose data was there. A scan of one component counts the rows of blocks that make an MCU row.
    pub(crate) last_good_row: usize,
}

/// Decodes the blocks of a scan.
pub(crate) trait BlockSink<'a> {
    /// Decodes the next block.
    fn block(&mut self, entropy: &mut Entropy<'a>, place: Place);

    /// Reacts to the end of a row: an MCU row of an interleaved scan, or a row of blocks of another scan.
    fn row_done(&mut self, _row: usize) {}
}

impl<'a, F: FnMut(&mut Entropy<'a>, Place)> BlockSink<'a> for F {
    #[inline(always)]
    fn block(&mut self, entropy: &mut Entropy<'a>, place: Place) {
        self(entropy, place);
    }
}

/// Passes the blocks of a scan to `sink` in the order of the file (T.81, A.2). Blocks whose data is missing are left
/// out.
///
/// # Errors
/// [`Error::Truncated`] if the file ends within the scan.
#[expect(clippy::indexing_slicing, reason = "a scan has components, and each was looked up in the frame")]
pub(crate) fn walk<'a>(
    bytes: &'a [u8],
    frame: &Frame,
    scan: &Scan,
    restart_interval: u32,
    sink: &mut impl BlockSink<'a>,
) -> Result<Walked<'a>, Error> {
    let mut entropy = Entropy::new(bytes, scan, restart_interval);
    let mut last_good_row = 0;
    let first = &frame.components[scan.components[0].index];
    let (rows, cols, rows_in_mcu_row) = if scan.single() {
        (first.block_rows, first.block_cols, first.v)
    } else {
        (frame.mcu_rows, frame.mcu_cols, 1)
    };
    for row in 0..rows {
        for col in 0..cols {
            if !entropy.starved {
                last_good_row = row / rows_in_mcu_row;
            }
            if entropy.restart_interval > 0 {
                if entropy.until_restart == 0 {
                    entropy.restart()?;
                }
                entropy.until_restart -= 1;
            }
            if entropy.starved {
                if entropy.restart_interval == 0 {
                    break;
                }
                continue;
            }
            if scan.single() {
                sink.block(&mut entropy, Place { component: 0, row, col });
            } else {
                for (component, part) in scan.components.iter().enumerate() {
                    let (h, v) = (frame.components[part.index].h, frame.components[part.index].v);
                    for y in 0..v {
                        for x in 0..h {
                            sink.block(&mut entropy, Place { component, row: row * v + y, col: col * h + x });
                        }
                    }
                }
            }
            entropy.finish_mcu()?;
        }
        sink.row_done(row);
    }
    Ok(Walked { entropy, last_good_row })
}

/// The two kinds of Huffman tables.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Dc,
    Ac,
}

/// Tables of one kind that a scan uses, each derived once.
pub(crate) struct Tables {
    tables: Vec<HuffmanTable>,
    /// Index into `tables` for each component of the scan.
    of_component: [usize; 4],
}

impl Tables {
    pub(crate) fn new(scan: &Scan, specs: &[Option<TableSpec>; 4], kind: Kind) -> Result<Self, Error> {
        let mut numbers: Vec<u8> = Vec::with_capacity(2);
        let mut tables = Vec::with_capacity(2);
        let mut of_component = [0; 4];
        for (component, slot) in scan.components.iter().zip(&mut of_component) {
            let (index, name) = match kind {
                Kind::Dc => (component.dc_table, "DC Huffman"),
                Kind::Ac => (component.ac_table, "AC Huffman"),
            };
            if let Some(known) = numbers.iter().position(|&n| n == index) {
                *slot = known;
                continue;
            }
            let bad = |reason| Error::Table { table: name, index, offset: scan.offset, reason };
            let spec = specs
                .get(usize::from(index))
                .and_then(Option::as_ref)
                .ok_or_else(|| bad("it is not defined"))?;
            let codes = spec.counts.iter().map(|&n| usize::from(n)).sum::<usize>().min(256);
            if kind == Kind::Dc && spec.symbols.iter().take(codes).any(|&size| size > 15) {
                return Err(bad("a size is more than 15 bits"));
            }
            *slot = tables.len();
            numbers.push(index);
            tables.push(HuffmanTable::new(spec).map_err(bad)?);
        }
        Ok(Self { tables, of_component })
    }

    /// Returns the table of a component of the scan.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "each component of the scan was given the place of a table")]
    pub(crate) fn of(&self, component: usize) -> &HuffmanTable {
        &self.tables[self.of_component[component]]
    }
}
