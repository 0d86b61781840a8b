use rscir_images::{BandScale, BandValues};
use serde::Deserialize;

use super::config::{COLORS, ClipConfig, VisionConfig, VitPool};
use crate::error::refuse;
use crate::{Interpolation, Preprocessing, ResizeMode, Result};

/// Preprocessing in a configuration: open_clip's `preprocess_cfg`, without the size, which is that of the tower.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PreprocessingFile {
    pub(super) mean: Option<Vec<f32>>,
    pub(super) std: Option<Vec<f32>>,
    pub(super) interpolation: Option<Interpolation>,
    pub(super) resize_mode: Option<ResizeMode>,
    pub(super) fill_color: Option<u8>,
    /// Kind of the values of bands: a key of this crate, for images of bands.
    pub(super) values: Option<Values>,
}

/// Kind of the values of bands that mean and deviation are given for.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Values {
    Levels,
    Measured,
}

impl PreprocessingFile {
    /// Completes the preprocessing of a configuration. Missing keys have the values that the publishers of the
    /// architecture use.
    ///
    /// # Errors
    /// [`Error::ConfigValue`](crate::Error::ConfigValue) if mean or deviation do not have a number for each channel,
    /// or if the kind, mean or deviation of bands is missing.
    pub(super) fn complete(self, config: &ClipConfig) -> Result<Preprocessing> {
        let size = config.image_size();
        let published = match config.vision {
            VisionConfig::Vit(vit) if vit.rotary => Preprocessing::perception(size),
            VisionConfig::Vit(vit) if matches!(vit.pool, VitPool::Attention(_)) => {
                Preprocessing::siglip(size)
            }
            _ => Preprocessing::openai(size),
        };
        let common = Preprocessing {
            resize_mode: self.resize_mode.unwrap_or(published.resize_mode),
            interpolation: self.interpolation.unwrap_or(published.interpolation),
            fill: self.fill_color.unwrap_or(published.fill),
            ..published
        };
        let channels = config.channels();
        let numbers = |key: &str, list: Option<Vec<f32>>| match list {
            Some(list) if list.len() != channels => {
                refuse(&format!("preprocess_cfg.{key}"), format!("{list:?}"), "a number for each channel")
            }
            list => Ok(list),
        };
        let (mean, std) = (numbers("mean", self.mean)?, numbers("std", self.std)?);
        match (self.values, mean, std) {
            (None | Some(Values::Levels), mean, std) if channels == COLORS => {
                let three =
                    |list: Option<Vec<f32>>| list.and_then(|list| <[f32; COLORS]>::try_from(list).ok());
                let mean = three(mean).unwrap_or(common.mean);
                Ok(Preprocessing { mean, std: three(std).unwrap_or(common.std), ..common })
            }
            (Some(values), Some(mean), Some(std)) => {
                let values = match values {
                    Values::Levels => BandValues::Levels,
                    Values::Measured => BandValues::Measured,
                };
                Ok(Preprocessing { bands: Some(BandScale { values, mean, std }), ..common })
            }
            (values, ..) => refuse(
                "preprocess_cfg.values",
                format!("{values:?}, of {channels} channels"),
                "\"measured\" or \"levels\", beside mean and std",
            ),
        }
    }
}
