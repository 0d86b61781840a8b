use std::collections::BTreeMap;
use std::sync::OnceLock;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype as Stored;

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::mapped::MappedFile;
use crate::tensors::{
    ChosenState, Contents, MAX_DIMENSIONS, MAX_NAME_BYTES, MAX_TENSORS, Storage, Tensor, View, c_strides,
};

/// Greatest length of a header in bytes. The header of the largest CLIP has about a hundred thousand. Parsing
/// may take fifty times the memory of a header, and the format itself allows a hundred million bytes.
const MAX_HEADER_BYTES: u64 = 4 << 20;

/// Bytes before the header, which hold its length.
const PREFIX: usize = 8;

/// Reads the header of a safetensors file. The `safetensors` crate checks that tensors neither overlap nor
/// leave the file.
pub(crate) fn read(file: &MappedFile) -> Result<Contents> {
    let path = || file.path().to_owned();
    let bytes = file.bytes();
    if let Some(length) = bytes.first_chunk().map(|&length| u64::from_le_bytes(length))
        && length > MAX_HEADER_BYTES
    {
        return Err(Error::HeaderTooLong { path: path(), length, limit: MAX_HEADER_BYTES });
    }
    let (length, header) =
        SafeTensors::read_metadata(bytes).map_err(|source| Error::Safetensors { path: path(), source })?;
    let data = PREFIX + length;

    let mut storages = Vec::new();
    let mut tensors = BTreeMap::new();
    for (name, info) in header.tensors() {
        let layout = |problem| Error::TensorLayout { path: path(), tensor: name.clone(), problem };
        if name.len() > MAX_NAME_BYTES || storages.len() >= MAX_TENSORS || info.shape.len() > MAX_DIMENSIONS {
            return Err(layout("has too long a name or shape, or there are too many tensors"));
        }
        let dtype = dtype(info.dtype).ok_or_else(|| Error::TensorDtype {
            path: path(),
            tensor: name.clone(),
            dtype: format!("{:?}", info.dtype),
        })?;
        let (start, end) = info.data_offsets;
        let length = end.checked_sub(start).ok_or_else(|| layout("ends before it begins"))?;
        let storage =
            Storage { file: 0, start: data + start, length, checksum: None, checked: OnceLock::new() };
        let (shape, room) = (info.shape.clone(), length / dtype.size());
        let view = View::new(storages.len(), room, 0, shape.clone(), c_strides(&shape)).map_err(layout)?;
        storages.push(storage);
        tensors.insert(name, Tensor { dtype, shape, parts: vec![view] });
    }
    let state = ChosenState::default();
    Ok(Contents { format: Format::Safetensors, storages, tensors, state })
}

fn dtype(stored: Stored) -> Option<Dtype> {
    Some(match stored {
        Stored::F64 => Dtype::F64,
        Stored::F32 => Dtype::F32,
        Stored::F16 => Dtype::F16,
        Stored::BF16 => Dtype::Bf16,
        Stored::I64 => Dtype::I64,
        Stored::I32 => Dtype::I32,
        Stored::I16 => Dtype::I16,
        Stored::I8 => Dtype::I8,
        Stored::U8 => Dtype::U8,
        Stored::BOOL => Dtype::Bool,
        _ => return None,
    })
}
