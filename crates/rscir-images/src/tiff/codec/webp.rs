//! WebP images, as GDAL writes them.

use std::io::Cursor;

use ::image::codecs::webp::WebPDecoder;
use ::image::{ColorType, ImageDecoder};

use super::Wanted;
use crate::ImageProblem;
use crate::tiff::damaged;

/// Decodes a WebP image.
///
/// # Errors
/// [`ImageProblem::Damaged`] if its size or its number of bands is not that of the block.
pub(super) fn expand(raw: &[u8], wanted: Wanted) -> Result<Vec<u8>, ImageProblem> {
    let decoder = WebPDecoder::new(Cursor::new(raw)).map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let bands = match decoder.color_type() {
        ColorType::Rgb8 => 3,
        ColorType::Rgba8 => 4,
        other => return Err(damaged(format!("it is a WebP image of the type {other:?}"))),
    };
    if (width as usize, height as usize) != (wanted.width, wanted.rows) {
        return Err(damaged(format!("it is a WebP image of {width} x {height} pixels")));
    }
    let mut out = vec![0; wanted.width * wanted.rows * bands];
    decoder.read_image(&mut out).map_err(damaged)?;
    match (bands, wanted.bands) {
        (have, want) if have == want => Ok(out),
        // The image has no alpha if the block is all opaque.
        (3, 4) => Ok(out.as_chunks().0.iter().flat_map(|[r, g, b]| [*r, *g, *b, u8::MAX]).collect()),
        (4, 3) => Ok(out.as_chunks().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect()),
        (have, want) => Err(damaged(format!("it is a WebP image of {have} bands, and {want} belong"))),
    }
}
