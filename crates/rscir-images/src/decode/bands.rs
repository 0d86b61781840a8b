//! Files as images of bands, for encoders of bands.

use rscir_core::{BandImage, BandValues, Channels, Decoding, Stretch};

use super::raster::Raster;
use super::{ImageProblem, Settings};
use crate::{Error, Result};

impl Raster {
    /// Converts the samples to the bands that the decoding chooses, or to all bands if it chooses none. Values are
    /// levels, or as measured. A value that is no measurement becomes 0.
    pub(super) fn into_bands(
        self,
        settings: Settings<'_>,
        values: BandValues,
    ) -> Result<BandImage, ImageProblem> {
        let decoding = settings.decoding;
        let raster = self.into_plain()?;
        let all = || (0..raster.channels).collect();
        let bands: Vec<usize> = decoding.bands.clone().unwrap_or_else(all);
        if let Some(&band) = bands.iter().find(|band| **band >= raster.channels) {
            return Err(ImageProblem::NoBand { band, bands: raster.channels });
        }
        let lines: Vec<(f32, f32)> = match (values, decoding.stretch) {
            (BandValues::Measured, _) | (_, Stretch::None) => Vec::new(),
            // `check_bands` has made sure that a range is the same for all bands, unless there are three.
            _ => bands
                .iter()
                .enumerate()
                .map(|(at, band)| raster.line(*band, at.min(2), decoding.stretch))
                .collect(),
        };
        let value = |index: usize, at: usize| {
            let value = raster.samples.value(index);
            if !value.is_finite() || !raster.is_measured(value) {
                return 0.0;
            }
            match (values, lines.get(at)) {
                (BandValues::Measured, _) => value,
                (_, Some((offset, scale))) => f32::from(((value - offset) * scale).round_ties_even() as u8),
                (_, None) => raster.samples.high_byte(index).into(),
            }
        };
        let pixels = 0..raster.width * raster.height;
        let data = pixels
            .flat_map(|pixel| bands.iter().enumerate().map(move |(at, band)| (pixel, at, *band)))
            .map(|(pixel, at, band)| value(raster.index(pixel, band), at))
            .collect();
        Ok(BandImage { width: raster.width, height: raster.height, bands: bands.len(), data })
    }
}

/// Checks that a decoding suits an encoder with these channels.
///
/// # Errors
/// [`Error::ConfigValue`] if the decoding chooses another number of bands than the encoder takes, stretches values that
/// the encoder takes as measured, or has different ranges for red, green and blue where there are not three bands.
pub fn check_bands(decoding: &Decoding, channels: Channels) -> Result<()> {
    let refuse =
        |key: &str, got: String, expected| Err(Error::ConfigValue { key: key.into(), got, expected });
    let (count, chosen) = (channels.count(), decoding.bands.as_ref().map(Vec::len));
    if let Some(chosen) = chosen.filter(|chosen| *chosen != count) {
        let expected = match channels {
            Channels::Rgb => "three, which become red, green and blue",
            _ => "as many as the encoder takes",
        };
        return refuse("the number of bands", format!("{chosen}, where the images have {count}"), expected);
    }
    match (channels, decoding.stretch) {
        (Channels::Bands { values: BandValues::Measured, .. }, stretch) if stretch != Stretch::None => {
            refuse("stretch", stretch.to_string(), "left out: the encoder takes values as they were measured")
        }
        (Channels::Bands { count, .. }, Stretch::Range(low, high))
            if count != 3 && [low, high].iter().any(|ends| ends.iter().any(|end| *end != ends[0])) =>
        {
            refuse(
                "stretch",
                decoding.stretch.to_string(),
                "the same range for all bands, where they are not three",
            )
        }
        _ => Ok(()),
    }
}
