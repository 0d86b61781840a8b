//! Choice of the bands of a scene that are read.

use rscir_images::tiff::{Photometric, Tiff};

use super::metadata::Item;

/// The bands in use and what they become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Colors {
    /// Three bands become red, green and blue.
    Rgb([usize; 3]),
    /// One band becomes gray.
    Gray(usize),
    /// The first band is an index into these colors.
    Palette(Vec<[u8; 3]>),
    /// More than three bands, for an encoder of bands. `shown` are the positions in `bands` of red, green and blue for
    /// pictures.
    Bands { bands: Vec<usize>, shown: [usize; 3] },
}

/// The reason why the bands of a scene cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BandProblem {
    /// A band was chosen that the scene does not have.
    #[error("band {} was chosen, but the scene has {bands} bands, counted from 1: choose among them", band + 1)]
    NoBand {
        /// The band, counted from 0.
        band: usize,
        /// Number of bands of the scene.
        bands: usize,
    },
    /// The scene has two bands, none of which is an alpha.
    #[error("the scene has two bands, which are neither gray nor red, green and blue: choose one of them")]
    Two,
    /// The bands are inks, or another kind of color.
    #[error("the bands are {kind}, not red, green and blue: convert the scene, or choose bands")]
    OtherColors {
        /// The kind of color.
        kind: String,
    },
}

impl Colors {
    /// Chooses the bands in use: those that were asked for, else those with the names of colors, else the first three,
    /// or the only one.
    ///
    /// # Errors
    /// A [`BandProblem`] if the scene lacks a band, or its bands are no colors.
    pub(super) fn of(tiff: &Tiff, chosen: Option<&[usize]>, items: &[Item]) -> Result<Self, BandProblem> {
        let image = tiff.image();
        let bands = image.bands();
        // GDAL's names of the bands come before TIFF's photometric interpretation.
        let named = |color: &str| {
            let is_named =
                |item: &&Item| item.role == "colorinterp" && item.value.eq_ignore_ascii_case(color);
            items.iter().find(is_named)?.sample.filter(|band| *band < bands)
        };
        if let Some(chosen) = chosen {
            if let Some(&band) = chosen.iter().find(|band| **band >= bands) {
                return Err(BandProblem::NoBand { band, bands });
            }
            return Ok(match *chosen {
                [red, green, blue] => Self::Rgb([red, green, blue]),
                [band] => Self::Gray(band),
                _ => Self::Bands { bands: chosen.to_vec(), shown: shown(chosen, &named) },
            });
        }
        if let (Some(red), Some(green), Some(blue)) = (named("red"), named("green"), named("blue")) {
            return Ok(Self::Rgb([red, green, blue]));
        }
        let colors = bands - usize::from(image.alpha_band().is_some());
        match (image.photometric(), colors) {
            (Photometric::Palette, _) => {
                let palette = image.palette().ok().flatten().unwrap_or_default();
                // The palette has 16 bits for each color, of which GDAL takes the upper 8.
                Ok(Self::Palette(
                    palette.into_iter().map(|color| color.map(|value| (value >> 8) as u8)).collect(),
                ))
            }
            (Photometric::Separated, _) => Err(BandProblem::OtherColors { kind: "inks".into() }),
            (Photometric::Other(number), _) => {
                Err(BandProblem::OtherColors { kind: format!("colors of kind {number}") })
            }
            (_, 0 | 1) => Ok(Self::Gray(0)),
            (_, 2) => Err(BandProblem::Two),
            _ => Ok(Self::Rgb([0, 1, 2])),
        }
    }

    /// Returns the bands that are read, in the order of the colors.
    pub(super) fn bands(&self) -> Vec<usize> {
        match self {
            Self::Rgb(bands) => bands.to_vec(),
            Self::Gray(band) => vec![*band],
            Self::Palette(_) => vec![0],
            Self::Bands { bands, .. } => bands.clone(),
        }
    }

    /// Returns the number of bands that are read.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Rgb(_) => 3,
            Self::Gray(_) | Self::Palette(_) => 1,
            Self::Bands { bands, .. } => bands.len(),
        }
    }
}

/// Returns the positions in the list of bands that become red, green and blue in pictures: the bands with these names,
/// else the third, second and first.
fn shown(chosen: &[usize], named: &dyn Fn(&str) -> Option<usize>) -> [usize; 3] {
    let place = |color: &str| {
        let band = named(color)?;
        chosen.iter().position(|chosen| *chosen == band)
    };
    match ["red", "green", "blue"].map(place) {
        [Some(red), Some(green), Some(blue)] => [red, green, blue],
        // Sensors list their bands by rising wavelength: blue comes first.
        _ => [2, 1, 0],
    }
}
