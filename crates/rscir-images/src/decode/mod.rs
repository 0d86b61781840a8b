//! Decodes images as Pillow's `Image.open(f).convert("RGB")` does it.
//!
//! The format is recognized by the content, never by the name. JPEG gives the bytes of libjpeg-turbo (by `rscir-jpeg`,
//! or with the feature `turbojpeg` by the library itself). PNG, WebP and BMP are read with the crates `png` and
//! `image`, TIFF with [`crate::tiff`].
//!
//! All become RGB as in Pillow 13: gray is repeated, a palette is looked up, an alpha channel is dropped and not
//! blended, 16-bit color keeps its high byte, and 16-bit gray is clipped at 255. An animation, or a file of several
//! images, gives its first image.

#![deny(clippy::indexing_slicing)]

mod bands;
mod bmp;
mod file;
mod header;
mod limits;
mod oddities;
mod png;
mod problem;
mod raster;
mod tiff;
#[cfg(feature = "turbojpeg")]
mod turbo;

use std::io::Cursor;

use ::image::codecs::webp::WebPDecoder;
use ::image::metadata::Orientation as Turn;
use ::image::{ColorType, ImageDecoder, Limits};
use rscir_core::{BandImage, BandValues, Channels, Decoding, Orientation, RgbImage};

use crate::{Error, Result};
pub use bands::check_bands;
pub use file::{decode_bands_file, decode_file};
use header::Format;
pub use limits::DecodeLimits;
pub use oddities::Oddities;
pub use problem::{ImageProblem, Remedy};
use raster::{Color, Raster, Samples};

/// Decodes an image of any format that is read: JPEG, PNG, TIFF, WebP or BMP.
///
/// Before memory is allocated for the pixels, the size in the header is compared with the limits and with the length of
/// the file.
///
/// # Errors
/// [`Error::Pixels`](crate::Error::Pixels) with an [`ImageProblem`] if the image cannot be decoded.
/// [`Error::ConfigValue`](crate::Error::ConfigValue) if the decoding has a stretch without extent, chooses another
/// number of bands than three, or is in the words of another program.
pub fn decode(bytes: &[u8], decoding: &Decoding, limits: &DecodeLimits) -> Result<RgbImage> {
    check(decoding)?;
    check_bands(decoding, Channels::Rgb)?;
    Ok(decode_rgb(bytes, Settings { decoding, limits, as_bands: false })?.0)
}

/// Decodes an image as [`decode`] does. Returns the pixels, and signs that they may not be as they were meant.
///
/// # Errors
/// The errors of [`decode`].
pub fn decode_with_oddities(
    bytes: &[u8],
    decoding: &Decoding,
    limits: &DecodeLimits,
) -> Result<(RgbImage, Oddities)> {
    check(decoding)?;
    check_bands(decoding, Channels::Rgb)?;
    let (image, narrow_range) = decode_rgb(bytes, Settings { decoding, limits, as_bands: false })?;
    let oddities = Oddities { one_color: oddities::is_one_color(&image), narrow_range };
    Ok((image, oddities))
}

/// Decodes an image of any format that is read into the bands that an encoder takes
/// ([`ImageEncoder::channels`](rscir_core::ImageEncoder::channels)): the bands that the decoding chooses, or all of the
/// file's.
///
/// Levels are bytes: values of 8 bits stay as they are, and the decoding's stretch converts others. Values as measured
/// are not changed. Values that are no measurement become 0: NaN, infinities, and the no-data value that a TIFF file
/// declares.
///
/// # Errors
/// The errors of [`decode`]. [`rscir_core::Error::Channels`] if the file has another number of bands.
/// [`rscir_core::Error::Unsupported`] for an encoder of colors. [`Error::ConfigValue`](crate::Error::ConfigValue) for
/// bands or a stretch that do not suit the channels, as [`check_bands`] tells.
pub fn decode_bands(
    bytes: &[u8],
    decoding: &Decoding,
    limits: &DecodeLimits,
    channels: Channels,
) -> Result<BandImage> {
    check(decoding)?;
    check_bands(decoding, channels)?;
    let Channels::Bands { count, values } = channels else {
        let (what, by) = ("an image of bands", "an encoder of colors".into());
        return Err(rscir_core::Error::Unsupported { what, by }.into());
    };
    let image = bands_of(bytes, decoding, limits, values)?;
    if image.bands != count {
        channels.check(Channels::Bands { count: image.bands, values })?;
    }
    Ok(image)
}

