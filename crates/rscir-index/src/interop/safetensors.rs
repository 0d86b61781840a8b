use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rscir_core::EncoderSpec;
use rscir_core::files::replace;
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensorError};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::input::{ByteOrder, Element, Input};
use super::output::write_values;
use super::{Features, KeyKind, normalized};
use crate::{Columns, Error, Result};

/// Name of the tensor that holds the embeddings.
const TENSOR: &str = "embeddings";

/// Largest header in bytes that readers of the format accept (safetensors, `MAX_HEADER_SIZE`).
const MAX_HEADER: u64 = 100_000_000;

pub(super) fn read(path: &Path) -> Result<Features> {
    let mut input = Input::open(path)?;
    let header = u64::from_le_bytes(input.array()?);
    if header > MAX_HEADER {
        return Err(Error::NotTheFormat { format: "safetensors" });
    }
    let header = input.bytes(header)?;
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|source| Error::Json { what: "header of the safetensors file", source })?;

    let tensor = header.info(TENSOR).ok_or_else(|| Error::MissingEntry {
        what: "tensor",
        name: TENSOR.into(),
        present: header.offset_keys().join(", "),
    })?;
    let element = match tensor.dtype {
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        other => return Err(Error::ElementType { got: format!("{other:?}"), known: "F16, BF16, F32, F64" }),
    };
    let [rows, dim] = tensor.shape[..] else {
        return Err(Error::NotAMatrix { shape: tensor.shape.clone() });
    };
    // Parsing the header has compared the shape with the offsets. The input compares the offsets with the file.
    let (begin, end) = (tensor.data_offsets.0 as u64, tensor.data_offsets.1 as u64);
    input.skip(begin)?;
    let values = input.values((rows * dim) as u64, element, ByteOrder::Little)?;
    input.skip(header.data_len() as u64 - end)?;
    input.end()?;

    let metadata = header.metadata().clone().unwrap_or_default();
    let (kind, keys) = match (json_entry(&metadata, "keys")?, json_entry(&metadata, "texts")?) {
        (Some(keys), _) => (KeyKind::Keys, keys),
        (None, Some(texts)) => (KeyKind::Texts, texts),
        (None, None) => {
            let mut present: Vec<_> = metadata.into_keys().collect();
            present.sort_unstable();
            return Err(Error::MissingEntry {
                what: "metadata entry",
                name: "keys or texts".into(),
                present: present.join(", "),
            });
        }
    };
    let embeddings = normalized(dim, values)?;
    let spec: EncoderSpec = json_entry(&metadata, "encoder")?.unwrap_or_else(|| EncoderSpec::unknown(dim));
    if spec.dim != dim {
        return Err(Error::Width { expected: spec.dim, got: dim });
    }
    let labels = json_entry(&metadata, "labels")?;
    Ok(Features { spec, kind, keys, labels, columns: Columns::new(rows), embeddings })
}

/// Reads an entry of the metadata, which holds JSON as a string; `None` if there is no such entry.
fn json_entry<T: DeserializeOwned>(
    metadata: &HashMap<String, String>,
    what: &'static str,
) -> Result<Option<T>> {
    let parse = |text: &String| serde_json::from_str(text).map_err(|source| Error::Json { what, source });
    metadata.get(what).map(parse).transpose()
}

pub(super) fn write(features: &Features, path: &Path) -> Result<()> {
    let embeddings = &features.embeddings;
    // Sorted by name, so that equal features give equal files.
    let mut metadata = BTreeMap::from([(features.kind.name(), json!(features.keys).to_string())]);
    if let Some(labels) = features.all_labels() {
        metadata.insert("labels", json!(labels).to_string());
    }
    if !features.spec.is_unknown() {
        metadata.insert("encoder", json!(features.spec).to_string());
    }
    let mut header = json!({
        "__metadata__": metadata,
        TENSOR: {
            "dtype": "F32",
            "shape": [embeddings.len(), embeddings.dim()],
            "data_offsets": [0, embeddings.as_slice().len() * 4],
        },
    })
    .to_string();
    // The format fills the header with spaces, so that the data are aligned to 8 bytes.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let length = header.len() as u64;
    if length > MAX_HEADER {
        return Err(Error::Safetensors { path: path.into(), source: SafeTensorError::HeaderTooLarge });
    }
    replace(path, |out| {
        out.write_all(&length.to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        write_values(out, embeddings.as_slice())
    })?;
    Ok(())
}
