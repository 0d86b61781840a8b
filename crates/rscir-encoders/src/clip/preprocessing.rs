use serde::Deserialize;

use super::config::{ClipConfig, VisionConfig, VitPool};
use crate::{Interpolation, Preprocessing, ResizeMode};

/// open_clip's `preprocess_cfg`; the size is the tower's.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PreprocessingFile {
    pub(super) mean: Option<[f32; 3]>,
    pub(super) std: Option<[f32; 3]>,
    pub(super) interpolation: Option<Interpolation>,
    pub(super) resize_mode: Option<ResizeMode>,
    pub(super) fill_color: Option<u8>,
}

impl PreprocessingFile {
    /// Where the file is silent, images are prepared as the architecture's publishers do.
    pub(super) fn complete(self, config: &ClipConfig) -> Preprocessing {
        let size = config.image_size();
        let published = match config.vision {
            VisionConfig::Vit(vit) if vit.rotary => Preprocessing::perception(size),
            VisionConfig::Vit(vit) if matches!(vit.pool, VitPool::Attention(_)) => {
                Preprocessing::siglip(size)
            }
            _ => Preprocessing::openai(size),
        };
        Preprocessing {
            size,
            mean: self.mean.unwrap_or(published.mean),
            std: self.std.unwrap_or(published.std),
            resize_mode: self.resize_mode.unwrap_or(published.resize_mode),
            interpolation: self.interpolation.unwrap_or(published.interpolation),
            fill: self.fill_color.unwrap_or(published.fill),
        }
    }
}
