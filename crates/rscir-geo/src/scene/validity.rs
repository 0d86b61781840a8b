//! Which pixels of a scene are measurements: GDAL's mask of a data set.

use rscir_images::tiff::{SampleFormat, Tiff};

use super::number::Number;

/// What tells whether a pixel is valid.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Validity {
    /// A band is an alpha: 0 is not valid.
    Alpha(usize),
    /// A mask of the scene's own: 0 is not valid.
    Mask,
    /// A value stands for no measurement. A pixel is valid if any band in use has another.
    NoData(f64),
    /// All pixels are, but for NaN.
    All,
}

impl Validity {
    /// What a file tells; `no_data` takes the place of the value that it declares.
    pub(super) fn of(tiff: &Tiff, no_data: Option<f64>) -> Self {
        match (tiff.image().alpha_band(), tiff.mask(), no_data.or(tiff.image().no_data())) {
            (Some(band), ..) => Self::Alpha(band),
            (None, Some(_), _) => Self::Mask,
            (None, None, Some(value)) => Self::NoData(value),
            (None, None, None) => Self::All,
        }
    }

    /// True if a look at the pixels tells nothing that is not known before.
    pub(super) fn is_known(&self, tiff: &Tiff) -> bool {
        *self == Self::All && tiff.image().sample_type().format != SampleFormat::Float
    }

    /// The rule for samples of one type.
    pub(super) fn rule<T: Number>(&self) -> Rule<T> {
        match *self {
            Self::Alpha(_) => Rule::Alpha,
            Self::Mask => Rule::Mask,
            Self::NoData(value) => Rule::NoData(T::declared(value)),
            Self::All => Rule::All,
        }
    }
}

/// [`Validity`], for pixels that have been read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule<T> {
    /// The sample after the colors is the alpha.
    Alpha,
    Mask,
    /// `None` is no sample.
    NoData(Option<T>),
    All,
}

impl<T: Number> Rule<T> {
    /// True for a sample that is a measurement.
    pub(super) fn is_measured(self, sample: T) -> bool {
        match self {
            Self::NoData(Some(no_data)) => !sample.is_nan() && sample != no_data,
            _ => !sample.is_nan(),
        }
    }

    /// True for a pixel that is valid: its samples are those of the `colors` bands in use, then the alpha.
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
        // A value that the type does not have is no pixel's.
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
