//! TIFF and BigTIFF: conversion of the samples that [`crate::tiff`] reads, as Pillow does it.

use ::image::metadata::Orientation;
use rscir_core::Stretch;

use super::header::{self, Format};
use super::raster::{Color, Depth, Raster, Samples};
use super::{ImageProblem, Settings};
use crate::tiff::{
    self, BlockCache, ExtraSample, Parts, Photometric, ReadAt, Sample, SampleFormat, damaged, each_type, tag,
    unsupported,
};

/// The most bytes of samples for each pixel of the limit of pixels: sixteen bands of 16 bits.
const BYTES_A_PIXEL: u64 = 32;

pub(super) fn decode(bytes: &[u8], options: Settings<'_>) -> Result<Raster, ImageProblem> {
    let image = tiff::first(&bytes)?;
    let tiff::Window { width, height, .. } = image.whole();
    let pixels = header::check_pixels(width as u32, height as u32, options)?;

    let needed = image.layout.bytes();
    let limit = options.limits.max_pixels.saturating_mul(BYTES_A_PIXEL);
    if needed > limit {
        return Err(ImageProblem::TooManyBytes { bytes: needed, limit });
    }
    let (there, wanted) = image.places();
    if there < wanted {
        return Err(damaged(format!("{there} strips or tiles where {wanted} belong")));
    }
    // A sparse file stores nothing of the parts that it leaves out, so that its length limits nothing. The limit of
    // memory remains.
    if !image.is_sparse(&bytes)? {
        let ratio = image.layout.compression.ratio();
        header::check_content(Format::Tiff, needed, bytes.len(), ratio)?;
    }
    header::check_memory(Format::Tiff, pixels, memory(&image, pixels), bytes.len(), options)?;

    let color = meaning(&bytes, &image)?;
    let is_gray = color == Color::Gray;
    let white_is_zero = is_gray && image.photometric == Photometric::WhiteIsZero;
    // NaN is never a measurement, so that a declared NaN adds nothing.
    let stored = image.no_data.filter(|value| value.is_finite());
    let (spread, white_is_zero) = (is_gray && !options.as_bands, white_is_zero && !options.as_bands);
    let shown = Shown { spread, white_is_zero, bits: image.layout.bits };
    let samples = read(&bytes, &image, shown, stored.unwrap_or(0.0))?;
    let is_plain = options.decoding.bands.is_none() && options.decoding.stretch == Stretch::None;
    let is_plain = is_plain && !options.as_bands;
    let is_signed_byte = image.layout.format == SampleFormat::Signed && image.layout.bits == 8;
    let samples = match samples {
        // Pillow reads signed bytes of gray as unsigned ones. Bands and stretches take the signed values.
        Samples::F32(values) if is_signed_byte && is_plain && image.layout.bands < 3 => {
            Samples::U8(values.into_iter().map(|value| value as i8 as u8).collect())
        }
        samples => samples,
    };
    let orientation = image.directory.value(&bytes, tag::ORIENTATION, 1)?;
    let orientation = u8::try_from(orientation).ok().and_then(Orientation::from_exif);
    let mut raster = Raster::new(width, height, color, image.layout.bands, samples);
    let float = image.layout.format == SampleFormat::Float;
    raster.depth = Depth { bits: image.layout.bits as u32, float };
    raster.no_data = stored.map(|value| shown.number(value));
    Ok(raster.oriented(orientation))
}

/// Returns the bytes of memory that reading takes: those of all samples, and those of one strip or tile.
fn memory(image: &Parts, pixels: u64) -> u64 {
    let widened = match (image.layout.format, image.layout.bits) {
        (SampleFormat::Unsigned, ..=8) => 1,
        (SampleFormat::Unsigned, ..=16) => 2,
        _ => 4,
    };
    let all = pixels.saturating_mul(image.layout.bands as u64).saturating_mul(widened);
    all.saturating_add(image.layout.block_memory())
}

/// The way in which samples of at most 8 bits become levels of gray.
#[derive(Debug, Clone, Copy)]
struct Shown {
    /// True if samples of fewer than 8 bits are spread over 0 to 255.
    spread: bool,
    /// True if 0 is white, so that levels are inverted, as Pillow does with at most 8 bits.
    white_is_zero: bool,
    bits: usize,
}

impl Shown {
    /// Returns the level of a stored byte. In a damaged file it may be greater than the bits allow.
    fn byte(self, stored: u8) -> u8 {
        let spread = if self.spread { stored.wrapping_mul(255 / self.most()) } else { stored };
        if self.white_is_zero { 255 - spread } else { spread }
    }

