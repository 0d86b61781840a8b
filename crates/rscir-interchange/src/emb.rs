//! What a file's metadata say of the encoder.

use std::path::Path;

use rscir_core::EncoderSpec;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::parquet_file::ParquetFile;
use crate::{Error, Result};

/// Where our own files have the encoder.
const ENCODER: &str = "rscir.encoder";

/// Where files of geospatial embeddings have it.
const EMB: &str = "emb";

pub(crate) fn parse<T: DeserializeOwned>(path: &Path, name: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| Error::Json { path: path.into(), name, source })
}

/// The encoder of vectors of width `dim`, as far as a file says.
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
    // Where the file is ours, the configuration is the whole record.
    if let Some(Ok(spec)) = model.get("config").map(|config| serde_json::from_value(config.clone())) {
        return width(&spec).map(|()| spec);
    }
    let name =
        ["id", "name"].iter().find_map(|name| model.get(name)?.as_str().filter(|text| !text.is_empty()));
    Ok(EncoderSpec { model: name.map(String::from), ..unknown })
}
