//! Choice of the valid pixels of a scene, as GDAL's mask of a data set has them.

use rscir_images::tiff::{SampleFormat, Tiff};

use super::number::Number;

/// The way to tell whether a pixel is valid.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Validity {
    /// A pixel is valid unless this band, the alpha, is 0.
    Alpha(usize),
    /// A pixel is valid unless the mask in the scene's file is 0.
    Mask,
    /// A pixel is valid if any band in use has another value than this one, which stands for no measurement.
    NoData(f64),
    /// All pixels are valid that are not NaN.
    All,
}

impl Validity {
    /// Reads from a file how to tell valid pixels. `no_data` replaces the value that the file declares.
    pub(super) fn of(tiff: &Tiff, no_data: Option<f64>) -> Self {
        match (tiff.image().alpha_band(), tiff.mask(), no_data.or(tiff.image().no_data())) {
            (Some(band), ..) => Self::Alpha(band),
            (None, Some(_), _) => Self::Mask,
            (None, None, Some(value)) => Self::NoData(value),
            (None, None, None) => Self::All,
        }
    }

    /// Tells whether all pixels are known to be valid without a look at them.
    pub(super) fn is_known(&self, tiff: &Tiff) -> bool {
        *self == Self::All && tiff.image().sample_type().format != SampleFormat::Float
    }

    /// Returns the rule for samples of one type.
    pub(super) fn rule<T: Number>(&self) -> Rule<T> {
        match *self {
            Self::Alpha(_) => Rule::Alpha,
            Self::Mask => Rule::Mask,
            Self::NoData(value) => Rule::NoData(T::declared(value)),
            Self::All => Rule::All,
        }
    }
}

/// A [`Validity`] for samples of one type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule<T> {
    /// The sample after those of the bands in use is the alpha.
    Alpha,
    Mask,
    /// The sample that is no measurement. `None`: the type does not have the value.
    NoData(Option<T>),
    All,
}

impl<T: Number> Rule<T> {
    /// Tells whether a sample is a measurement: neither NaN nor the no-data value.
    pub(super) fn is_measured(self, sample: T) -> bool {
        match self {
            Self::NoData(Some(no_data)) => !sample.is_nan() && sample != no_data,
            _ => !sample.is_nan(),
        }
    }

    /// Tells whether a pixel is valid. Its samples are those of the `colors` bands in use, then the alpha if there is
    /// one. `mask`: the mask's value is not 0.
    pub(super) fn is_valid(self, pixel: &[T], colors: usize, mask: bool) -> bool {
        let (colors, alpha) = pixel.split_at(colors.min(pixel.len()));
        let is_shown = match self {
            Self::Alpha => alpha.first().is_some_and(|alpha| alpha.value() != 0.0),
            Self::Mask => mask,
            Self::NoData(_) | Self::All => true,
        };
        is_shown && colors.iter().any(|sample| self.is_measured(*sample))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_valid_if_any_band_in_use_has_a_measurement() {
        let no_data = Rule::NoData(Some(0));
        assert!(!no_data.is_valid(&[0u8, 0, 0], 3, true));
        assert!(no_data.is_valid(&[0u8, 0, 1], 3, true));
        let rule = Validity::NoData(-3.402_823_466_385_288_6e38).rule::<f32>();
        assert!(!rule.is_valid(&[f32::MIN], 1, true) && rule.is_valid(&[0.0_f32], 1, true));
        // No pixel has a value that its type does not have.
        assert!(Validity::NoData(-9999.0).rule::<u8>().is_valid(&[0u8], 1, true));
    }

    #[test]
    fn nan_is_never_valid_whatever_mask_or_alpha_say() {
        for rule in [Rule::All, Rule::Mask, Rule::NoData(Some(f32::NAN))] {
            assert!(!rule.is_valid(&[f32::NAN; 3], 3, true));
            assert!(rule.is_valid(&[f32::NAN, 1.0, f32::NAN], 3, true));
        }
        assert!(!Rule::Alpha.is_valid(&[f32::NAN, 1.0], 1, true));
        assert!(
            !Rule::Alpha.is_valid(&[5.0_f32, 0.0], 1, true) && Rule::Alpha.is_valid(&[5.0_f32, 0.5], 1, true)
        );
        assert!(!Rule::Mask.is_valid(&[7u8], 1, false));
    }
}