    /// Returns the level of the no-data value, which need not be a value that samples can have.
    fn number(self, stored: f64) -> f64 {
        if self.bits > 8 {
            return stored;
        }
        let spread = if self.spread { stored * f64::from(255 / self.most()) } else { stored };
        if self.white_is_zero { 255.0 - spread } else { spread }
    }

    /// Returns the greatest value of a sample.
    fn most(self) -> u8 {
        u8::MAX >> (8 - self.bits.min(8))
    }
}

/// Reads all samples, interleaved. Parts that a sparse file leaves out have the value `missing`.
fn read(source: &dyn ReadAt, image: &Parts, shown: Shown, missing: f64) -> Result<Samples, ImageProblem> {
    let window = image.whole();
    let bands: Vec<usize> = (0..image.layout.bands).collect();
    // Each strip or tile is needed once, so that a cache is of no use.
    let cache = BlockCache::new(0);
    let layout = &image.layout;
    Ok(match (layout.format, layout.bits) {
        (SampleFormat::Unsigned, ..=8) => {
            let missing = shown.byte(u8::nearest(missing));
            Samples::U8(image.read(source, &cache, window, &bands, missing, |block, samples, out| {
                if let Some(list) = u8::list(samples) {
                    window.take(layout, block, list, &bands, out, |value| shown.byte(value));
                }
            })?)
        }
        (SampleFormat::Unsigned, ..=16) => {
            let missing = u16::nearest(missing);
            Samples::U16(image.read(source, &cache, window, &bands, missing, |block, samples, out| {
                if let Some(list) = u16::list(samples) {
                    window.take(layout, block, list, &bands, out, |value| value);
                }
            })?)
        }
        // Values of more than 24 bits are rounded to `f32`, which is fine enough for bytes.
        _ => Samples::F32(image.read(
            source,
            &cache,
            window,
            &bands,
            missing as f32,
            |block, samples, out| {
                each_type!(samples, list => window.take(layout, block, list, &bands, out, Sample::as_f32));
            },
        )?),
    })
}

/// Returns what the samples of a pixel mean.
///
/// # Errors
/// [`ImageProblem::Unsupported`] for a kind of color that is not read.
fn meaning(source: &dyn ReadAt, image: &Parts) -> Result<Color, ImageProblem> {
    let layout = &image.layout;
    Ok(match image.photometric {
        Photometric::WhiteIsZero | Photometric::BlackIsZero => match layout.bands {
            1 => Color::Gray,
            2 => Color::GrayAlpha,
            _ => Color::Bands,
        },
        Photometric::Rgb
            if layout.bands > 3 && image.extra.first() == Some(&ExtraSample::AssociatedAlpha) =>
        {
            Color::RgbPremultiplied
        }
        Photometric::Rgb if layout.bands >= 3 => Color::Rgb,
        Photometric::Palette if layout.bits <= 8 => {
            let map = image.directory.values(source, tag::COLOR_MAP)?;
            palette(&map.ok_or_else(|| damaged("a palette without colors"))?)
        }
        Photometric::Separated if layout.bands >= 4 => Color::Cmyk,
        // The JPEG decoder has converted the samples to RGB.
        Photometric::YCbCr if layout.compression.is_rgb() => Color::Rgb,
        // In planar files each band is a JPEG image of its own with all pixels, and was not converted.
        Photometric::YCbCr if layout.bands == 3 && layout.compression.is_image() => Color::YCbCr,
        Photometric::YCbCr if layout.bands == 3 && layout.bits == 8 => {
            let subsampling = image.directory.values(source, tag::YCBCR_SUBSAMPLING)?;
            if subsampling.unwrap_or_else(|| vec![2, 2]) != [1, 1] {
                return Err(unsupported("chroma subsampling without JPEG"));
            }
            Color::YCbCr
        }
        other => {
            let (bands, bits) = (layout.bands, layout.bits);
            return Err(unsupported(format!("photometric interpretation {other}, {bands} x {bits} bits")));
        }
    })
}

/// Reads a palette: all reds, then all greens, then all blues, each of 16 bits, of which Pillow keeps the high byte.
fn palette(map: &[u64]) -> Color {
    let entries = map.len() / 3;
    let value = |at: usize| map.get(at).map_or(0, |value| (value >> 8) as u8);
    let entry =
        |i: usize| [0, 1, 2].map(|channel| if i < entries { value(channel * entries + i) } else { 0 });
    Color::Palette(Box::new(std::array::from_fn(entry)))
}
