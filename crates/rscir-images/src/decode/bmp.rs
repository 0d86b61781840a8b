//! BMP, read with the crate `image`.

use std::io::Cursor;

use ::image::codecs::bmp::BmpDecoder;

use super::header::Format;
use super::raster::{Raster, Samples};
use super::{ImageProblem, Settings, eight_bit};

/// Offset of the number of bits of a pixel. The bitmap's header (BITMAPINFOHEADER) begins after the file's header of 14
/// bytes.
const BITS: usize = 14 + 14;
/// Offset of the compression.
const COMPRESSION: usize = 14 + 16;
/// Offset of the masks of red, green and blue.
const MASKS: usize = 14 + 40;

/// The compression BI_BITFIELDS: masks tell which bits belong to which channel.
const BIT_FIELDS: u64 = 3;

pub(super) fn decode(bytes: &[u8], options: Settings<'_>) -> Result<Raster, ImageProblem> {
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(|e| Format::Bmp.damaged(e))?;
    // Two bytes of run-length coding stand for at most 255 pixels of three bytes each.
    let mut raster = eight_bit(decoder, Format::Bmp, options, bytes.len(), Some(383))?;
    if let (Some(channels), Samples::U8(data)) = (channels(bytes), &mut raster.samples) {
        let tables = channels.map(truncated);
        for (byte, table) in data.iter_mut().zip(tables.iter().cycle()) {
            *byte = table.get(usize::from(*byte)).copied().unwrap_or_default();
        }
    }
    Ok(raster)
}

/// Returns how many bits red, green and blue have in a file with pixels of 16 bits. Returns `None` for other files, and
/// for masks that Pillow does not read.
fn channels(bytes: &[u8]) -> Option<[u32; 3]> {
    let number = |at: usize, length: usize| {
        let digits = bytes.get(at..at + length)?.iter().rev();
        Some(digits.fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    if number(BITS, 2)? != 16 {
        return None;
    }
    match number(COMPRESSION, 4)? {
        0 => Some([5; 3]),
        BIT_FIELDS => match [number(MASKS, 4)?, number(MASKS + 4, 4)?, number(MASKS + 8, 4)?] {
            [0x7C00, 0x03E0, 0x001F] => Some([5; 3]),
            [0xF800, 0x07E0, 0x001F] => Some([5, 6, 5]),
            _ => None,
        },
        _ => None,
    }
}

/// Returns, for each byte that the crate `image` makes of a channel of so many bits, the byte that Pillow makes: Pillow
/// rounds down, `image` to the nearest.
fn truncated(bits: u32) -> Vec<u8> {
    let most = (1 << bits) - 1;
    (0..=255_u32).map(|byte| ((byte * most + 127) / 255 * 255 / most) as u8).collect()
}

#[cfg(test)]
mod tests {
    use rscir_core::Decoding;

    use crate::{DecodeLimits, decode};

    /// Writes a file of two pixels of 16 bits.
    fn bmp(compression: u32, masks: &[u32]) -> Vec<u8> {
        let start = 54 + 4 * masks.len() as u32;
        let mut out = b"BM".to_vec();
        out.extend([start + 4, 0, start, 40, 2, 1].into_iter().flat_map(u32::to_le_bytes));
        out.extend([1_u16, 16].into_iter().flat_map(u16::to_le_bytes));
        out.extend([compression, 4, 0, 0, 0, 0].into_iter().flat_map(u32::to_le_bytes));
        out.extend(masks.iter().flat_map(|mask| mask.to_le_bytes()));
        out.extend([0x3BD0_u16, 0x4402].into_iter().flat_map(u16::to_le_bytes));
        out
    }

    /// Compares with bytes of Pillow 13.0.0.
    #[test]
    fn channels_of_five_and_six_bits_are_cut_as_pillow_cuts_them() {
        let pixels =
            |bytes: &[u8]| decode(bytes, &Decoding::default(), &DecodeLimits::default()).unwrap().data;
        assert_eq!(pixels(&bmp(0, &[])), [115, 246, 131, 139, 0, 16]);
        assert_eq!(pixels(&bmp(3, &[0x7C00, 0x03E0, 0x001F])), [115, 246, 131, 139, 0, 16]);
        assert_eq!(pixels(&bmp(3, &[0xF800, 0x07E0, 0x001F])), [57, 121, 131, 65, 129, 16]);
    }
}
