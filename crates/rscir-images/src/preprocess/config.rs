use std::fmt;

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

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |key: &str, got: String, expected| {
            Err(Error::ConfigValue { key: format!("preprocess_cfg.{key}"), got, expected })
        };
        if !(1..=MAX_PIXELS_PER_SIDE).contains(&self.size) {
            return refuse("size", self.size.to_string(), "1 to 8192");
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
        let Self { size, mean, std, resize_mode, interpolation, fill } = self;
        write!(f, "size={size} resize={resize_mode} interpolation={interpolation}")?;
        if *resize_mode == ResizeMode::Longest {
            write!(f, " fill={fill}")?;
        }
        write!(f, " mean={mean:?} std={std:?}")
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