/// Decodes the bands that a decoding chooses, or all of the file's, however many there are.
pub(crate) fn bands_of(
    bytes: &[u8],
    decoding: &Decoding,
    limits: &DecodeLimits,
    values: BandValues,
) -> Result<BandImage> {
    check(decoding)?;
    let settings = Settings { decoding, limits, as_bands: true };
    let (raster, turns) = decode_raster(bytes, settings)?;
    let orientation = raster.orientation.filter(|_| turns);
    let BandImage { width, height, bands, data } = raster.into_bands(settings, values)?;
    let (width, height, data) = oriented((width, height, data), bands, orientation);
    Ok(BandImage { width, height, bands, data })
}

/// The decoding, which decides the pixels, and the limits, which decide whether the image is decoded.
#[derive(Clone, Copy)]
struct Settings<'a> {
    decoding: &'a Decoding,
    limits: &'a DecodeLimits,
    /// True if the values of bands are wanted, false for the colors that Pillow makes of them.
    as_bands: bool,
}

/// Checks a decoding, and turns its errors into those of settings.
///
/// # Errors
/// [`Error::ConfigValue`] for a stretch without extent, fewer than three bands, or a decoding in the words of another
/// program.
pub(crate) fn check(decoding: &Decoding) -> Result<()> {
    decoding.check().map_err(|error| match error {
        rscir_core::Error::Parameter { name, value, expected } => {
            Error::ConfigValue { key: name.into(), got: value, expected }
        }
        error => error.into(),
    })
}

/// Decodes an image to RGB, and tells whether its values use a small part of their type's range.
fn decode_rgb(bytes: &[u8], options: Settings<'_>) -> Result<(RgbImage, bool), ImageProblem> {
    let (raster, turns) = decode_raster(bytes, options)?;
    let orientation = raster.orientation.filter(|_| turns);
    let narrow_range = raster.is_narrow(options.decoding);
    let RgbImage { width, height, data } = raster.into_rgb(options.decoding)?;
    let (width, height, data) = oriented((width, height, data), 3, orientation);
    Ok((RgbImage { width, height, data }, narrow_range))
}

/// Decodes the samples of a file, and tells whether the image is to be turned as the file says.
fn decode_raster(bytes: &[u8], options: Settings<'_>) -> Result<(Raster, bool), ImageProblem> {
    if bytes.len() as u64 > options.limits.max_bytes {
        return Err(ImageProblem::TooManyBytes {
            bytes: bytes.len() as u64,
            limit: options.limits.max_bytes,
        });
    }
    let format = Format::of(bytes)?;
    let raster = match format {
        Format::Jpeg => jpeg(bytes, options),
        Format::Png => png::decode(bytes, options),
        Format::Tiff => tiff::decode(bytes, options),
        Format::WebP => webp(bytes, options),
        Format::Bmp => bmp::decode(bytes, options),
    }?;
    // Pillow ignores the orientation in EXIF, but turns a TIFF image as its tag says.
    let turns = options.decoding.orientation == Orientation::Exif || format == Format::Tiff;
    Ok((raster, turns))
}

fn jpeg(bytes: &[u8], options: Settings<'_>) -> Result<Raster, ImageProblem> {
    let header = rscir_jpeg::read_header(bytes)?;
    let pixels = header::check_pixels(header.width, header.height, options)?;
    // Decoding a file of several scans keeps all coefficients in memory, each of 16 bits.
    let coefficients = pixels * 2 * u64::from(header.components);
    header::check_memory(Format::Jpeg, pixels, coefficients, bytes.len(), options)?;
    let (width, height) = (header.width as usize, header.height as usize);
    #[cfg(feature = "turbojpeg")]
    let data = turbo::decode(bytes, &header);
    #[cfg(not(feature = "turbojpeg"))]
    let data = None;
    let data = match data {
        Some(data) => data,
        None => {
            rscir_jpeg::decode(bytes, &rscir_jpeg::Limits::default().max_pixels(options.limits.max_pixels))?
                .data
        }
    };
    let orientation = rscir_jpeg::exif_orientation(bytes).and_then(Turn::from_exif);
    Ok(Raster::new(width, height, Color::Rgb, 3, Samples::U8(data)).oriented(orientation))
}

