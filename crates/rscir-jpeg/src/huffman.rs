//! Huffman tables: their definition in the file, and looking up codes in them.

#![deny(clippy::indexing_slicing)]

use crate::bits::Bits;

/// Number of bits that one look-up decides. Longer codes are searched.
const LOOKAHEAD: u32 = 10;

/// A table as the DHT segment defines it.
#[derive(Clone)]
pub(crate) struct TableSpec {
    /// Number of codes of 1, 2, .. 16 bits.
    pub(crate) counts: [u8; 16],
    /// The symbols in the order of their codes, then zeros.
    pub(crate) symbols: [u8; 256],
}

/// A code and its symbol: a run of zeros and the size of the value that follows the code.
///
/// An entry is packed into 32 bits for fast look-up:
///
/// - bits 0 to 5 are the number of bits of code and value together, and bits 8 to 13 that of the code;
/// - bits 16 to 21 are the shift that leaves the value, 63 less its size;
/// - bits 24 to 27 are the run;
/// - bit 28 is set if the symbol ends a block, and bit 29 if the code is longer than the look-up.
#[derive(Clone, Copy)]
pub(crate) struct Entry(u32);

impl Entry {
    const END: u32 = 1 << 28;
    const LONG: Self = Self(1 << 29);

    fn new(symbol: u8, length: u32) -> Self {
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        let end = if size == 0 && run < 15 { Self::END } else { 0 };
        Self((length + size) | length << 8 | (63 - size) << 16 | run << 24 | end)
    }

    /// Returns the number of zero coefficients before this one: the upper half of the symbol.
    #[inline(always)]
    pub(crate) fn run(self) -> usize {
        (self.0 >> 24 & 15) as usize
    }

    /// Tells whether the symbol ends a block, or several: its size is zero and its run is not 15.
    #[inline(always)]
    pub(crate) fn is_end(self) -> bool {
        self.0 & Self::END != 0
    }

    /// Tells whether a value follows: the lower half of the symbol is not zero.
    #[inline(always)]
    pub(crate) fn has_value(self) -> bool {
        self.0 >> 16 & 63 != 63
    }

    /// Takes the code from the bits, and leaves the value.
    #[inline(always)]
    pub(crate) fn take_code(self, bits: &mut Bits) {
        bits.consume(self.0 >> 8);
    }

    /// Takes the code and the value from the bits. Returns the value, or zero if none follows (T.81, figure F.12).
    #[inline(always)]
    pub(crate) fn take_value(self, bits: &mut Bits) -> i32 {
        let rest = bits.window().wrapping_shl(self.0 >> 8);
        bits.consume(self.0);
        // If the first bit is 0, the value is negative and the bits are those of its magnitude, inverted.
        let negative = !(rest.cast_signed() >> 63);
        let magnitude = ((rest ^ negative.cast_unsigned()) >> 1).wrapping_shr(self.0 >> 16).cast_signed();
        ((magnitude ^ negative) - negative) as i32
    }
}

/// A table prepared for decoding.
pub(crate) struct HuffmanTable {
    lookup: [Entry; 1 << LOOKAHEAD],
    /// Largest code of each length in bits, or -1 if there is none.
    max_code: [i32; 17],
    /// Difference between the index of a symbol and its code, for each length in bits.
    offset: [i32; 17],
    symbols: [u8; 256],
}

impl HuffmanTable {
    /// Derives the codes of a table (ITU-T T.81, annex C.2).
    ///
    /// # Errors
    /// The reason, if the counts do not describe a prefix code.
    #[expect(
        clippy::indexing_slicing,
        reason = "lengths are below 17, codes of a length below 2^length, and there are 256 symbols at most"
    )]
    pub(crate) fn new(spec: &TableSpec) -> Result<Self, &'static str> {
        let mut table = Self {
            lookup: [Entry::LONG; 1 << LOOKAHEAD],
            max_code: [-1; 17],
            offset: [0; 17],
            symbols: spec.symbols,
        };
        let (mut code, mut index) = (0u32, 0usize);
        for length in 1..=16u32 {
            let count = usize::from(spec.counts[length as usize - 1]);
            if index + count > 256 {
                return Err("it has more than 256 codes");
            }
            if count > 0 {
                table.offset[length as usize] = index as i32 - code as i32;
            }
            for &symbol in &spec.symbols[index..index + count] {
                // No code may be all ones (T.81, C.2), so this also keeps `code` below 2^length.
                if code + 1 >= 1 << length {
                    return Err("its code lengths describe no Huffman code");
                }
                if let Some(spare) = LOOKAHEAD.checked_sub(length) {
                    let first = (code << spare) as usize;
                    table.lookup[first..first + (1 << spare)].fill(Entry::new(symbol, length));
                }
                code += 1;
            }
            if count > 0 {
                table.max_code[length as usize] = code as i32 - 1;
            }
            index += count;
            code <<= 1;
        }
        Ok(table)
    }

    /// Returns the entry for the next bits. At least 17 bits must be loaded.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "the table has an entry for any bits of the look-up's length"
    )]
    pub(crate) fn find(&self, bits: &Bits) -> Entry {
        let entry = self.lookup[bits.peek(LOOKAHEAD) as usize];
        if entry.0 == Entry::LONG.0 { self.search(bits.peek(16)) } else { entry }
    }

    /// Finds a code that is longer than the look-up. Bits that are no code count as a code of 17 bits for symbol zero
    /// (libjpeg-turbo, jdhuff.c, `jpeg_huff_decode`).
    #[cold]
    #[expect(clippy::indexing_slicing, reason = "lengths are below 17, and the symbol's index is masked")]
    fn search(&self, pattern: u32) -> Entry {
        for length in LOOKAHEAD + 1..=16 {
            let code = (pattern >> (16 - length)) as i32;
            if code <= self.max_code[length as usize] {
                let index = (code + self.offset[length as usize]) as usize;
                return Entry::new(self.symbols[index & 255], length);
            }
        }
        Entry::new(0, 17)
    }
}

