//! Model configurations as files: open_clip's and Hugging Face's, told apart by their keys.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::config::{ClipConfig, VisionConfig, VitPool};
use super::{hugging_face, open_clip};
use crate::{Error, Interpolation, Preprocessing, ResizeMode, Result};

/// Bytes that a configuration may have; real ones have a few thousand.
const MOST_BYTES: u64 = 1 << 20;

/// What a configuration file says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelFile {
    pub(crate) config: ClipConfig,
    pub(crate) preprocessing: PreprocessingFile,
}

/// How images are prepared, in open_clip's terms; what a file does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct PreprocessingFile {
    pub(crate) mean: Option<[f32; 3]>,
    pub(crate) std: Option<[f32; 3]>,
    pub(crate) interpolation: Option<Interpolation>,
    pub(crate) resize_mode: Option<ResizeMode>,
    /// The gray level beside an image that is fitted by its longer side.
    pub(crate) fill_color: Option<u8>,
}

impl PreprocessingFile {
    /// How images are prepared; where the file is silent, as the architecture's publishers do it.
    pub(crate) fn resolve(&self, config: &ClipConfig) -> Preprocessing {
        let siglip = matches!(config.vision, VisionConfig::Vit(vit) if vit.pool == VitPool::Attention);
        let size = config.image_size();
        let usual = if siglip { Preprocessing::siglip(size) } else { Preprocessing::openai(size) };
        Preprocessing {
            size,
            mean: self.mean.unwrap_or(usual.mean),
            std: self.std.unwrap_or(usual.std),
            resize_mode: self.resize_mode.unwrap_or(usual.resize_mode),
            interpolation: self.interpolation.unwrap_or(usual.interpolation),
            fill: self.fill_color.unwrap_or(usual.fill),
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
            return Ok(Self { config: model.config()?, preprocessing });
        }
        let preprocessing = match value.get_mut("preprocess_cfg").map(Value::take) {
            Some(preprocessing) => serde_json::from_value(preprocessing).map_err(unreadable)?,
            None => PreprocessingFile::default(),
        };
        let model = value.get_mut("model_cfg").map(Value::take).unwrap_or(value);
        let model: open_clip::Model = serde_json::from_value(model).map_err(unreadable)?;
        Ok(Self { config: model.config()?, preprocessing })
    }
}

/// The content of a JSON file, or `None` if there is no such file.
fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let failed = |source| Error::Io { path: path.into(), source };
    let length = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    if length > MOST_BYTES {
        return Err(failed(std::io::Error::other("a configuration of more than 1 MiB")));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::Config { path: path.into(), source })
}
