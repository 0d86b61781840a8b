//! PNG, read with the crate `png`.

use std::io::Cursor;

use ::image::metadata::Orientation;
use ::png::{ColorType, Decoder, Transformations};

use super::header::{self, Format};
use super::raster::{Color, Raster, Samples, unpack};
use super::{ImageProblem, Settings};

/// The most bytes that a byte of a deflate stream can stand for: two bits can stand for 258 (RFC 1951, section 3.2.5).
pub(super) const DEFLATE_RATIO: u64 = 1032;

/// The chunk that ends a file (PNG, section 11.2.5).
const END: &[u8] = b"\0\0\0\0IEND\xaeB\x60\x82";

/// Reads an image. The last chunk of the file may be missing if all pixels are there, as in Pillow.
pub(super) fn decode(bytes: &[u8], options: Settings<'_>) -> Result<Raster, ImageProblem> {
    match decode_ended(bytes, options) {
        Err(ImageProblem::Damaged { .. }) if !bytes.windows(4).any(|name| name == b"IEND") => {
            decode_ended(&[bytes, END].concat(), options)
        }
        decoded => decoded,
    }
}

fn decode_ended(bytes: &[u8], options: Settings<'_>) -> Result<Raster, ImageProblem> {
    let damaged = |error: ::png::DecodingError| Format::Png.damaged(error);
    let mut decoder = Decoder::new(Cursor::new(bytes));
    // Texts and color profiles are skipped, since Pillow's conversion uses neither: compressed, they could exhaust
    // memory.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::IDENTITY);
    let info = decoder.read_header_info().map_err(damaged)?;
    let pixels = header::check_pixels(info.width, info.height, options)?;
    let needed = info.raw_bytes() as u64;
    header::check_content(Format::Png, needed, bytes.len(), DEFLATE_RATIO)?;
    // The pixels are in memory twice: as in the file, and as samples.
    header::check_memory(Format::Png, pixels, needed.saturating_mul(2), bytes.len(), options)?;

    let mut reader = decoder.read_info().map_err(damaged)?;
    let Some(length) = reader.output_buffer_size() else {
        return Err(ImageProblem::TooManyBytes { bytes: needed, limit: usize::MAX as u64 });
    };
    let mut data = vec![0; length];
    let frame = reader.next_frame(&mut data).map_err(damaged)?;
    data.truncate(frame.buffer_size());

    let info = reader.info();
    let orientation = info.exif_metadata.as_deref().and_then(Orientation::from_exif_chunk);
    let (width, height) = (frame.width as usize, frame.height as usize);
    let (color, channels) = match frame.color_type {
        ColorType::Grayscale => (Color::Gray, 1),
        ColorType::GrayscaleAlpha => (Color::GrayAlpha, 2),
        ColorType::Rgb => (Color::Rgb, 3),
        ColorType::Rgba => (Color::Rgb, 4),
        ColorType::Indexed => (palette(info.palette.as_deref().unwrap_or_default()), 1),
    };
    let samples = match frame.bit_depth as u8 {
        16 => {
            let (pairs, _) = data.as_chunks::<2>();
            Samples::U16(pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
        }
        8 => Samples::U8(data),
        bits => Samples::U8(unpack(&data, frame.line_size, width, bits, matches!(color, Color::Gray))),
    };
    Ok(Raster::new(width, height, color, channels, samples).oriented(orientation))
}

/// Reads a palette of up to 256 RGB entries. Entries beyond its end are black, as in Pillow.
fn palette(entries: &[u8]) -> Color {
    let mut table = Box::new([[0; 3]; 256]);
    for (to, from) in table.iter_mut().zip(entries.as_chunks::<3>().0) {
        *to = *from;
    }
    Color::Palette(table)
}
