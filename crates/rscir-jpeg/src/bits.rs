//! Reading of the bits of one entropy-coded segment.

#![deny(clippy::indexing_slicing)]

/// Reason why no more bytes can be loaded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// There is no such reason: the segment goes on.
    Open,
    /// A marker with this second byte ended the segment.
    Marker(u8),
    /// The file ended.
    File,
}

/// Loaded bits, and the place of the next ones. A decoding loop keeps this in a local variable, so that it stays in
/// registers.
#[derive(Clone, Copy)]
pub(crate) struct Bits {
    /// The next bits, the first of them on top. The bits below the loaded ones are zero or begin the next byte.
    window: u64,
    /// Number of bits in `window`, including the zeros that were appended after the end.
    loaded: u64,
    /// Index of the next byte to load. Once the segment has ended, the index is past all bytes, so that loading finds
    /// none.
    next: usize,
}

impl Bits {
    /// Returns the loaded bits, the next one on top. The bits below the loaded ones have no meaning.
    #[inline(always)]
    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    /// Returns the next `n` loaded bits, 1 to 32, and leaves them there.
    #[inline(always)]
    pub(crate) fn peek(&self, n: u32) -> u32 {
        (self.window >> (64 - n)) as u32
    }

    /// Drops as many loaded bits as the lowest six bits of `n` say, at most 32.
    #[inline(always)]
    pub(crate) fn consume(&mut self, n: u32) {
        self.window = self.window.wrapping_shl(n);
        self.loaded -= u64::from(n & 63);
    }

    /// Takes `n` loaded bits, 1 to 32.
    #[inline(always)]
    pub(crate) fn take(&mut self, n: u32) -> u32 {
        let bits = self.peek(n);
        self.consume(n);
        bits
    }
}

/// Bytes of one entropy-coded segment, up to the next marker.
///
/// Past its end a segment has zeros without limit, as in libjpeg. [`overrun`](Self::overrun) tells whether some were
/// used.
pub(crate) struct Source<'a> {
    bytes: &'a [u8],
    /// Number of zero bits appended since the end.
    padded: u64,
    end: End,
    /// Index of the byte after the marker that ended the segment.
    stop: usize,
}

impl<'a> Source<'a> {
    /// Begins a segment at `bytes[at]`. With an `end` other than [`End::Open`] the segment has zeros only.
    pub(crate) fn new(bytes: &'a [u8], at: usize, end: End) -> (Self, Bits) {
        let next = if end == End::Open { at } else { bytes.len() };
        (Self { bytes, padded: 0, end, stop: at }, Bits { window: 0, loaded: 0, next })
    }

    /// Returns the bytes of the whole file.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the reason why no more bytes can be loaded.
    pub(crate) fn end(&self) -> End {
        self.end
    }

    /// Returns the index of the byte after the loaded ones, or after the marker that ended the segment.
    pub(crate) fn position(&self, bits: Bits) -> usize {
        if self.end == End::Open { bits.next } else { self.stop }
    }

    /// Tells whether zeros past the end were taken for data.
    #[inline(always)]
    pub(crate) fn overrun(&self, bits: Bits) -> bool {
        self.padded > bits.loaded
    }

    /// Returns the number of loaded bits that are data.
    pub(crate) fn left(&self, bits: Bits) -> u64 {
        bits.loaded.saturating_sub(self.padded)
    }

    /// Loads bits until there are at least 32: enough for a Huffman code of up to 17 bits and a value of 15.
    #[inline(always)]
    pub(crate) fn refill(&mut self, bits: Bits) -> Bits {
        let Bits { window, loaded, next } = bits;
        if loaded >= 32 {
            return bits;
        }
        match self.bytes.get(next..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(chunk) if !has_ff(u64::from_be_bytes(*chunk)) => {
                let whole = (63 - loaded) / 8;
                Bits {
                    window: window | u64::from_be_bytes(*chunk) >> loaded,
                    loaded: loaded + 8 * whole,
                    next: next + whole as usize,
                }
            }
            _ => self.refill_bytewise(bits),
        }
    }

