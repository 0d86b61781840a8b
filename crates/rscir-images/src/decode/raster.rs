//! Samples as a file has them, and their conversion to 8-bit RGB.

use ::image::metadata::Orientation;

use super::ImageProblem;
use rscir_core::RgbImage;
use rscir_core::{Decoding, Stretch};

/// A decoded image in the file's own colors and depth.
pub(super) struct Raster {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) color: Color,
    pub(super) channels: usize,
    pub(super) samples: Samples,
    pub(super) depth: Depth,
    /// The value that stands for no measurement.
    pub(super) no_data: Option<f64>,
    pub(super) orientation: Option<Orientation>,
}

/// The type of the samples in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) bits: u32,
    pub(super) float: bool,
}

/// The meaning of the channels. Channels beyond those of the color are ignored.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Color {
    Gray,
    /// Gray with an alpha. It differs from gray, since Pillow keeps the high byte of its 16-bit values and does not
    /// clip them.
    GrayAlpha,
    Rgb,
    /// Red, green and blue that were multiplied with the fourth channel, an alpha.
    RgbPremultiplied,
    Cmyk,
    YCbCr,
    /// The channel is an index into these colors.
    Palette(Box<[[u8; 3]; 256]>),
    /// Bands of unknown meaning.
    Bands,
}

/// The samples of a file. Integers that are signed or have more than 16 bits, and floats, are all held as `f32`, which
/// is exact enough to clip or stretch them.
pub(super) enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
}

#[expect(
    clippy::indexing_slicing,
    reason = "places are computed from the width, height and channels that the samples were read by"
)]
impl Samples {
    /// Returns the type of these samples.
    fn depth(&self) -> Depth {
        match self {
            Self::U8(_) => Depth { bits: 8, float: false },
            Self::U16(_) => Depth { bits: 16, float: false },
            Self::F32(_) => Depth { bits: 32, float: true },
        }
    }

    /// Returns the byte that Pillow makes of a sample of a color image.
    pub(super) fn high_byte(&self, index: usize) -> u8 {
        match self {
            Self::U8(values) => values[index],
            Self::U16(values) => (values[index] >> 8) as u8,
            Self::F32(values) => values[index] as u8,
        }
    }

    /// Returns the byte that Pillow makes of a sample of a gray image.
    fn clipped(&self, index: usize) -> u8 {
        match self {
            Self::U8(values) => values[index],
            Self::U16(values) => values[index].min(255) as u8,
            // The cast truncates and saturates, and NaN becomes 0.
            Self::F32(values) => values[index] as u8,
        }
    }

    pub(super) fn value(&self, index: usize) -> f32 {
        match self {
            Self::U8(values) => values[index].into(),
            Self::U16(values) => values[index].into(),
            Self::F32(values) => values[index],
        }
    }
}

impl Raster {
    /// Makes an image of samples, which are `[height, width, channels]`.
    pub(super) fn new(width: usize, height: usize, color: Color, channels: usize, samples: Samples) -> Self {
        let depth = samples.depth();
        Self { width, height, color, channels, samples, depth, no_data: None, orientation: None }
    }

    pub(super) fn oriented(self, orientation: Option<Orientation>) -> Self {
        Self { orientation, ..self }
    }

    fn pixels(&self) -> usize {
        self.width * self.height
    }

    pub(super) fn index(&self, pixel: usize, channel: usize) -> usize {
        pixel * self.channels + channel
    }

    pub(super) fn into_rgb(self, decoding: &Decoding) -> Result<RgbImage, ImageProblem> {
        let (width, height) = (self.width, self.height);
        let data = if decoding.bands.is_none() && decoding.stretch == Stretch::None {
            self.into_bytes()?
        } else {
            self.into_plain()?.selected(decoding)?
        };
        Ok(RgbImage { width, height, data })
    }

