//! Signs that an image, though decoded without an error, does not look as it was meant to.

use super::raster::{Color, Raster, Samples};
use rscir_core::RgbImage;
use rscir_core::{Decoding, Stretch};

/// The part of a type's range that values must span for an image not to be odd. A sixteenth leaves 16 of the 256 levels
/// of a byte.
const MIN_PART: f64 = 1.0 / 16.0;

/// Number of values of a byte, the range to which floats are clipped.
const BYTES: f64 = 256.0;

/// Signs that a decoded image does not look as it was meant to. In most cases its values need another [`Stretch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Oddities {
    /// True if the image has several pixels, all of the same color.
    pub one_color: bool,
    /// True if the values span less than a sixteenth of their type's range, and the decoding has no stretch.
    ///
    /// The range of integers, signed or not, is that of all numbers of so many bits. Integers that are clipped at 255
    /// are not odd if all of them are from 0 to 255, since clipping loses nothing. Floats, which are clipped to 0 to
    /// 255, are odd if they span less than 16. Values that are no measurement do not count, and images of at most 8
    /// bits are never odd.
    pub narrow_range: bool,
}

/// Tells whether an image has several pixels, all of one color. The comparison ends at the first that differs.
pub(super) fn is_one_color(image: &RgbImage) -> bool {
    // All pixels are equal if each equals the one before it. A comparison of two slices, a pixel apart, finds out fast.
    let (Some(others), Some(before)) =
        (image.data.get(3..), image.data.get(..image.data.len().saturating_sub(3)))
    else {
        return false;
    };
    !others.is_empty() && others == before
}

impl Raster {
    /// Tells whether the values that become pixels span a small part of their type's range, as
    /// [`Oddities::narrow_range`] describes.
    pub(super) fn is_narrow(&self, decoding: &Decoding) -> bool {
        if self.depth.bits <= 8 || decoding.stretch != Stretch::None {
            return false;
        }
        let channels: &[usize] = match (&decoding.bands, &self.color) {
            (Some(bands), _) => bands,
            (None, Color::Gray | Color::GrayAlpha | Color::Palette(_)) => &[0],
            (None, Color::Bands) => return false,
            (None, _) => &[0, 1, 2],
        };
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for &channel in channels.iter().filter(|channel| **channel < self.channels) {
            for value in self.measured(channel) {
                (low, high) = (low.min(value), high.max(value));
            }
        }
        if low > high {
            return false;
        }
        let span = f64::from(high) - f64::from(low);
        if self.depth.float {
            return span < BYTES * MIN_PART;
        }
        // Gray, and values that are held as floats, are clipped at 255. Other colors of 16 bits keep their high byte.
        let is_cut =
            self.color == Color::Gray && decoding.bands.is_none() || matches!(self.samples, Samples::F32(_));
        let fits = is_cut && low >= 0.0 && f64::from(high) < BYTES;
        !fits && span < f64::from(self.depth.bits).exp2() * MIN_PART
    }
}
