//! Files whose coefficients come in several scans: progressive ones, and sequential ones whose first scan lacks a
//! component.

use crate::bits::{Bits, Source};
use crate::error::Error;
use crate::frame::{Component, Frame, Scan};
use crate::huffman::{Entry, HuffmanTable};
use crate::markers::{Markers, ZIGZAG};
use crate::scan::{Entropy, Kind, Place, Tables, Walked, walk};
use crate::sequential::{self, dc_difference};

/// Coefficients of a component: blocks in natural order, in rows of blocks padded to whole MCUs.
pub(crate) struct Coefficients {
    pub(crate) blocks: Vec<[i16; 64]>,
    /// Number of blocks in a row.
    pub(crate) stride: usize,
}

impl Coefficients {
    pub(crate) fn new(component: &Component) -> Self {
        let stride = component.padded_cols;
        Self { blocks: vec![[0; 64]; stride * component.padded_rows], stride }
    }
}

/// Precision to which the scans so far give each coefficient of a component, by zigzag index.
///
/// The precision is the lowest bit position that is known. It is -1 before the first scan of the coefficient.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) now: [i8; 64],
    /// The precision before the latest scan.
    pub(crate) before: [i8; 64],
}

impl Known {
    pub(crate) const NOTHING: Self = Self { now: [-1; 64], before: [-1; 64] };

    /// Records the precision that a scan gives (libjpeg-turbo, jdphuff.c, `start_pass_phuff_decoder`). `number`
    /// counts the scans from 1.
    fn note(&mut self, scan: &Scan, number: u32) {
        let (first, last) = (usize::from(scan.first), usize::from(scan.last));
        for k in first.min(1)..=last.max(9) {
            self.before[k] = if number > 1 { self.now[k] } else { 0 };
        }
        self.now[first..=last].fill(scan.low as i8);
    }
}

/// Decodes a sequential scan into coefficients.
pub(crate) fn sequential_scan<'a>(
    bytes: &'a [u8],
    markers: &Markers<'a>,
    frame: &Frame,
    scan: &Scan,
    coefficients: &mut [Coefficients],
) -> Result<Walked<'a>, Error> {
    let coder = sequential::Coder::new(markers, scan)?;
    walk(bytes, frame, scan, markers.restart_interval, &mut |entropy: &mut Entropy<'a>, place: Place| {
        let store = &mut coefficients[scan.components[place.component].index];
        let block = &mut store.blocks[place.row * store.stride + place.col];
        coder.decode_block(entropy, place.component, block);
    })
}

/// Decodes a progressive scan (T.81, annex G.1.2). `number` counts the scans from 1.
pub(crate) fn progressive_scan<'a>(
    bytes: &'a [u8],
    markers: &Markers<'a>,
    frame: &Frame,
    scan: &Scan,
    number: u32,
    coefficients: &mut [Coefficients],
    known: &mut [Known],
) -> Result<Walked<'a>, Error> {
    check_band(scan)?;
    for component in &scan.components {
        known[component.index].note(scan, number);
    }
    let (band, low) = (usize::from(scan.first)..=usize::from(scan.last), u32::from(scan.low));
    let mut each = |decode: &dyn Fn(&mut Entropy<'a>, usize, &mut [i16; 64])| {
        walk(bytes, frame, scan, markers.restart_interval, &mut |entropy: &mut Entropy<'a>, place: Place| {
            let store = &mut coefficients[scan.components[place.component].index];
            decode(entropy, place.component, &mut store.blocks[place.row * store.stride + place.col]);
        })
    };
    match (scan.first, scan.high) {
        (0, 0) => {
            let tables = Tables::new(scan, &markers.dc, Kind::Dc)?;
            each(&|entropy, component, block| {
                let difference = dc_difference(tables.of(component), &mut entropy.source, &mut entropy.bits);
                let prediction = &mut entropy.prediction[component];
                *prediction = prediction.wrapping_add(difference);
                block[0] = (*prediction << low) as i16;
            })
        }
        (0, _) => each(&|entropy, _, block| {
            if entropy.source.bit(&mut entropy.bits) {
                block[0] |= 1 << low;
            }
        }),
        (_, high) => {
            let tables = Tables::new(scan, &markers.ac, Kind::Ac)?;
            let decode = if high == 0 { first_ac } else { refine_ac };
            each(&|entropy, component, block| decode(tables.of(component), entropy, block, band.clone(), low))
        }
    }
}

