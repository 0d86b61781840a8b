//! The orientation in the Exif segment of a file.

#![deny(clippy::indexing_slicing)]

use crate::markers::{Stream, marker};

/// Tag of the orientation, a SHORT of 1 to 8 (Exif 2.3, table 4).
const ORIENTATION: u16 = 0x0112;
/// TIFF field type of 16-bit unsigned numbers.
const SHORT: u16 = 3;

/// Returns the EXIF orientation, 1 to 8: tag `0x0112` in the first directory of the first Exif segment before the
/// image data.
///
/// `None` means that the file has no orientation, or that the segment or the file before it is damaged.
/// [`decode`](crate::decode) does not apply the orientation.
pub fn exif_orientation(bytes: &[u8]) -> Option<u8> {
    let mut stream = Stream::new(bytes).ok()?;
    loop {
        match stream.next_marker().ok()? {
            marker::SOI | marker::TEM | marker::RST0..=marker::RST7 => {}
            marker::SOS | marker::EOI => return None,
            marker::APP1 => {
                if let Some(tiff) = stream.segment().ok()?.strip_prefix(b"Exif\0\0") {
                    return orientation(tiff);
                }
            }
            _ => {
                stream.segment().ok()?;
            }
        }
    }
}

/// Returns the orientation in the first directory of a TIFF structure.
fn orientation(tiff: &[u8]) -> Option<u8> {
    let little = match tiff.get(..2)? {
        b"II" => true,
        b"MM" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let pair = *tiff.get(at..)?.first_chunk::<2>()?;
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let (low, high) = if little { (0, 2) } else { (2, 0) };
    if u16_at(2)? != 42 {
        return None;
    }
    let directory = usize::from(u16_at(4 + low)?) | usize::from(u16_at(4 + high)?) << 16;
    let entries = tiff.get(directory..)?.get(2..)?.chunks_exact(12);
    let start = directory + 2;
    let (at, _) = (start..)
        .step_by(12)
        .zip(entries)
        .take(u16_at(directory)?.into())
        .find(|&(at, _)| u16_at(at) == Some(ORIENTATION))?;
    if u16_at(at + 2)? != SHORT {
        return None;
    }
    u8::try_from(u16_at(at + 8)?).ok().filter(|value| (1..=8).contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(order: &[u8; 2], tag: u16, kind: u16, value: u16) -> Vec<u8> {
        let put = |n: u16| if order == b"II" { n.to_le_bytes() } else { n.to_be_bytes() };
        let mut tiff = order.to_vec();
        tiff.extend(put(42));
        tiff.extend(if order == b"II" { 8u32.to_le_bytes() } else { 8u32.to_be_bytes() });
        tiff.extend(put(2));
        tiff.extend(put(0x0100).into_iter().chain([0; 10]));
        tiff.extend(
            put(tag).into_iter().chain(put(kind)).chain([0, 0, 0, 1]).chain(put(value)).chain([0, 0]),
        );
        let mut file = vec![0xFF, 0xD8, 0xFF, 0xE1, 0, (tiff.len() + 8) as u8];
        file.extend(b"Exif\0\0");
        file.extend(tiff);
        file
    }

    #[test]
    fn both_byte_orders_are_read() {
        for order in [b"II", b"MM"] {
            for value in 1..=8 {
                assert_eq!(exif_orientation(&file(order, ORIENTATION, SHORT, value)), Some(value as u8));
            }
        }
    }

    #[test]
    fn what_is_no_orientation_is_none() {
        for (tag, kind, value) in [
            (0x0113, 3, 6),
            (ORIENTATION, 4, 6),
            (ORIENTATION, 3, 0),
            (ORIENTATION, 3, 9),
            (ORIENTATION, 3, 0x106),
        ] {
            assert_eq!(exif_orientation(&file(b"MM", tag, kind, value)), None);
        }
        assert_eq!(exif_orientation(b"\xFF\xD8\xFF"), None);
    }

    #[test]
    fn damage_never_panics() {
        let whole = file(b"II", ORIENTATION, SHORT, 3);
        for end in 0..whole.len() {
            assert_eq!(exif_orientation(&whole[..end]), None);
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7F, 0xFF] {
                let mut copy = whole.clone();
                copy[at] = byte;
                exif_orientation(&copy);
            }
        }
    }
}
