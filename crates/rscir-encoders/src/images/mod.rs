//! Images decoded as Pillow's `Image.open(f).convert("RGB")` does it.
//!
//! JPEG gives libjpeg-turbo's bytes (see `rscir-jpeg`). PNG, TIFF, WebP and BMP come from the `image` crate and become RGB
//! as in Pillow 13: gray is repeated, an alpha channel is dropped, 16-bit colour keeps its high byte and 16-bit gray is
//! clipped at 255. Of an animation the first frame counts. EXIF orientation is not applied. The format is known by the
//! content, never by the name.

use std::fmt;
use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

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
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// The most pixels, width times height; checked on the header.
    pub max_pixels: u64,
    /// The largest size of a file in bytes.
    pub max_bytes: u64,
}

impl Default for DecodeOptions {
    /// 178,956,970 pixels, where Pillow refuses an image as a decompression bomb; files of 1 GiB.
    fn default() -> Self {
        Self { max_pixels: 178_956_970, max_bytes: 1 << 30 }
    }
}

/// Why an image cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageProblem {
    /// The file has no content.
    #[error("the file is empty")]
    Empty,
    /// The content is none of the formats that are read.
    #[error("not an image of a known format: {hint}")]
    UnknownFormat {
        /// What it begins with, for people.
        hint: String,
    },
    /// More pixels than the limit.
    #[error("{width} x {height} pixels are more than the limit of {limit}")]
    TooManyPixels {
        /// Pixels in a row.
        width: u32,
        /// Number of rows.
        height: u32,
        /// The limit.
        limit: u64,
    },
    /// A damaged or unsupported JPEG file.
    #[error("JPEG: {0}")]
    Jpeg(#[from] rscir_jpeg::Error),
    /// A damaged or unsupported file of another format.
    #[error("{format}: {source}")]
    Other {
        /// The format.
        format: &'static str,
        /// What the decoder says.
        source: ImageError,
    },
}

/// Decodes an image of any known format.
///
/// # Errors
/// [`Error::Pixels`] with an [`ImageProblem`]; the caller knows the path.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage> {
    Ok(decode_inner(bytes, options)?)
}

fn decode_inner(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, ImageProblem> {
    if bytes.is_empty() {
        return Err(ImageProblem::Empty);
    }
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => {
            let limits = rscir_jpeg::Limits { max_pixels: options.max_pixels };
            let image = rscir_jpeg::decode(bytes, &limits)?;
            Ok(RgbImage { width: image.width as usize, height: image.height as usize, data: image.data })
        }
        Ok(format @ (ImageFormat::Png | ImageFormat::Tiff | ImageFormat::WebP | ImageFormat::Bmp)) => {
            let name = match format {
                ImageFormat::Png => "PNG",
                ImageFormat::Tiff => "TIFF",
                ImageFormat::WebP => "WebP",
                _ => "BMP",
            };
            decode_other(bytes, format, name, options)
        }
        _ => Err(ImageProblem::UnknownFormat { hint: Beginning(bytes).to_string() }),
    }
}

fn decode_other(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
    options: &DecodeOptions,
) -> Result<RgbImage, ImageProblem> {
    let failed = |source| ImageProblem::Other { format: name, source };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    // Decoders count their own buffers too: at most four channels of 16 bits a pixel, and as much again.
    limits.max_alloc = Some(options.max_pixels.saturating_mul(16));
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > options.max_pixels {
        return Err(ImageProblem::TooManyPixels { width, height, limit: options.max_pixels });
    }
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    Ok(RgbImage { width: width as usize, height: height as usize, data: to_rgb(image) })
}

/// As Pillow 13 converts each mode to RGB.
fn to_rgb(image: DynamicImage) -> Vec<u8> {
    let high = |v: u16| (v >> 8) as u8;
    match image {
        DynamicImage::ImageRgb8(image) => image.into_raw(),
        DynamicImage::ImageLuma8(image) => image.into_raw().into_iter().flat_map(|v| [v; 3]).collect(),
        DynamicImage::ImageLumaA8(image) => image.pixels().flat_map(|p| [p.0[0]; 3]).collect(),
        DynamicImage::ImageRgba8(image) => image.pixels().flat_map(|p| [p.0[0], p.0[1], p.0[2]]).collect(),
        // Mode "I;16" is clipped, not scaled.
        DynamicImage::ImageLuma16(image) => {
            image.into_raw().into_iter().flat_map(|v| [v.min(255) as u8; 3]).collect()
        }
        DynamicImage::ImageLumaA16(image) => image.pixels().flat_map(|p| [high(p.0[0]); 3]).collect(),
        DynamicImage::ImageRgb16(image) => image.into_raw().into_iter().map(high).collect(),
        DynamicImage::ImageRgba16(image) => {
            image.pixels().flat_map(|p| [high(p.0[0]), high(p.0[1]), high(p.0[2])]).collect()
        }
        other => other.into_rgb8().into_raw(),
    }
}

/// The beginning of a file that is no image, for people to recognise.
struct Beginning<'a>(&'a [u8]);

impl fmt::Display for Beginning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = &self.0[..self.0.len().min(16)];
        write!(f, "it begins with \"{}\"", start.escape_ascii())
    }
}

impl From<ImageProblem> for Error {
    fn from(problem: ImageProblem) -> Self {
        Self::Pixels(Box::new(problem))
    }
}
