use std::fmt;

use rscir_core::{BandValues, Channels};
use serde::Deserialize;

use crate::{Error, Result};

/// Means of OpenAI's training images, red, green, blue (`OPENAI_DATASET_MEAN` of open_clip's constants.py).
const OPENAI_MEAN: [f32; 3] = [0.48145466, 0.4578275, 0.40821073];
/// Standard deviations of OpenAI's training images (`OPENAI_DATASET_STD` of the same file).
const OPENAI_STD: [f32; 3] = [0.26862954, 0.26130258, 0.27577711];
/// The longest side of an input in pixels. The largest published towers take 1,024.
const MAX_PIXELS_PER_SIDE: usize = 8192;

/// Describes how a decoded image becomes the input of an image tower: open_clip's `preprocess_cfg`.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// Side of the square input in pixels.
    pub size: usize,
    /// Mean of red, green and blue on the scale 0 to 1. It is subtracted from the channels.
    pub mean: [f32; 3],
    /// Standard deviation of red, green and blue. The channels are divided by it after the subtraction.
    pub std: [f32; 3],
    /// How an image that is not square is fitted to the square.
    pub resize_mode: ResizeMode,
    /// The resampling filter.
    pub interpolation: Interpolation,
    /// The gray level around an image that [`ResizeMode::Longest`] leaves smaller than the input.
    pub fill: u8,
    /// For images of bands, what their values are and how they are normalized. It replaces `mean` and `std`. `None`:
    /// images are red, green and blue.
    pub bands: Option<BandScale>,
}

/// Describes how the values of an image's bands are normalized.
#[derive(Debug, Clone, PartialEq)]
pub struct BandScale {
    /// The kind of values: levels, or values as measured.
    pub values: BandValues,
    /// Mean of each band, which is subtracted. It is on the scale 0 to 1 for levels, and on that of the values for
    /// values as measured.
    pub mean: Vec<f32>,
    /// Standard deviation of each band, by which values are divided after the subtraction.
    pub std: Vec<f32>,
}

/// The way in which an image of any shape is fitted to a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeMode {
    /// The shorter side gets the square's length, and the middle of the longer one is kept, as CLIP does. Default.
    #[default]
    Shortest,
    /// The longer side gets the square's length, and the rest of the square is filled.
    Longest,
    /// Both sides get the square's length, as SigLIP does.
    Squash,
}

/// A resampling filter of Pillow. When an image shrinks, the filter is widened by the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Keys' cubic convolution with a = -0.5. It is also what open_clip's `random` means at evaluation. Default.
    #[default]
    #[serde(alias = "random")]
    Bicubic,
    /// The triangle filter.
    Bilinear,
}

impl Preprocessing {
    /// Returns the default of open_clip for an input of `size` pixels a side: OpenAI's mean and deviation,
    /// [`ResizeMode::Shortest`], bicubic.
    pub fn openai(size: usize) -> Self {
        Self {
            size,
            mean: OPENAI_MEAN,
            std: OPENAI_STD,
            resize_mode: ResizeMode::Shortest,
            interpolation: Interpolation::Bicubic,
            fill: 0,
            bands: None,
        }
    }

    /// Returns the preprocessing of SigLIP and SigLIP2 in open_clip: mean and deviation 0.5, [`ResizeMode::Squash`],
    /// bicubic.
    pub fn siglip(size: usize) -> Self {
        Self { mean: [0.5; 3], std: [0.5; 3], resize_mode: ResizeMode::Squash, ..Self::openai(size) }
    }

    /// Returns the preprocessing of Perception Encoder: mean and deviation 0.5, [`ResizeMode::Squash`], bilinear
    /// (`_pecfg` of open_clip's pretrained.py).
    pub fn perception(size: usize) -> Self {
        Self { interpolation: Interpolation::Bilinear, ..Self::siglip(size) }
    }

    /// Returns the channels of images that are prepared: red, green and blue, or bands.
    pub fn channels(&self) -> Channels {
        match &self.bands {
            Some(scale) => Channels::Bands { count: scale.mean.len(), values: scale.values },
            None => Channels::Rgb,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |key: &str, got: String, expected| {
            Err(Error::ConfigValue { key: format!("preprocess_cfg.{key}"), got, expected })
        };
        if !(1..=MAX_PIXELS_PER_SIDE).contains(&self.size) {
            return refuse("size", self.size.to_string(), "1 to 8192");
        }
        if let Some(BandScale { mean, std, .. }) = &self.bands {
            if mean.is_empty() || mean.len() != std.len() {
                let got = format!("of {} bands, and std of {}", mean.len(), std.len());
                return refuse("mean", got, "of as many bands as std, one at the least");
            }
            if !mean.iter().all(|mean| mean.is_finite()) {
                return refuse("mean", format!("{mean:?}"), "finite numbers");
            }
            if !std.iter().all(|std| std.is_normal() && *std > 0.0) {
                return refuse("std", format!("{std:?}"), "positive numbers");
            }
        }
        if !self.mean.iter().all(|mean| mean.is_finite()) {
            return refuse("mean", format!("{:?}", self.mean), "three finite numbers");
        }
        if !self.std.iter().all(|std| std.is_normal() && *std > 0.0) {
            return refuse("std", format!("{:?}", self.std), "three positive numbers");
        }
        Ok(())
    }
}

/// Writes one line for [`rscir_core::EncoderSpec::preprocessing`]. Equal lines mean equal pixels.
impl fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, mean, std, resize_mode, interpolation, fill, bands } = self;
        write!(f, "size={size} resize={resize_mode} interpolation={interpolation}")?;
        if *resize_mode == ResizeMode::Longest {
            write!(f, " fill={fill}")?;
        }
        let Some(BandScale { values, mean, std }) = bands else {
            return write!(f, " mean={mean:?} std={std:?}");
        };
        let values = match values {
            BandValues::Measured => "measured",
            _ => "levels",
        };
        write!(f, " values={values} mean={mean:?} std={std:?}")
    }
}

impl fmt::Display for ResizeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shortest => "shortest",
            Self::Longest => "longest",
            Self::Squash => "squash",
        })
    }
}

impl fmt::Display for Interpolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bicubic => "bicubic",
            Self::Bilinear => "bilinear",
        })
    }
}
