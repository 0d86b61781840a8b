//! The encoder, as a file's metadata record it.

use std::path::Path;

use rscir_core::EncoderSpec;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::parquet_file::ParquetFile;
use crate::{Error, Result};

/// Name of the metadata with the encoder's spec in Parquet files of this project.
const ENCODER: &str = "rscir.encoder";

/// Name of the metadata with the encoder in files of geospatial embeddings, such as Earth Index's.
const EMB: &str = "emb";

/// Parses the metadata `name` of a file, which are JSON.
///
/// # Errors
/// [`Error::Json`] if they are no JSON, or JSON of another form.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, name: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| Error::Json { path: path.into(), name, source })
}

/// Returns the spec of the encoder of vectors of width `dim`, with the fields that a file's metadata record.
pub(crate) fn spec(file: &ParquetFile, dim: usize) -> Result<EncoderSpec> {
    let width = |spec: &EncoderSpec| match spec.dim == dim {
        true => Ok(()),
        false => Err(Error::Width { path: file.path().into(), row: 0, expected: spec.dim, got: dim }),
    };
    if let Some(text) = file.note(ENCODER) {
        let spec: EncoderSpec = parse(file.path(), ENCODER, text)?;
        return width(&spec).map(|()| spec);
    }
    let unknown = EncoderSpec::unknown(dim);
    let Some(text) = file.note(EMB) else { return Ok(unknown) };
    let emb: Json = parse(file.path(), EMB, text)?;
    let Some(model) = emb.get("model") else { return Ok(unknown) };
    // In a file that this crate wrote, the configuration is the whole spec.
    if let Some(Ok(spec)) = model.get("config").map(|config| serde_json::from_value(config.clone())) {
        return width(&spec).map(|()| spec);
    }
    let name =
        ["id", "name"].iter().find_map(|name| model.get(name)?.as_str().filter(|text| !text.is_empty()));
    Ok(EncoderSpec { model: name.map(String::from), ..unknown })
}
