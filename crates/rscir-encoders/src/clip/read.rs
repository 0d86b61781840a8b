//! Model configurations as files: open_clip's and Hugging Face's, told apart by their keys.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::config::{ClipConfig, VisionConfig, VitPool};
use super::{hugging_face, open_clip};
use crate::{Error, Interpolation, Preprocessing, ResizeMode, Result, reading};

/// Bytes that a configuration may have; real ones have a few thousand.
const MOST_BYTES: u64 = 1 << 20;

/// What a configuration file says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelFile {
    pub(crate) config: ClipConfig,
    pub(crate) preprocessing: Preprocessing,
}

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
    fn complete(self, config: &ClipConfig) -> Preprocessing {
        let siglip = matches!(config.vision, VisionConfig::Vit(vit) if vit.pool == VitPool::Attention);
        let size = config.image_size();
        let published = if siglip { Preprocessing::siglip(size) } else { Preprocessing::openai(size) };
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

impl ModelFile {
    /// Reads a configuration of open_clip (whole, or its `model_cfg` alone) or of Hugging Face, and for the latter the
    /// `preprocessor_config.json` beside it, if there is one.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let unreadable = |source| Error::Config { path: path.into(), source };
        let mut value: Value = read_json(path)?
            .ok_or_else(|| Error::Io { path: path.into(), source: std::io::ErrorKind::NotFound.into() })?;
        if value.get("text_config").is_some() || value.get("vision_config").is_some() {
            let model: hugging_face::Model = serde_json::from_value(value).map_err(unreadable)?;
            let beside = path.with_file_name("preprocessor_config.json");
            let preprocessing = match read_json::<hugging_face::Preprocessor>(&beside)? {
                Some(preprocessor) => preprocessor.preprocessing()?,
                None => PreprocessingFile::default(),
            };
            let config = model.config()?;
            return Ok(Self { config, preprocessing: preprocessing.complete(&config) });
        }
        let preprocessing: PreprocessingFile = match value.get_mut("preprocess_cfg").map(Value::take) {
            Some(preprocessing) => serde_json::from_value(preprocessing).map_err(unreadable)?,
            None => PreprocessingFile::default(),
        };
        let model = value.get_mut("model_cfg").map(Value::take).unwrap_or(value);
        let model: open_clip::Model = serde_json::from_value(model).map_err(unreadable)?;
        let config = model.config()?;
        Ok(Self { config, preprocessing: preprocessing.complete(&config) })
    }
}

/// The content of a JSON file, or `None` if there is no such file.
fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let Some(bytes) = reading::read_if_there(path, MOST_BYTES)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::Config { path: path.into(), source })
}