/// Checks the parameters of a scan. Like libjpeg, does not check that they continue those of the scans before.
fn check_band(scan: &Scan) -> Result<(), Error> {
    let reason = if scan.first == 0 && scan.last != 0 {
        "a progressive scan mixes DC and AC coefficients"
    } else if scan.first > scan.last || scan.last > 63 {
        "its band of coefficients is not within 0 to 63"
    } else if scan.first > 0 && !scan.single() {
        "an AC scan has more than one component"
    } else if scan.low > 13 || (scan.high != 0 && scan.low + 1 != scan.high) {
        "its bit positions are wrong"
    } else {
        return Ok(());
    };
    Err(Error::Segment { segment: "SOS", offset: scan.offset, reason })
}

type Band = std::ops::RangeInclusive<usize>;

/// Decodes a block of the first scan of a band (T.81, G.1.2.2).
fn first_ac(table: &HuffmanTable, entropy: &mut Entropy<'_>, block: &mut [i16; 64], band: Band, low: u32) {
    if entropy.end_of_band_run > 0 {
        entropy.end_of_band_run -= 1;
        return;
    }
    let mut bits = entropy.bits;
    let source = &mut entropy.source;
    let mut k = *band.start();
    while k <= *band.end() {
        bits = source.refill(bits);
        let entry = table.find(&bits);
        if entry.is_end() {
            entropy.end_of_band_run = end_of_band_run(entry, &mut bits) - 1;
            break;
        }
        // A run of 16 zeros leaves the coefficient after 15 as it is.
        k += entry.run();
        let value = entry.take_value(&mut bits);
        if value != 0 {
            block[usize::from(ZIGZAG[k & 127] & 63)] = (value << low) as i16;
        }
        k += 1;
    }
    entropy.bits = bits;
}

/// Takes a code "EOBn" and its `n` bits. Returns the number of blocks that the code ends, including the present one.
fn end_of_band_run(entry: Entry, bits: &mut Bits) -> u32 {
    entry.take_code(bits);
    let n = entry.run() as u32;
    1 << n | if n > 0 { bits.take(n) } else { 0 }
}

/// Decodes a block of a later scan of a band, which adds one bit to its coefficients (T.81, G.1.2.3).
fn refine_ac(table: &HuffmanTable, entropy: &mut Entropy<'_>, block: &mut [i16; 64], band: Band, low: u32) {
    let mut bits = entropy.bits;
    let source = &mut entropy.source;
    let (mut k, end) = (*band.start(), *band.end());
    while entropy.end_of_band_run == 0 && k <= end {
        bits = source.refill(bits);
        let entry = table.find(&bits);
        if entry.is_end() {
            entropy.end_of_band_run = end_of_band_run(entry, &mut bits);
            break;
        }
        entry.take_code(&mut bits);
        let mut zeros = entry.run();
        let value = match entry.has_value() {
            // The size should be 1. Whatever the size is, one bit follows: the sign.
            true if bits.take(1) != 0 => 1 << low,
            true => -1 << low,
            false => 0,
        };
        // Pass over `zeros` coefficients that are still zero, refining the others on the way.
        while k <= end {
            let coefficient = &mut block[usize::from(ZIGZAG[k] & 63)];
            if *coefficient != 0 {
                refine(coefficient, source, &mut bits, low);
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            k += 1;
        }
        if value != 0 {
            block[usize::from(ZIGZAG[k] & 63)] = value;
        }
        k += 1;
    }
    if entropy.end_of_band_run > 0 {
        for &at in ZIGZAG.get(k..=end).unwrap_or_default() {
            let coefficient = &mut block[usize::from(at & 63)];
            if *coefficient != 0 {
                refine(coefficient, source, &mut bits, low);
            }
        }
        entropy.end_of_band_run -= 1;
    }
    entropy.bits = bits;
}

/// Reads the next bit of a coefficient that is already other than zero.
#[inline(always)]
fn refine(coefficient: &mut i16, source: &mut Source<'_>, bits: &mut Bits, low: u32) {
    let bit = 1i16 << low;
    if source.bit(bits) && *coefficient & bit == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient >= 0 { bit } else { -bit });
    }
}
