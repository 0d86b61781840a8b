//! The format that `torch.save` wrote before PyTorch 1.6, and still writes on request. It is a sequence of
//! pickles (a magic number, a version, the byte order, the objects, the keys of the storages), followed by
//! the storages.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::mapped::MappedFile;
use crate::rebuild::storage_id;
use crate::tensors::{Contents, Storage};
use crate::torch;

/// The pickle of `0x1950a86a20f9469cfc6c`, which is `MAGIC_NUMBER` in torch/serialization.py.
pub(crate) const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// `PROTOCOL_VERSION` in torch/serialization.py.
const VERSION: i64 = 1001;

pub(crate) fn read(file: &MappedFile, wanted: Option<&str>) -> Result<Contents> {
    let wrong = |problem| Error::Torch { path: file.path().to_owned(), problem };
    let bytes = file.bytes();
    let mut position = MAGIC.len();
    let mut next = |part| {
        let pickle = torch::unpickle(file, bytes.get(position..).unwrap_or_default(), part)?;
        position += pickle.consumed();
        Ok::<_, Error>((pickle, position))
    };
    let (version, _) = next("the format's version")?;
    if version.root().as_i64() != Some(VERSION) {
        return Err(wrong(
            "it has an unknown version of the legacy format; save it again with a newer PyTorch",
        ));
    }
    let (system, _) = next("the system's description")?;
    if system.root().get("little_endian").and_then(|value| value.as_bool()) != Some(true) {
        return Err(wrong("it was saved on a big-endian machine; save it again on a little-endian one"));
    }
    let (objects, _) = next("the saved object")?;
    let (keys, mut position) = next("the list of storages")?;

    // What the objects say about each storage. Several tensors may share one.
    let mut declared: BTreeMap<&str, (Dtype, usize)> = BTreeMap::new();
    for id in objects.persistent_ids() {
        let (dtype, key, elements) = storage_id(id).map_err(|_| wrong("it has a malformed storage"))?;
        if *declared.entry(key).or_insert((dtype, elements)) != (dtype, elements) {
            return Err(wrong("it describes one storage in two ways"));
        }
    }

    let mut storages = Vec::new();
    let mut by_key = BTreeMap::new();
    let keys = keys.root().as_items().ok_or_else(|| wrong("its list of storages is malformed"))?;
    for key in keys.iter() {
        let key = key.as_str().ok_or_else(|| wrong("its list of storages is malformed"))?;
        let &(dtype, elements) =
            declared.get(key).ok_or_else(|| wrong("it has a storage that no tensor uses"))?;
        let count =
            bytes.get(position..).and_then(|rest| rest.first_chunk()).map(|&count| u64::from_le_bytes(count));
        if count != Some(elements as u64) {
            return Err(wrong("a storage has another length than its tensors say"));
        }
        let start = position + size_of::<u64>();
        let length = elements.checked_mul(dtype.size());
        let end = length.and_then(|length| start.checked_add(length)).filter(|&end| end <= bytes.len());
        let end = end.ok_or_else(|| wrong("a storage reaches beyond the end: the file is truncated"))?;
        let storage =
            Storage { file: 0, start, length: end - start, checksum: None, checked: OnceLock::new() };
        if by_key.insert(key, (storages.len(), storage.length)).is_some() {
            return Err(wrong("it has a storage twice"));
        }
        storages.push(storage);
        position = end;
    }
    let (state, tensors) = torch::collect(file, &objects, wanted, |key| {
        by_key.get(key).copied().ok_or_else(|| wrong("a tensor's storage is missing"))
    })?;
    Ok(Contents { format: Format::TorchLegacy, storages, tensors, state })
}
