//! Which bands of a scene become its colors.

use rscir_images::tiff::{Photometric, Tiff};

use super::metadata::Item;

/// What becomes of a scene's bands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Colors {
    /// Three bands are red, green and blue.
    Rgb([usize; 3]),
    /// One band is gray.
    Gray(usize),
    /// The first band is an index into colors.
    Palette(Vec<[u8; 3]>),
    /// Two bands, or more than three, for an encoder of bands. Pictures have those of them as red, green and blue whose places
    /// in the list are given.
    Bands { bands: Vec<usize>, shown: [usize; 3] },
}

/// Why it is not known which bands become colors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BandProblem {
    /// A band that the scene does not have.
    #[error("band {} is asked for, and the scene has {bands}, counted from 1: choose among them", band + 1)]
    NoBand {
        /// The band, counted from 0.
        band: usize,
        /// How many there are.
        bands: usize,
    },
    /// Two bands, none of which is an alpha.
    #[error(
        "the scene has two bands, and neither one is gray nor three are colors: choose one or three of them"
    )]
    Two,
    /// Inks, or another kind of color.
    #[error("its bands are {kind}, not red, green and blue: convert the scene, or choose bands")]
    OtherColors {
        /// What they are.
        kind: String,
    },
}

impl Colors {
    /// Chooses bands: those asked for, those of the colors, the first three, or the only one.
    pub(super) fn of(tiff: &Tiff, chosen: Option<&[usize]>, items: &[Item]) -> Result<Self, BandProblem> {
        let image = tiff.image();
        let bands = image.bands();
        // Names that GDAL gives to bands come before what TIFF says of them.
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
                // Each of 16 bits, of which GDAL takes the upper 8.
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

    /// The bands that are read, in the order of the colors.
    pub(super) fn bands(&self) -> Vec<usize> {
        match self {
            Self::Rgb(bands) => bands.to_vec(),
            Self::Gray(band) => vec![*band],
            Self::Palette(_) => vec![0],
            Self::Bands { bands, .. } => bands.clone(),
        }
    }

    /// How many bands are read.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Rgb(_) => 3,
            Self::Gray(_) | Self::Palette(_) => 1,
            Self::Bands { bands, .. } => bands.len(),
        }
    }
}

/// The places of the bands that pictures are of: those that are named as the colors, or the third, second and first.
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
