//! Scenes in formats that are decoded whole: JPEG, PNG, WebP and BMP with a world file beside them.

use std::path::Path;

use rscir_core::RgbImage;
use rscir_images::tiff::Window;
use rscir_images::{DecodeLimits, Decoding, ImageProblem, decode_file};

use super::SceneWindow;
use super::bands::BandProblem;
use crate::{Error, Result};

/// Number of bands of a decoded image.
const BANDS: usize = 3;

/// A decoded image, with its bands in use and no-data value.
#[derive(Debug, Clone)]
pub(super) struct Decoded {
    image: RgbImage,
    /// The channels that become red, green and blue.
    bands: [usize; BANDS],
    /// The value that stands for no measurement.
    no_data: Option<f64>,
}

impl Decoded {
    pub(super) fn open(path: &Path, bands: Option<&[usize]>, no_data: Option<f64>) -> Result<Self> {
        if let Some(bands) = bands.filter(|bands| bands.len() > BANDS) {
            let problem = BandProblem::NoBand { band: bands.len() - 1, bands: BANDS };
            return Err(Error::Bands { path: path.into(), problem });
        }
        let bands = match bands {
            None => [0, 1, 2],
            Some(&[red, green, blue]) => [red, green, blue],
            Some(bands) => [bands.first().copied().unwrap_or(0); BANDS],
        };
        if let Some(&band) = bands.iter().find(|band| **band >= BANDS) {
            let problem = BandProblem::NoBand { band, bands: BANDS };
            return Err(Error::Bands { path: path.into(), problem });
        }
        let image = decode_file(path, &Decoding::default(), &DecodeLimits::default())?;
        Ok(Self { image, bands, no_data })
    }

    pub(super) fn size(&self) -> [usize; 2] {
        [self.image.width, self.image.height]
    }

    pub(super) fn bands(&self) -> [usize; BANDS] {
        self.bands
    }

    pub(super) fn no_data(&self) -> Option<f64> {
        self.no_data
    }

    pub(super) fn read(&self, window: Window) -> Result<SceneWindow> {
        let Window { x, y, width, height } = window;
        let [all_width, all_height] = self.size();
        let fits = |start: usize, length: usize, side: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= side)
        };
        if !fits(x, width, all_width) || !fits(y, height, all_height) {
            let problem = ImageProblem::Window { window, width: all_width, height: all_height };
            return Err(Error::Images(problem.into()));
        }
        let mut data = Vec::with_capacity(width * height * BANDS);
        let mut valid = 0_usize;
        for row in self.image.data.chunks_exact(all_width * BANDS).skip(y).take(height) {
            for pixel in row.chunks_exact(BANDS).skip(x).take(width) {
                let pixel = self.bands.map(|band| pixel[band]);
                let is_valid =
                    self.no_data.is_none_or(|no_data| pixel.iter().any(|byte| f64::from(*byte) != no_data));
                valid += usize::from(is_valid);
                data.extend(if is_valid { pixel } else { [0; BANDS] });
            }
        }
        let valid = valid as f64 / (width * height) as f64;
        Ok(SceneWindow { image: RgbImage { width, height, data }, valid })
    }
}