    /// Loads bits until there are more than 56, byte by byte: past stuffed bytes and at the end of the data.
    #[inline(always)]
    pub(crate) fn refill_bytewise(&mut self, bits: Bits) -> Bits {
        let (window, next) = self.load_bytes(bits);
        Bits { window, loaded: bits.loaded + (64 - bits.loaded) / 8 * 8, next }
    }

    /// Loads whole bytes as long as they fit. Returns the window and the index of the next byte, which fit registers.
    #[cold]
    #[inline(never)]
    fn load_bytes(&mut self, mut bits: Bits) -> (u64, usize) {
        while bits.loaded <= 56 {
            let byte = if self.end == End::Open { self.next_byte(&mut bits.next) } else { None };
            match byte {
                Some(byte) => bits.window |= u64::from(byte) << (56 - bits.loaded),
                None => self.padded += 8,
            }
            bits.loaded += 8;
        }
        (bits.window, bits.next)
    }

    /// Returns the next data byte, or `None` at the end of the segment. Any number of `FF` before a zero stand for
    /// one data byte `FF`; before another byte they begin a marker (libjpeg-turbo, jdhuff.c, `jpeg_fill_bit_buffer`).
    fn next_byte(&mut self, next: &mut usize) -> Option<u8> {
        let mut after_ff = false;
        while let Some(&byte) = self.bytes.get(*next) {
            *next += 1;
            match byte {
                0xFF => after_ff = true,
                0 if after_ff => return Some(0xFF),
                code if after_ff => {
                    self.end = End::Marker(code);
                    break;
                }
                data => return Some(data),
            }
        }
        if self.end == End::Open {
            self.end = End::File;
        }
        self.stop = *next;
        *next = self.bytes.len();
        None
    }

    /// Takes one bit, and loads more if needed.
    #[inline(always)]
    pub(crate) fn bit(&mut self, bits: &mut Bits) -> bool {
        *bits = self.refill(*bits);
        bits.take(1) != 0
    }
}

/// Tells whether one of the eight bytes is `FF`, by the usual test for a zero byte on the complement.
#[inline(always)]
fn has_ff(word: u64) -> bool {
    (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffed_bytes_are_dropped_and_a_marker_ends() {
        let bytes = [0x12, 0xFF, 0x00, 0x34, 0xFF, 0xFF, 0x00, 0x56, 0xFF, 0xFF, 0xD9, 0x77];
        let (mut source, mut bits) = Source::new(&bytes, 0, End::Open);
        for expected in [0x12, 0xFF, 0x34, 0xFF, 0x56] {
            bits = source.refill(bits);
            assert_eq!(bits.take(8), expected);
        }
        assert!(!source.overrun(bits));
        bits = source.refill(bits);
        assert_eq!(bits.take(9), 0);
        assert!(source.overrun(bits));
        assert!(source.end() == End::Marker(0xD9));
        assert_eq!(source.position(bits), 11);
    }

    #[test]
    fn after_the_end_nothing_is_loaded() {
        let bytes = [0x12, 0xFF, 0xD0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let (mut source, mut bits) = Source::new(&bytes, 0, End::Open);
        for _ in 0..5 {
            bits = source.refill(bits);
            bits.consume(31);
        }
        assert_eq!(bits.window, 0);
        assert_eq!(source.position(bits), 3);
    }

    #[test]
    fn bits_come_in_order_whatever_the_alignment() {
        let bytes: Vec<u8> = (0..200u32).map(|i| (i * 89 % 255) as u8).collect();
        let bit = |i: usize| u32::from(bytes[i / 8] >> (7 - i % 8)) & 1;
        let (mut source, mut bits) = Source::new(&bytes, 0, End::Open);
        let (mut at, mut n) = (0, 1);
        while at + 31 < bytes.len() * 8 {
            bits = source.refill(bits);
            let expected = (at..at + n).fold(0, |acc, i| acc << 1 | bit(i));
            assert_eq!(bits.take(n as u32), expected, "{n} bits at {at}");
            at += n;
            n = n % 31 + 1;
        }
    }

    #[test]
    fn a_byte_ff_is_found_in_any_place() {
        for i in 0..8 {
            assert!(has_ff(0x7F80_00FE_0180_7F00 | 0xFF << (8 * i)));
        }
        assert!(!has_ff(0xFE7F_8000_0180_FEFE));
    }
}
