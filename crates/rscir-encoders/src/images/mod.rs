//! Images decoded as Pillow's `Image.open(f).convert("RGB")` does it.

use std::io::Cursor;

use image::{DynamicImage, ImageReader, Limits};

use crate::{Error, Result};

/// A decoded image: 8-bit RGB, interleaved, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Pixels in a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// `[height, width, 3]` bytes.
    pub data: Vec<u8>,
}

/// How images are decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodeOptions {
    /// Largest number of pixels.
    pub max_pixels: u64,
    /// Largest size of a file in bytes.
    pub max_bytes: u64,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { max_pixels: 178_956_970, max_bytes: 1 << 30 }
    }
}

/// Decodes an image of any known format.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage> {
    if bytes.starts_with(&[0xff, 0xd8]) {
        let limits = rscir_jpeg::Limits { max_pixels: options.max_pixels };
        let image = rscir_jpeg::decode(bytes, &limits)
            .map_err(|e| Error::Core(rscir_core::Error::from_source(e.to_string(), e)))?;
        return Ok(RgbImage { width: image.width as usize, height: image.height as usize, data: image.data });
    }
    let fail = |e: image::ImageError| Error::Core(rscir_core::Error::from_source(e.to_string(), e));
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| fail(e.into()))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(options.max_pixels * 8);
    reader.limits(limits);
    let image = reader.decode().map_err(fail)?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let data = match image {
        DynamicImage::ImageRgba8(i) => i.pixels().flat_map(|p| [p[0], p[1], p[2]]).collect(),
        DynamicImage::ImageLumaA8(i) => i.pixels().flat_map(|p| [p[0]; 3]).collect(),
        other => other.into_rgb8().into_raw(),
    };
    Ok(RgbImage { width, height, data })
}
