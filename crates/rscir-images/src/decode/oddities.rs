//! What decodes without an error and may all the same not be what was meant.

use super::raster::{Color, Raster, Samples};
use rscir_core::RgbImage;
use rscir_core::{Decoding, Stretch};

/// The part of a type's range that values must span not to be taken for lost: a sixteenth leaves sixteen levels of the 256
/// that a byte has.
const MIN_PART: f64 = 1.0 / 16.0;

/// Values of a byte, the range that floats are cut to.
const BYTES: f64 = 256.0;

/// What is odd about an image that was decoded: in most cases its values needed another [`Stretch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Oddities {
    /// All of its pixels, which are more than one, have the same color.
    pub one_color: bool,
    /// Its values span less than a sixteenth of their type's range, and no stretch was asked for.
    ///
    /// The range is that of unsigned integers of 16 bits and more and of signed ones of as many bits. Integers that are cut
    /// at 255 and do not reach beyond keep all they have and do not count. Floats, which are cut to 0 to 255, count where
    /// they span less than 16. Values that are no measurement take no part, and images of 8 bits never count.
    pub narrow_range: bool,
}

/// Tells whether there are several pixels, all of one color. Ends at the first that differs.
pub(super) fn is_one_color(image: &RgbImage) -> bool {
    // Every pixel equals the one before it; slices are compared as memory.
    let (Some(others), Some(before)) =
        (image.data.get(3..), image.data.get(..image.data.len().saturating_sub(3)))
    else {
        return false;
    };
    !others.is_empty() && others == before
}

impl Raster {
    /// Whether the values that are to become pixels span a small part of their type's range: see
    /// [`Oddities::narrow_range`].
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
        // Other colors of 16 bits keep their high byte.
        let is_cut =
            self.color == Color::Gray && decoding.bands.is_none() || matches!(self.samples, Samples::F32(_));
        let fits = is_cut && low >= 0.0 && f64::from(high) < BYTES;
        !fits && span < f64::from(self.depth.bits).exp2() * MIN_PART
    }
}
