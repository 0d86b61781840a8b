use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::Deserialize;

use crate::detect;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::mapped::MappedFile;
use crate::tensors::{Contents, MAX_TENSORS};

/// The part of a `*.index.json` that is used: the file of each tensor.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Greatest number of shards of a checkpoint. The largest published models have fewer than two hundred.
const MAX_SHARDS: usize = 1024;

/// Greatest length of an index in bytes, for the same reasons as for a safetensors header.
const MAX_INDEX_BYTES: u64 = 4 << 20;

/// Reads an index and the shards beside it, of any format. Every tensor must be where the index says, and the
/// shards may hold no others.
pub(crate) fn read(index_file: &MappedFile) -> Result<(Vec<MappedFile>, Contents)> {
    let path = index_file.path();
    let length = index_file.bytes().len() as u64;
    if length > MAX_INDEX_BYTES {
        return Err(Error::HeaderTooLong { path: path.to_owned(), length, limit: MAX_INDEX_BYTES });
    }
    let index: Index = serde_json::from_slice(index_file.bytes())
        .map_err(|source| Error::ShardIndex { path: path.to_owned(), source })?;
    let folder = path.parent().unwrap_or(Path::new(""));

    let mut by_shard: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (tensor, shard) in &index.weight_map {
        by_shard.entry(shard).or_default().push(tensor);
    }
    let mut files = Vec::new();
    let (storages, tensors, state) = Default::default();
    let mut all = Contents { format: Format::Sharded, storages, tensors, state };
    for (shard, names) in by_shard {
        let wrong = |tensor: &str, problem| Error::Shard {
            path: path.to_owned(),
            tensor: tensor.into(),
            shard: shard.into(),
            problem,
        };
        let first = names.first().copied().unwrap_or_default();
        if !matches!(Path::new(shard).components().collect::<Vec<_>>()[..], [Component::Normal(_)]) {
            return Err(wrong(first, "shards must lie beside the index"));
        }
        if files.len() >= MAX_SHARDS || all.tensors.len() >= MAX_TENSORS {
            return Err(wrong(first, "there are too many shards or tensors"));
        }
        let file = MappedFile::open(&folder.join(shard))?;
        let Contents { storages, mut tensors, .. } = detect::read(&file, None)?;
        let base = all.storages.len();
        all.storages.extend(storages.into_iter().map(|storage| storage.of_file(files.len())));
        for name in names {
            let tensor = tensors.remove(name).ok_or_else(|| wrong(name, "it is not there"))?;
            all.tensors.insert(name.into(), tensor.of_storages_from(base));
        }
        if let Some(extra) = tensors.keys().next() {
            return Err(wrong(extra, "the index does not name it"));
        }
        files.push(file);
    }
    Ok((files, all))
}