/// Returns the tables of T.81, annex K.3.3: luminance DC and AC, then chrominance DC and AC. Decoders assume these
/// where a sequential file defines none, as frames of Motion JPEG do.
#[expect(clippy::indexing_slicing, reason = "no standard table has more than 256 symbols")]
pub(crate) fn standard_tables() -> [(TableSpec, TableSpec); 2] {
    let spec = |counts: [u8; 16], given: &[u8]| {
        let mut symbols = [0; 256];
        symbols[..given.len()].copy_from_slice(given);
        TableSpec { counts, symbols }
    };
    let sizes: [u8; 12] = std::array::from_fn(|size| size as u8);
    [
        (
            spec([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &sizes),
            spec([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D], &LUMINANCE_AC),
        ),
        (
            spec([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &sizes),
            spec([0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77], &CHROMINANCE_AC),
        ),
    ]
}

/// Symbols of the AC coefficients of luminance (T.81, table K.5).
#[rustfmt::skip]
const LUMINANCE_AC: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3,
    0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

/// Symbols of the AC coefficients of chrominance (T.81, table K.6).
#[rustfmt::skip]
const CHROMINANCE_AC: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
    0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1,
    0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36,
    0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
    0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A,
    0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA,
    0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
    0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::{End, Source};

    /// Derives the codes of a table, with their lengths and symbols, as T.81 does in figures C.1 and C.2.
    fn codes(spec: &TableSpec) -> Vec<(u32, u32, u8)> {
        let lengths = (1..=16).flat_map(|l| std::iter::repeat_n(l, spec.counts[l as usize - 1].into()));
        let (mut code, mut before) = (0, 0);
        let mut codes = Vec::new();
        for (length, &symbol) in lengths.zip(&spec.symbols) {
            code <<= length - before;
            codes.push((code, length, symbol));
            before = length;
            code += 1;
        }
        codes
    }

    #[test]
    fn every_code_is_found_with_every_kind_of_value() {
        for spec in standard_tables().into_iter().flat_map(|(dc, ac)| [dc, ac]) {
            let table = HuffmanTable::new(&spec).unwrap();
            for (code, length, symbol) in codes(&spec) {
                let size = u32::from(symbol & 15);
                let greatest = (1i32 << size) - 1;
                for value in [-greatest, -(greatest + 1) / 2, (greatest + 1) / 2, greatest] {
                    let pattern = if value < 0 { value + greatest } else { value } as u64;
                    let window = u64::from(code) << (64 - length) | pattern << (63 - length - size) << 1;
                    let bytes = window.to_be_bytes();
                    let bytes: Vec<u8> =
                        bytes.iter().flat_map(|&b| if b == 0xFF { vec![b, 0] } else { vec![b] }).collect();
                    let (mut source, mut bits) = Source::new(&bytes, 0, End::Open);
                    bits = source.refill(bits);
                    let entry = table.find(&bits);
                    assert_eq!((entry.run(), entry.has_value()), (usize::from(symbol >> 4), size > 0));
                    assert_eq!(entry.is_end(), size == 0 && symbol != 0xF0);
                    let before = source.left(bits);
                    assert_eq!(entry.take_value(&mut bits), value, "symbol {symbol:02X}");
                    assert_eq!(before - source.left(bits), u64::from(length + size));
                }
            }
        }
    }

    #[test]
    fn wrong_counts_are_refused() {
        let spec = |counts| TableSpec { counts, symbols: [0; 256] };
        let mut counts = [0; 16];
        counts[0] = 2;
        assert!(HuffmanTable::new(&spec(counts)).is_err(), "the code of all ones");
        counts[0] = 1;
        counts[1] = 2;
        assert!(HuffmanTable::new(&spec(counts)).is_err(), "three codes where two fit");
        assert!(HuffmanTable::new(&spec([0, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 200])).is_err());
        assert!(HuffmanTable::new(&spec([0; 16])).is_ok());
    }
}