fn webp(bytes: &[u8], options: Settings<'_>) -> Result<Raster, ImageProblem> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|e| Format::WebP.damaged(e))?;
    let exif = decoder.exif_metadata().ok().flatten();
    let orientation = exif.and_then(|exif| Turn::from_exif_chunk(&exif));
    // In the lossless form pixels of one color take no bits, so that the length of the file limits nothing.
    Ok(eight_bit(decoder, Format::WebP, options, bytes.len(), None)?.oriented(orientation))
}

/// Reads an image whose decoder gives 8-bit RGB or RGBA, from a file of `length` bytes. A byte of the file can stand
/// for at most `most` bytes of pixels; `None`: there is no such limit.
fn eight_bit(
    mut decoder: impl ImageDecoder,
    format: Format,
    options: Settings<'_>,
    length: usize,
    most: Option<u64>,
) -> Result<Raster, ImageProblem> {
    let (width, height) = decoder.dimensions();
    let total = decoder.total_bytes();
    let pixels = header::check_pixels(width, height, options)?;
    // The decoder's own buffers are at most as large as the pixels.
    header::check_memory(format, pixels, total.saturating_mul(2), length, options)?;
    if let Some(most) = most {
        header::check_content(format, total, length, most)?;
    }
    let channels = match decoder.color_type() {
        ColorType::Rgb8 => 3,
        ColorType::Rgba8 => 4,
        other => return Err(format.unsupported(format!("{other:?}"))),
    };
    let mut limits = Limits::default();
    // This limit is for the decoder's own buffers. The buffer for the pixels is ours.
    limits.max_alloc = Some(options.limits.max_pixels.saturating_mul(8));
    decoder.set_limits(limits).map_err(|e| format.damaged(e))?;
    let mut data = vec![0; header::size(total)?];
    decoder.read_image(&mut data).map_err(|e| format.damaged(e))?;
    Ok(Raster::new(width as usize, height as usize, Color::Rgb, channels, Samples::U8(data)))
}

/// Width, height and interleaved values (`[height, width, channels]`) of an image.
type Shaped<T> = (usize, usize, Vec<T>);

/// Turns and mirrors an image as its EXIF orientation says.
#[expect(
    clippy::indexing_slicing,
    reason = "a turned place is within the image, whose data are so many values a pixel"
)]
fn oriented<T: Copy>(image: Shaped<T>, channels: usize, orientation: Option<Turn>) -> Shaped<T> {
    let Some(orientation) = orientation.filter(|o| *o != Turn::NoTransforms) else { return image };
    let (w, h, values) = image;
    // Returns the stored position of the pixel that is shown at (x, y).
    let stored = |x: usize, y: usize| match orientation {
        Turn::NoTransforms => (x, y),
        Turn::FlipHorizontal => (w - 1 - x, y),
        Turn::Rotate180 => (w - 1 - x, h - 1 - y),
        Turn::FlipVertical => (x, h - 1 - y),
        Turn::Rotate90FlipH => (y, x),
        Turn::Rotate90 => (y, h - 1 - x),
        Turn::Rotate270FlipH => (w - 1 - y, h - 1 - x),
        Turn::Rotate270 => (w - 1 - y, x),
    };
    let (width, height) = if orientation.to_exif() > 4 { (h, w) } else { (w, h) };
    let mut data = Vec::with_capacity(values.len());
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let (x, y) = stored(x, y);
        data.extend_from_slice(&values[(y * w + x) * channels..][..channels]);
    }
    (width, height, data)
}
