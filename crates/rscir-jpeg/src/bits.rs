//! The bits of one entropy-coded segment.

/// Why no more bytes can be loaded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// They can.
    Open,
    /// A marker with this second byte follows.
    Marker(u8),
    /// The file is over.
    File,
}

/// Reads bits, first bit of a byte first, without stuffed zero bytes, up to the next marker.
///
/// Past the end it gives zeros without end, as libjpeg does; [`overrun`](Self::overrun) tells that some were used.
/// It is `Copy` and its methods that load bytes take and return it by value, so that a loop which keeps it in a local
/// variable keeps it in registers.
#[derive(Clone, Copy)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Index of the next byte to load; past all bytes once the segment has ended, so that loading finds none.
    next: usize,
    /// Where the segment ended: after the marker.
    stop: usize,
    /// The next bits, the first of them on top. Bits below the loaded ones are zero or a beginning of `bytes[next]`.
    window: u64,
    /// Bits in `window`, appended zeros included.
    loaded: u32,
    /// Zeros appended since the end.
    padded: u32,
    end: End,
}

impl<'a> BitReader<'a> {
    /// Begins at `bytes[pos]`; with an `end` other than [`End::Open`] it gives zeros only.
    pub(crate) fn new(bytes: &'a [u8], pos: usize, end: End) -> Self {
        let next = if end == End::Open { pos } else { bytes.len() };
        Self { bytes, next, stop: pos, window: 0, loaded: 0, padded: 0, end }
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Index of the byte after those loaded, after the marker if one ended the segment.
    pub(crate) fn pos(&self) -> usize {
        if self.end == End::Open { self.next } else { self.stop }
    }

    /// Why no more bytes can be loaded.
    pub(crate) fn end(&self) -> End {
        self.end
    }

    /// Whether zeros past the end were taken for data.
    #[inline(always)]
    pub(crate) fn overrun(&self) -> bool {
        self.padded > self.loaded
    }

    /// Makes at least 32 bits available: a Huffman code of 16 bits and 15 bits more.
    #[inline(always)]
    #[must_use]
    pub(crate) fn refill(mut self) -> Self {
        if self.loaded >= 32 {
            return self;
        }
        if let Some(chunk) = self.bytes.get(self.next..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*chunk);
            if !has_ff(word) {
                self.window |= word >> self.loaded;
                let whole = (63 - self.loaded) / 8;
                self.next += whole as usize;
                self.loaded += 8 * whole;
                return self;
            }
        }
        self.refill_bytewise()
    }

    /// Loads bytes one at a time until more than 56 bits are there: past stuffed bytes and at the end of the data.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub(crate) fn refill_bytewise(mut self) -> Self {
        while self.loaded <= 56 {
            let byte = if self.end == End::Open { self.next_byte() } else { None };
            match byte {
                Some(byte) => self.window |= u64::from(byte) << (56 - self.loaded),
                None => self.padded += 8,
            }
            self.loaded += 8;
        }
        self
    }

    /// The next data byte. Any number of `FF` before a zero stand for one data byte `FF`; before another byte they begin
    /// a marker (libjpeg-turbo, jdhuff.c, `jpeg_fill_bit_buffer`).
    fn next_byte(&mut self) -> Option<u8> {
        let mut after_ff = false;
        while let Some(&byte) = self.bytes.get(self.next) {
            self.next += 1;
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
        self.stop = self.next;
        self.next = self.bytes.len();
        None
    }

    /// The next `n` bits, 1 to 32 of those available.
    #[inline(always)]
    pub(crate) fn peek(&self, n: u32) -> u32 {
        (self.window >> (64 - n)) as u32
    }

    /// Drops `n` available bits, at most 32.
    #[inline(always)]
    pub(crate) fn consume(&mut self, n: u32) {
        self.window <<= n;
        self.loaded -= n;
    }

    /// Takes `n` available bits, 1 to 32.
    #[inline(always)]
    pub(crate) fn take(&mut self, n: u32) -> u32 {
        let bits = self.peek(n);
        self.consume(n);
        bits
    }

    /// Takes one bit, loading if needed.
    #[inline(always)]
    pub(crate) fn bit(&mut self) -> bool {
        *self = self.refill();
        self.take(1) != 0
    }
}

/// Whether one of the eight bytes is `FF`: the test for a zero byte, on the complement.
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
        let mut reader = BitReader::new(&bytes, 0, End::Open);
        for expected in [0x12, 0xFF, 0x34, 0xFF, 0x56] {
            reader = reader.refill();
            assert_eq!(reader.take(8), expected);
        }
        assert!(!reader.overrun());
        reader = reader.refill();
        assert_eq!(reader.take(9), 0);
        assert!(reader.overrun());
        assert!(reader.end() == End::Marker(0xD9));
        assert_eq!(reader.pos(), 11);
    }

    #[test]
    fn bits_come_in_order_whatever_the_alignment() {
        let bytes: Vec<u8> = (0..200u32).map(|i| (i * 89 % 255) as u8).collect();
        let bit = |i: usize| u32::from(bytes[i / 8] >> (7 - i % 8)) & 1;
        let mut reader = BitReader::new(&bytes, 0, End::Open);
        let (mut at, mut n) = (0, 1);
        while at + 31 < bytes.len() * 8 {
            reader = reader.refill();
            let expected = (at..at + n).fold(0, |acc, i| acc << 1 | bit(i));
            assert_eq!(reader.take(n as u32), expected, "{n} bits at {at}");
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
