//! Configuration files of open_clip and of Hugging Face. They are told apart by their keys.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::config::ClipConfig;
use super::preprocessing::PreprocessingFile;
use super::{hugging_face, open_clip};
use crate::{Error, Preprocessing, Result, reading};

/// Largest number of bytes of a configuration. Real ones have a few thousand.
const MAX_BYTES: u64 = 1 << 20;

/// Content of a configuration file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelFile {
    pub(crate) config: ClipConfig,
    pub(crate) preprocessing: Preprocessing,
}

impl ModelFile {
    /// Reads a configuration of open_clip (whole, or its `model_cfg` alone) or of Hugging Face. For the latter, reads
    /// also the `preprocessor_config.json` beside it if there is one.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::File`] if a file cannot be read, [`Error::Config`] if it is not JSON of the expected
    /// form, [`Error::ConfigValue`] if a value is impossible or not supported.
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
            return Ok(Self { config, preprocessing: preprocessing.complete(&config)? });
        }
        let preprocessing: PreprocessingFile = match value.get_mut("preprocess_cfg").map(Value::take) {
            Some(preprocessing) => serde_json::from_value(preprocessing).map_err(unreadable)?,
            None => PreprocessingFile::default(),
        };
        let model = value.get_mut("model_cfg").map(Value::take).unwrap_or(value);
        let model: open_clip::Model = serde_json::from_value(model).map_err(unreadable)?;
        let config = model.config()?;
        Ok(Self { config, preprocessing: preprocessing.complete(&config)? })
    }
}

/// Reads a JSON file. Returns `None` if there is no such file.
fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let Some(bytes) = reading::read_if_there(path, MAX_BYTES)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::Config { path: path.into(), source })
}
