use std::fmt;

use crate::{Error, Result};

/// The channels of an encoder's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Channels {
    /// Red, green and blue, in bytes.
    #[default]
    Rgb,
    /// Bands of a sensor.
    Bands {
        /// Number of bands.
        count: usize,
        /// Kind of the bands' values.
        values: BandValues,
    },
}

/// Kind of the values of bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BandValues {
    /// Levels from 0 to 255. Bytes stay as they are, and the decoding's stretch brings values of other types to
    /// levels.
    Levels,
    /// Numbers of the file itself, such as reflectances times 10,000. They are never stretched.
    Measured,
}

impl Channels {
    /// Returns the number of channels.
    pub fn count(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Bands { count, .. } => count,
        }
    }

    /// Checks that an image has these channels.
    ///
    /// # Errors
    /// [`Error::Channels`] if it has others.
    pub fn check(self, image: Self) -> Result<()> {
        if self == image {
            return Ok(());
        }
        Err(Error::Channels { takes: self, got: image })
    }
}

/// Writes `red, green and blue`, `9 bands with levels from 0 to 255` or `10 bands with values as measured`.
impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rgb => f.write_str("red, green and blue"),
            Self::Bands { count, values: BandValues::Levels } => {
                write!(f, "{count} bands with levels from 0 to 255")
            }
            Self::Bands { count, values: BandValues::Measured } => {
                write!(f, "{count} bands with values as measured")
            }
        }
    }
}

/// A decoded image of bands. The values are interleaved, and the rows begin at the top.
///
/// Values are `f32`, which represents every integer of 8 and 16 bits exactly.
#[derive(Debug, Clone, PartialEq)]
pub struct BandImage {
    /// Pixels in a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of bands.
    pub bands: usize,
    /// `[height, width, bands]`
    pub data: Vec<f32>,
}

impl BandImage {
    /// Returns a view of the values for an encoder.
    ///
    /// # Errors
    /// [`Error::Length`] if the image is empty or there is not a value for each band of each pixel;
    /// [`Error::Parameter`] if a value is not finite.
    pub fn view(&self) -> Result<BandsView<'_>> {
        BandsView::new([self.width, self.height], self.bands, &self.data)
    }
}

/// A view of a decoded image of bands, all of whose values are finite.
#[derive(Debug, Clone, Copy)]
pub struct BandsView<'a> {
    width: usize,
    height: usize,
    bands: usize,
    data: &'a [f32],
}

impl<'a> BandsView<'a> {
    /// Views `data` as `height` rows of `width` pixels of `bands` values.
    ///
    /// # Errors
    /// The errors of [`BandImage::view`].
    pub fn new([width, height]: [usize; 2], bands: usize, data: &'a [f32]) -> Result<Self> {
        let expected = width.saturating_mul(height).saturating_mul(bands).max(1);
        Error::check_length("image of bands (width x height x bands values)", expected, data.len())?;
        match data.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(Error::Parameter {
                name: "a value of an image of bands",
                value: value.to_string(),
                expected: "finite: 0 where nothing was measured",
            }),
            None => Ok(Self { width, height, bands, data }),
        }
    }

    /// Returns the number of pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns the number of bands.
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// Returns the values, `[height, width, bands]`.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }
}

/// A batch of prepared images of bands, `[len, size, size, bands]`: resized and cropped, but not normalized.
#[derive(Debug, Clone, Copy)]
pub struct BandBatch<'a> {
    size: usize,
    bands: usize,
    data: &'a [f32],
}

impl<'a> BandBatch<'a> {
    /// Views `data` as square images of side `size` with `bands` bands.
    ///
    /// # Errors
    /// [`Error::Length`] if `data` is no whole number of images.
    pub fn new(size: usize, bands: usize, data: &'a [f32]) -> Result<Self> {
        let image = size.saturating_mul(size).saturating_mul(bands);
        if image == 0 || !data.len().is_multiple_of(image) {
            let what = "batch of bands (whole images)";
            return Err(Error::Length { what, expected: image, got: data.len() });
        }
        Ok(Self { size, bands, data })
    }

    /// Returns the side of the images in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of bands.
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.data.len() / (self.size * self.size * self.bands)
    }

    /// Tells whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Returns the values, `[len, size, size, bands]`.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_of_whole_images_with_finite_values() {
        let values = [1.0; 2 * 3 * 4];
        let view = BandsView::new([2, 3], 4, &values).unwrap();
        assert_eq!((view.width(), view.height(), view.bands()), (2, 3, 4));
        assert!(BandsView::new([2, 3], 5, &values).is_err());
        assert!(BandsView::new([0, 3], 4, &[]).is_err());
        let image = BandImage { width: 1, height: 1, bands: 2, data: vec![0.0, f32::NAN] };
        let error = image.view().unwrap_err().to_string();
        assert!(error.contains("NaN, but must be finite"), "{error}");
        assert_eq!(BandBatch::new(2, 3, &values).unwrap().len(), 2);
        assert!(BandBatch::new(2, 4, &values[1..]).is_err());
    }

    #[test]
    fn other_channels_are_refused_with_words() {
        let ten = Channels::Bands { count: 10, values: BandValues::Measured };
        ten.check(ten).unwrap();
        assert_eq!(
            ten.check(Channels::Rgb).unwrap_err().to_string(),
            "the encoder takes images of 10 bands with values as measured, not of red, green and blue: choose another \
             model, or other bands"
        );
        assert_eq!((ten.count(), Channels::default().count()), (10, 3));
    }
}
