//! TIFF and BigTIFF: strips and tiles, contiguous and planar, samples of 1 to 64 bits; uncompressed, PackBits, LZW,
//! deflate and JPEG.

mod chunks;
mod compression;
mod directory;

use ::image::metadata::Orientation;

use super::header::{self, Format};
use super::raster::{Color, Depth, Raster};
use super::{ImageProblem, Settings};
use chunks::{Layout, Shown};
use compression::Compression;
use directory::{Directory, tag};

/// PhotometricInterpretation (TIFF 6.0, section 8).
mod photometric {
    pub(super) const WHITE_IS_ZERO: u64 = 0;
    pub(super) const BLACK_IS_ZERO: u64 = 1;
    pub(super) const RGB: u64 = 2;
    pub(super) const PALETTE: u64 = 3;
    pub(super) const SEPARATED: u64 = 5;
    pub(super) const YCBCR: u64 = 6;
}

/// ExtraSamples: the colours have been multiplied with the alpha.
const ASSOCIATED_ALPHA: u64 = 1;
/// The most bytes of samples that a pixel may have at the limit of pixels: sixteen bands of 16 bits.
const BYTES_A_PIXEL: u64 = 32;

fn damaged(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageProblem {
    Format::Tiff.damaged(problem)
}

fn unsupported(kind: impl Into<String>) -> ImageProblem {
    Format::Tiff.unsupported(kind.into())
}

pub(super) fn decode(bytes: &[u8], options: Settings<'_>) -> Result<Raster, ImageProblem> {
    let directory = Directory::first(bytes)?;
    let side = |tag| -> Result<u32, ImageProblem> {
        match u32::try_from(directory.value(tag, 0)?) {
            Ok(0) | Err(_) => Err(damaged("the image has no size")),
            Ok(side) => Ok(side),
        }
    };
    let (width, height) = (side(tag::WIDTH)?, side(tag::HEIGHT)?);
    let pixels = header::check_pixels(width, height, options)?;
    let photometric = directory.value(tag::PHOTOMETRIC, photometric::BLACK_IS_ZERO)?;
    let compression = Compression::of(&directory, photometric)?;
    let layout = Layout::of(&directory, width as usize, height as usize, compression)?;

    let needed = layout.bytes();
    let limit = options.limits.max_pixels.saturating_mul(BYTES_A_PIXEL);
    if needed > limit {
        return Err(ImageProblem::TooManyBytes { bytes: needed, limit });
    }
    // Nothing is stored of what a sparse file leaves out: the limit of memory alone holds for it.
    if !layout.is_sparse() {
        header::check_content(Format::Tiff, needed, bytes.len(), layout.compression.ratio())?;
    }
    header::check_memory(Format::Tiff, pixels, layout.memory(), bytes.len(), options)?;

    let color = meaning(&directory, photometric, &layout)?;
    let is_gray = color == Color::Gray;
    let white_is_zero = is_gray && photometric == photometric::WHITE_IS_ZERO;
    let stored = no_data(&directory)?;
    let shown = Shown { spread: is_gray, white_is_zero };
    let samples = layout.read(&directory, shown, stored.unwrap_or(0.0))?;
    let orientation =
        u8::try_from(directory.value(tag::ORIENTATION, 1)?).ok().and_then(Orientation::from_exif);
    let mut raster = Raster::new(width as usize, height as usize, color, layout.samples, samples);
    raster.depth = Depth { bits: layout.bits as u32, float: layout.is_float() };
    raster.no_data = stored.map(|value| shown.value(value, layout.bits));
    Ok(raster.oriented(orientation))
}

/// The value that stands for no measurement, by GDAL's tag. A text that is no number declares none.
fn no_data(directory: &Directory<'_>) -> Result<Option<f64>, ImageProblem> {
    let text = directory.text(tag::NO_DATA)?;
    // NaN is no measurement, declared or not.
    Ok(text.and_then(|text| text.trim().parse().ok()).filter(|value: &f64| value.is_finite()))
}

/// What the samples of a pixel mean.
fn meaning(directory: &Directory<'_>, photometric: u64, layout: &Layout) -> Result<Color, ImageProblem> {
    let samples = layout.samples;
    let extra = directory.values(tag::EXTRA_SAMPLES)?.unwrap_or_default();
    Ok(match photometric {
        photometric::WHITE_IS_ZERO | photometric::BLACK_IS_ZERO => match samples {
            1 => Color::Gray,
            2 => Color::GrayAlpha,
            _ => Color::Bands,
        },
        photometric::RGB if samples > 3 && extra.first() == Some(&ASSOCIATED_ALPHA) => {
            Color::RgbPremultiplied
        }
        photometric::RGB if samples >= 3 => Color::Rgb,
        photometric::PALETTE if layout.bits <= 8 => {
            let map =
                directory.values(tag::COLOR_MAP)?.ok_or_else(|| damaged("a palette without colours"))?;
            palette(&map)
        }
        photometric::SEPARATED if samples >= 4 => Color::Cmyk,
        // The JPEG decoder has converted already.
        photometric::YCBCR if matches!(layout.compression, Compression::Jpeg { .. }) => Color::Rgb,
        photometric::YCBCR if samples == 3 && layout.bits == 8 => {
            let subsampling = directory.values(tag::YCBCR_SUBSAMPLING)?.unwrap_or_else(|| vec![2, 2]);
            if subsampling != [1, 1] {
                return Err(unsupported("chroma subsampling without JPEG"));
            }
            Color::YCbCr
        }
        _ => {
            let bits = layout.bits;
            return Err(unsupported(format!(
                "photometric interpretation {photometric}, {samples} x {bits} bits"
            )));
        }
    })
}

/// A palette: all reds, all greens, all blues, of 16 bits each, of which Pillow keeps the high byte.
fn palette(map: &[u64]) -> Color {
    let entries = map.len() / 3;
    let value = |at: usize| map.get(at).map_or(0, |value| (value >> 8) as u8);
    let entry =
        |i: usize| [0, 1, 2].map(|channel| if i < entries { value(channel * entries + i) } else { 0 });
    Color::Palette(Box::new(std::array::from_fn(entry)))
}
