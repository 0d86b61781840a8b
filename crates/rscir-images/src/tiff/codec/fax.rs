//! Facsimile's codes for images of two levels (ITU-T T.4 and T.6; TIFF 6.0, sections 10 and 11). White is 0, black is 1.

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};

use super::Wanted;
use crate::ImageProblem;
use crate::tiff::damaged;

/// The way in which rows are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Each row is coded by itself as runs, and begins at a multiple of so many bytes.
    Rows { of_bytes: usize },
    /// Each row is coded by itself, after a mark (T.4).
    Group3,
    /// Each row is coded by itself or by the row above, after a mark and a bit that tells which (T.4).
    Group3ByAbove,
    /// Each row is coded by the row above (T.6).
    Group4,
}

impl Scheme {
    /// Decodes all rows of a block to bits.
    ///
    /// # Errors
    /// [`ImageProblem::Damaged`] with the number of the row that cannot be decoded.
    pub(super) fn expand(self, raw: &[u8], wanted: Wanted) -> Result<Vec<u8>, ImageProblem> {
        let mut bits = Bits { bytes: raw, at: 0 };
        let mut out = Vec::new();
        // The columns at which the color changes. A row begins with white.
        let (mut above, mut row) = (Vec::new(), Vec::new());
        for number in 0..wanted.rows {
            let wrong = |problem: &str| damaged(format!("row {number} of its fax codes {problem}"));
            row.clear();
            let width = wanted.width;
            let read = match self {
                Self::Rows { of_bytes } => {
                    bits.at = bits.at.next_multiple_of(8 * of_bytes);
                    runs(&mut bits, width, &mut row)
                }
                Self::Group3 | Self::Group3ByAbove => match bits.marks(self == Self::Group3ByAbove) {
                    Marks::One { by_itself: true } => runs(&mut bits, width, &mut row),
                    Marks::One { by_itself: false } => changes(&mut bits, width, &above, &mut row),
                    Marks::Several => return Err(wrong("is missing: the page ends before it")),
                },
                Self::Group4 => changes(&mut bits, width, &above, &mut row),
            };
            read.ok_or_else(|| wrong("has an unknown code, or one beyond its end"))?;
            let start = out.len();
            out.resize(start + wanted.stride, 0);
            let packed = out.get_mut(start..).unwrap_or_default();
            for [from, to] in row.as_chunks().0 {
                blacken(packed, *from, *to);
            }
            if let [.., last] = *row
                && row.len() % 2 == 1
            {
                blacken(packed, last, width);
            }
            std::mem::swap(&mut above, &mut row);
        }
        Ok(out)
    }
}

/// Sets the bits of a row from column `from` to `to`.
fn blacken(row: &mut [u8], from: usize, to: usize) {
    let (first, last) = (from / 8, to / 8);
    let (head, tail) = (0xFF_u8 >> (from % 8), !(0xFF_u8 >> (to % 8)));
    for (at, byte) in row.iter_mut().enumerate().take(last + 1).skip(first) {
        let head = if at == first { head } else { 0xFF };
        let tail = if at == last { tail } else { 0xFF };
        *byte |= head & tail;
    }
}

/// Reads a row that is coded by itself: runs of white and black in turn. Returns `None` if it is damaged.
fn runs(bits: &mut Bits<'_>, width: usize, row: &mut Vec<usize>) -> Option<()> {
    let (mut at, mut is_black) = (0, false);
    while at < width {
        at += run(bits, is_black)?;
        if at > width {
            return None;
        }
        row.push(at);
        is_black = !is_black;
    }
    Some(())
}

/// Reads the length of a run: any number of codes for multiples of 64, then one code for the rest.
fn run(bits: &mut Bits<'_>, is_black: bool) -> Option<usize> {
    let mut length = 0;
    loop {
        let part = if is_black { black::decode(bits) } else { white::decode(bits) }?;
        length += usize::from(part);
        if part < 64 {
            return Some(length);
        }
    }
}

/// Reads a row that is coded by the changes of color in the row above (T.4, section 4.2; T.6, section 2.2). Returns
/// `None` if it is damaged.
fn changes(bits: &mut Bits<'_>, width: usize, above: &[usize], row: &mut Vec<usize>) -> Option<()> {
    let (mut at, mut is_black) = (0, false);
    // The position in `above` from which the search for a change goes on.
    let mut next = 0;
    let change = |number: usize| above.get(number).copied().unwrap_or(width).min(width);
    while at < width {
        // Find the first change above to the other color, to the right of this column. At the beginning of the row it
        // may be at the column itself.
        while next > 0 && change(next - 1) > at {
            next -= 1;
        }
        while change(next) < width
            && (change(next) <= at && (at > 0 || !row.is_empty()) || next % 2 != usize::from(is_black))
        {
            next += 1;
        }
        let opposite = change(next);
        match mode::decode(bits)? {
            Mode::Pass => at = change(next + 1),
            Mode::Vertical(by) => {
                let to = opposite.checked_add_signed(by.into()).filter(|to| (at..=width).contains(to))?;
                row.push(to);
                (at, is_black) = (to, !is_black);
            }
            Mode::Horizontal => {
                for color in [is_black, !is_black] {
                    at += run(bits, color)?;
                    if at > width {
                        return None;
                    }
                    row.push(at);
                }
            }
            Mode::Extension | Mode::EOF => return None,
        }
    }
    Some(())
}

/// A reader of bits, from the highest of each byte down. Beyond the end it reads zeros, of which no code consists.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The marks between two rows.
enum Marks {
    /// One mark, or none, since some programs leave marks out. `by_itself`: the next row is coded by itself.
    One { by_itself: bool },
    /// Several marks, which are the end of the page.
    Several,
}

impl Bits<'_> {
    /// Reads the marks before a row. A mark is at least eleven zeros, more than any code has, and a one. With `tagged`,
    /// a bit follows each mark and tells whether the row is coded by itself.
    fn marks(&mut self, tagged: bool) -> Marks {
        let mut by_itself = true;
        let mut marks = 0;
        while self.peek(11) == Some(0) {
            let zeros = self.bytes.get(self.at / 8..).unwrap_or_default();
            // If all the rest is zero, no mark follows.
            if zeros.iter().skip(1).all(|byte| *byte == 0) && self.peek(16) == Some(0) {
                return if marks > 1 { Marks::Several } else { Marks::One { by_itself } };
            }
            while self.peek(1) == Some(0) {
                self.at += 1;
            }
            self.at += 1;
            marks += 1;
            if tagged {
                by_itself = self.peek(1) == Some(1);
                self.at += 1;
            }
        }
        if marks > 1 { Marks::Several } else { Marks::One { by_itself } }
    }
}

impl BitReader for Bits<'_> {
    type Error = ();

    fn peek(&self, bits: u8) -> Option<u16> {
        let first = self.at / 8;
        let byte = |at: usize| u32::from(self.bytes.get(first + at).copied().unwrap_or(0));
        let joined = byte(0) << 16 | byte(1) << 8 | byte(2);
        let shifted = joined << (8 + self.at % 8) >> (32 - u32::from(bits.clamp(1, 16)));
        Some(shifted as u16)
    }

    fn consume(&mut self, bits: u8) -> Result<(), ()> {
        self.at += usize::from(bits);
        if self.at > 8 * self.bytes.len() { Err(()) } else { Ok(()) }
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        (self.at.next_multiple_of(8) - self.at) as u8
    }
}
