//! Baseline and extended sequential scans.

use crate::bits::{Bits, Source};
use crate::error::Error;
use crate::frame::Scan;
use crate::huffman::HuffmanTable;
use crate::markers::{Markers, ZIGZAG};
use crate::scan::{Entropy, Kind, Tables};

/// The Huffman tables of a sequential scan.
pub(crate) struct Coder {
    dc: Tables,
    ac: Tables,
}

impl Coder {
    pub(crate) fn new(markers: &Markers<'_>, scan: &Scan) -> Result<Self, Error> {
        Ok(Self {
            dc: Tables::new(scan, &markers.dc, Kind::Dc)?,
            ac: Tables::new(scan, &markers.ac, Kind::Ac)?,
        })
    }

    /// Decodes one block into `block`, which must be zero. Returns the zigzag index of the last coefficient (T.81,
    /// F.2.2).
    #[inline(always)]
    pub(crate) fn decode_block(
        &self,
        entropy: &mut Entropy<'_>,
        component: usize,
        block: &mut [i16; 64],
    ) -> usize {
        let mut bits = entropy.bits;
        let source = &mut entropy.source;
        let difference = dc_difference(self.dc.of(component), source, &mut bits);
        let prediction = &mut entropy.prediction[component];
        *prediction = prediction.wrapping_add(difference);
        block[0] = *prediction as i16;

        let table = self.ac.of(component);
        let (mut k, mut last) = (1, 0);
        while k < 64 {
            bits = source.refill(bits);
            let entry = table.find(&bits);
            if entry.is_end() {
                entry.take_code(&mut bits);
                break;
            }
            // A run of 16 zeros comes as a value of zero after 15 zeros.
            k += entry.run();
            block[usize::from(ZIGZAG[k & 127] & 63)] = entry.take_value(&mut bits) as i16;
            last = k;
            k += 1;
        }
        entropy.bits = bits;
        last.min(63)
    }
}

/// Decodes the difference between a DC coefficient and the one before.
#[inline(always)]
pub(crate) fn dc_difference(table: &HuffmanTable, source: &mut Source<'_>, bits: &mut Bits) -> i32 {
    *bits = source.refill(*bits);
    table.find(bits).take_value(bits)
}