    /// Converts the image as Pillow's `convert("RGB")` does.
    #[expect(clippy::indexing_slicing, reason = "a palette has a color for each byte")]
    fn into_bytes(self) -> Result<Vec<u8>, ImageProblem> {
        let high = |pixel, channel| self.samples.high_byte(self.index(pixel, channel));
        let rgb = |pixel| [0, 1, 2].map(|channel| high(pixel, channel));
        Ok(match &self.color {
            Color::Rgb => match self.samples {
                Samples::U8(data) if self.channels == 3 => data,
                _ => self.each(rgb),
            },
            Color::Gray => self.each(|pixel| [self.samples.clipped(self.index(pixel, 0)); 3]),
            Color::GrayAlpha => self.each(|pixel| [high(pixel, 0); 3]),
            Color::RgbPremultiplied => self.each(|pixel| {
                let alpha = high(pixel, 3);
                rgb(pixel).map(|value| unmultiplied(value, alpha))
            }),
            Color::Cmyk => self.each(|pixel| {
                let key = 255 - high(pixel, 3);
                rgb(pixel).map(|ink| key - scaled(ink, key))
            }),
            Color::YCbCr => self.each(|pixel| rgb_of_ycbcr(rgb(pixel))),
            Color::Palette(table) => self.each(|pixel| table[usize::from(high(pixel, 0))]),
            Color::Bands => return Err(self.needs_bands()),
        })
    }

    fn needs_bands(&self) -> ImageProblem {
        ImageProblem::NeedsBands { bands: self.channels, bits: self.depth.bits }
    }

    fn each(&self, pixel: impl Fn(usize) -> [u8; 3]) -> Vec<u8> {
        (0..self.pixels()).flat_map(pixel).collect()
    }

    /// Converts colors whose channels mean nothing by themselves, such as inks and palettes, to RGB. Others stay as
    /// they are.
    pub(super) fn into_plain(self) -> Result<Self, ImageProblem> {
        if matches!(self.color, Color::Gray | Color::GrayAlpha | Color::Rgb | Color::Bands) {
            return Ok(self);
        }
        let (width, height, orientation) = (self.width, self.height, self.orientation);
        let samples = Samples::U8(self.into_bytes()?);
        Ok(Self::new(width, height, Color::Rgb, 3, samples).oriented(orientation))
    }

    /// Converts the chosen bands to RGB by the stretch.
    #[expect(clippy::indexing_slicing, reason = "there are three bands and three lines")]
    fn selected(&self, decoding: &Decoding) -> Result<Vec<u8>, ImageProblem> {
        let bands = match (&decoding.bands, &self.color) {
            (Some(bands), _) => match bands[..] {
                [red, green, blue] => [red, green, blue],
                // `check_bands` has refused any other number of bands.
                _ => return Err(self.needs_bands()),
            },
            (None, Color::Gray | Color::GrayAlpha) => [0; 3],
            (None, Color::Bands) => return Err(self.needs_bands()),
            (None, _) => [0, 1, 2],
        };
        if let Some(band) = bands.into_iter().find(|band| *band >= self.channels) {
            return Err(ImageProblem::NoBand { band, bands: self.channels });
        }
        if decoding.stretch == Stretch::None {
            return Ok(self.each(|pixel| bands.map(|band| self.samples.high_byte(self.index(pixel, band)))));
        }
        let lines = [0, 1, 2].map(|at| self.line(bands[at], at, decoding.stretch));
        Ok(self.each(|pixel| {
            std::array::from_fn(|at| {
                let (offset, scale) = lines[at];
                let value = self.samples.value(self.index(pixel, bands[at]));
                let measured = if self.is_measured(value) { value } else { f32::NAN };
                // By the cast NaN becomes 0.
                ((measured - offset) * scale).round_ties_even() as u8
            })
        }))
    }

    /// Tells whether a value is a measurement: another than the no-data value.
    pub(super) fn is_measured(&self, value: f32) -> bool {
        // Samples of more than 24 bits were rounded to `f32`, and so the no-data value is rounded, too.
        self.no_data.is_none_or(|no_data| value != no_data as f32)
    }

