use std::fmt;

use rscir_core::{BandValues, Channels};
use serde::Deserialize;

use crate::{Error, Result};

/// Means of OpenAI's training images, red, green, blue (`OPENAI_DATASET_MEAN` of open_clip's constants.py).
const OPENAI_MEAN: [f32; 3] = [0.48145466, 0.4578275, 0.40821073];
/// Their standard deviations (`OPENAI_DATASET_STD`).
const OPENAI_STD: [f32; 3] = [0.26862954, 0.26130258, 0.27577711];
/// Sides of inputs up to this are taken; the largest published towers take 1,024.
const MAX_PIXELS_PER_SIDE: usize = 8192;

/// How a decoded image becomes a tower's input: open_clip's `preprocess_cfg`.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// Side of the square input in pixels.
    pub size: usize,
    /// Subtracted from each channel, on the scale 0 to 1.
    pub mean: [f32; 3],
    /// Each channel's divisor after that.
    pub std: [f32; 3],
    /// What becomes of an image that is not square.
    pub resize_mode: ResizeMode,
    /// The resampling filter.
    pub interpolation: Interpolation,
    /// The gray level around an image that [`ResizeMode::Longest`] leaves smaller than the input.
    pub fill: u8,
    /// Of images of bands, what their values are and how they are normalized, in place of `mean` and `std`; `None` of colors.
    pub bands: Option<BandScale>,
}

/// How the values of an image's bands are normalized.
#[derive(Debug, Clone, PartialEq)]
pub struct BandScale {
    /// What the values are.
    pub values: BandValues,
    /// Subtracted from each band: on the scale 0 to 1 from levels, on their own from values as measured.
    pub mean: Vec<f32>,
    /// Each band's divisor after that.
    pub std: Vec<f32>,
}

/// How an image of any shape is fitted to a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeMode {
    /// The shorter side becomes the square's, and the middle is cut out: CLIP.
    #[default]
    Shortest,
    /// The longer side becomes the square's, and the rest is filled.
    Longest,
    /// Both sides become the square's: SigLIP.
    Squash,
}

/// A resampling filter of Pillow, stretched by the scale when it shrinks an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Keys' cubic convolution with a = -0.5. open_clip's `random` means this at evaluation.
    #[default]
    #[serde(alias = "random")]
    Bicubic,
    /// The triangle.
    Bilinear,
}

impl Preprocessing {
    /// OpenAI's mean and deviation, shortest side, bicubic: what open_clip does unless a configuration says otherwise.
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

    /// Mean and deviation 0.5, squashed, bicubic: SigLIP and SigLIP2 in open_clip.
    pub fn siglip(size: usize) -> Self {
        Self { mean: [0.5; 3], std: [0.5; 3], resize_mode: ResizeMode::Squash, ..Self::openai(size) }
    }

    /// Returns what Perception Encoder's publishers do: mean and deviation 0.5, squashed, bilinear (`_pecfg` of open_clip's
    /// pretrained.py).
    pub fn perception(size: usize) -> Self {
        Self { interpolation: Interpolation::Bilinear, ..Self::siglip(size) }
    }

    /// Returns what the images are made of.
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

/// One line for [`rscir_core::EncoderSpec::preprocessing`]: equal lines, equal pixels.
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