    /// Iterates over the finite values of a band that are measurements.
    pub(super) fn measured(&self, band: usize) -> impl Iterator<Item = f32> {
        let all = (0..self.pixels()).map(move |pixel| self.samples.value(self.index(pixel, band)));
        all.filter(|value| value.is_finite() && self.is_measured(*value))
    }

    /// Computes the offset and the scale that bring a band's values to bytes. The scale of a band without extent is 0.
    /// `at` is the band's position among red, green and blue, by which its range is chosen.
    #[expect(clippy::indexing_slicing, reason = "a stretch is of three bands")]
    pub(super) fn line(&self, band: usize, at: usize, stretch: Stretch) -> (f32, f32) {
        let values = || self.measured(band);
        let (low, high) = match stretch {
            Stretch::None => (0.0, 255.0),
            Stretch::MinMax => {
                values().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
            }
            Stretch::Percentile(low, high) => {
                let mut sorted = Vec::with_capacity(self.pixels());
                sorted.extend(values());
                (percentile(&mut sorted, low), percentile(&mut sorted, high))
            }
            Stretch::Range(low, high) => (low[at], high[at]),
        };
        let scale = 255.0 / (high - low);
        (low, if scale.is_finite() && scale > 0.0 { scale } else { 0.0 })
    }
}

/// Returns a percentile by the nearest rank, so that it is one of the values. Returns 0 if there are none.
fn percentile(values: &mut [f32], percent: f32) -> f32 {
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    let rank = (f64::from(percent.clamp(0.0, 100.0)) / 100.0 * last as f64).round() as usize;
    *values.select_nth_unstable_by(rank, f32::total_cmp).1
}

/// Unpacks samples of fewer than 8 bits to bytes. They are packed from the high bits down in rows of `stride` bytes.
/// With `scale` they are spread over 0 to 255.
#[expect(clippy::indexing_slicing, reason = "a row has the bytes that its width takes")]
pub(super) fn unpack(packed: &[u8], stride: usize, width: usize, bits: u8, scale: bool) -> Vec<u8> {
    let most = (1_u16 << bits) - 1;
    let factor = if scale { (255 / most) as u8 } else { 1 };
    let per_byte = usize::from(8 / bits);
    let row = |row: &[u8]| -> Vec<u8> {
        let sample = |x: usize| {
            let shift = 8 - bits * (x % per_byte + 1) as u8;
            (row[x / per_byte] >> shift & most as u8) * factor
        };
        (0..width).map(sample).collect()
    };
    packed.chunks_exact(stride.max(1)).flat_map(row).collect()
}

/// Computes `value / alpha` on the scale of bytes, as Pillow's `unpackRGBa` does. For an alpha of 0 the result is 0.
fn unmultiplied(value: u8, alpha: u8) -> u8 {
    let value = u16::from(value) * 255;
    value.checked_div(alpha.into()).map_or(0, |value| value.min(255) as u8)
}

/// Computes `a * b / 255`, rounded, as Pillow's `MULDIV255` does.
fn scaled(a: u8, b: u8) -> u8 {
    let product = u32::from(a) * u32::from(b) + 128;
    (((product >> 8) + product) >> 8) as u8
}

/// Converts a pixel by JFIF's formulas (ITU-T T.871, section 7) with 16 fractional bits, as libjpeg does (jdcolor.c).
fn rgb_of_ycbcr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let [y, cb, cr] = [i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128];
    // The factors are 1.402, 0.34414, 0.71414 and 1.772 times 2^16.
    let red = y + ((91_881 * cr + HALF) >> 16);
    let green = y + ((HALF - 22_554 * cb - 46_802 * cr) >> 16);
    let blue = y + ((116_130 * cb + HALF) >> 16);
    [red, green, blue].map(|value| value.clamp(0, 255) as u8)
}
