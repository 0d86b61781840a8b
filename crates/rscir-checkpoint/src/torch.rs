//! Reads the pickles of `torch.save` and `torch.jit.save`: tensors are calls of a rebuild function on a
//! persistent storage.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rscir_pickle::{Pickle, Reader, Value, numpy};

use crate::error::{Error, Result};
use crate::format::Format;
use crate::mapped::MappedFile;
use crate::rebuild::{Call, rebuild_args};
use crate::state_dict::{NoChoice, StateDicts};
use crate::tensors::{ChosenState, Contents, MAX_NAME_BYTES, MAX_TENSORS, Storage, Tensor, View};
use crate::zip;

/// Globals that tensors are made of, and inert ones that checkpoints contain beside them. None is ever
/// called.
const GLOBALS: &[&str] = &[
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._tensor._rebuild_from_type_v2",
    "torch.Tensor",
    "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer",
    "torch.DoubleStorage",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.BFloat16Storage",
    "torch.LongStorage",
    "torch.IntStorage",
    "torch.ShortStorage",
    "torch.CharStorage",
    "torch.ByteStorage",
    "torch.BoolStorage",
    // TorchScript: the types of modules, and its typed lists.
    "__torch__.*",
    "torch.jit._pickle.*",
    // Values beside the weights: arguments, counters, devices, element types.
    "__builtin__.set",
    "builtins.set",
    "argparse.Namespace",
    "collections.Counter",
    "collections.defaultdict",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib._local.PosixPath",
    "torch.Size",
    "torch.device",
    "torch.bfloat16",
    "torch.float16",
    "torch.float32",
    "torch.float64",
    "torch.int64",
    "torch.serialization._get_layout",
    "torch.torch_version.TorchVersion",
];

/// Greatest depth of nested modules in a TorchScript archive. Those of a CLIP are six deep.
const MAX_MODULE_DEPTH: usize = 64;

/// Limit of the memory of a checkpoint's pickle in bytes, as counted: fifty times that of a large CLIP.
const PICKLE_MEMORY: usize = 32 << 20;

/// Reads the pickle at the beginning of `bytes`.
pub(crate) fn unpickle<'b>(file: &MappedFile, bytes: &'b [u8], part: &'static str) -> Result<Pickle<'b>> {
    Reader::new()
        .allow(GLOBALS)
        .allow(numpy::GLOBALS)
        .memory_limit(PICKLE_MEMORY)
        .read(bytes)
        .map_err(|source| Error::Pickle { path: file.path().to_owned(), part, source })
}

/// Reads a zip archive of `torch.save` or `torch.jit.save`.
pub(crate) fn read_zip(file: &MappedFile, wanted: Option<&str>) -> Result<Contents> {
    let wrong = |problem| Error::Torch { path: file.path().to_owned(), problem };
    let archive = zip::Archive::read(file)?;
    // All records lie in one folder, which is named after the file that was saved.
    let mut roots =
        archive.names().filter_map(|name| name.strip_suffix("/data.pkl")).filter(|root| !root.contains('/'));
    let root = match (roots.next(), roots.next()) {
        (Some(root), None) => root,
        (Some(_), Some(_)) => return Err(wrong("it has more than one data.pkl")),
        (None, _)
            if archive
                .names()
                .any(|name| [".pt", ".bin", ".safetensors"].iter().any(|end| name.ends_with(end))) =>
        {
            return Err(wrong("it is an archive that holds a checkpoint: unpack it and open what is inside"));
        }
        (None, _) => return Err(wrong("it is a zip archive without data.pkl, so not PyTorch's")),
    };
    let byte_order = format!("{root}/byteorder");
    if archive.names().any(|name| name == byte_order) && archive.content(&byte_order)? != b"little" {
        return Err(wrong("it was saved on a big-endian machine; save it again on a little-endian one"));
    }

    let pickle = unpickle(file, archive.content(&format!("{root}/data.pkl"))?, "data.pkl")?;
    let mut storages = Vec::new();
    let mut by_key = BTreeMap::new();
    let (state, tensors) = collect(file, &pickle, wanted, |key| {
        if let Some(&found) = by_key.get(key) {
            return Ok(found);
        }
        let name = format!("{root}/data/{key}");
        let zip::Entry { start, length, crc, .. } = archive.stored(&name)?;
        let checksum = crc.map(|crc| (name, crc));
        storages.push(Storage { file: 0, start, length, checksum, checked: OnceLock::new() });
        by_key.insert(key.to_owned(), (storages.len() - 1, length));
        Ok((storages.len() - 1, length))
    })?;
    let code = format!("{root}/code/");
    let script = archive.names().any(|name| name.starts_with(&code));
    let format = if script { Format::TorchScript } else { Format::TorchZip };
    Ok(Contents { format, storages, tensors, state })
}

/// Collects all tensors of a state dict (the requested one, if there are several) or TorchScript module in a
/// pickle, and the keys of its state dicts. `storage` returns the index and the length in bytes of the
/// storage with a key.
pub(crate) fn collect(
    file: &MappedFile,
    pickle: &Pickle<'_>,
    wanted: Option<&str>,
    mut storage: impl FnMut(&str) -> Result<(usize, usize)>,
) -> Result<(ChosenState, BTreeMap<String, Tensor>)> {
    let mut tensors = BTreeMap::new();
    let mut state = ChosenState::default();
    let mut insert = |name: &str, value: Value<'_>| {
        let Some(args) = rebuild_args(value) else { return Ok(()) };
        let layout = |problem| {
            let tensor = name.chars().take(MAX_NAME_BYTES).collect();
            Error::TensorLayout { path: file.path().to_owned(), tensor, problem }
        };
        if name.len() > MAX_NAME_BYTES || tensors.len() >= MAX_TENSORS {
            return Err(layout("has too long a name, or there are too many tensors"));
        }
        let call = Call::of(args).map_err(layout)?;
        let (index, length) = storage(call.key)?;
        let size = call.dtype.size();
        // torch writes a storage as a whole, so one that is shorter than declared was cut.
        if call.declared.checked_mul(size).is_none_or(|declared| declared > length) {
            return Err(layout("has a storage that is shorter than declared"));
        }
        let view =
            View::new(index, length / size, call.offset, call.shape.clone(), call.strides).map_err(layout)?;
        let tensor = Tensor { dtype: call.dtype, shape: call.shape, parts: vec![view] };
        match tensors.insert(name.to_owned(), tensor) {
            None => Ok(()),
            Some(_) => Err(layout("occurs twice")),
        }
    };

    let root = pickle.root();
    let wrong = |problem| Error::Torch { path: file.path().to_owned(), problem };
    if is_module(root) {
        let mut open = vec![(String::new(), root, 0)];
        let mut attributes = 0;
        while let Some((prefix, module, depth)) = open.pop() {
            let state = module.as_object().and_then(|object| object.state()).and_then(Value::as_entries);
            for (name, value) in state.iter().flat_map(|state| state.iter()) {
                let Some(name) = name.as_str() else { continue };
                // Modules may be shared, so that a small file can describe a tree without end.
                attributes += 1;
                if attributes > MAX_TENSORS
                    || depth > MAX_MODULE_DEPTH
                    || prefix.len() + name.len() > MAX_NAME_BYTES
                {
                    return Err(wrong("its modules are too many, nested too deeply, or have too long names"));
                }
                let name = format!("{prefix}{name}");
                if is_module(value) {
                    open.push((format!("{name}."), value, depth + 1));
                } else {
                    insert(&name, value)?;
                }
            }
        }
    } else {
        let found = StateDicts::of(root);
        let (place, entries) = found.choose(wanted).map_err(|reason| match reason {
            NoChoice::None => {
                wrong("it holds no state dict, neither by itself nor under state_dict, model_state_dict, model or ema")
            }
            NoChoice::Several => Error::StateDict {
                path: file.path().to_owned(),
                wanted: wanted.map(str::to_owned),
                found: found.places(),
            },
        })?;
        state = ChosenState {
            is_default: found.choose(None).is_ok_and(|(default, _)| default == place),
            taken: Some(place.to_owned()).filter(|place| !place.is_empty()),
            found: found.places().into_iter().filter(|place| !place.is_empty()).collect(),
        };
        for (name, value) in entries.iter() {
            if let Some(name) = name.as_str() {
                insert(name, value)?;
            }
        }
    }
    Ok((state, tensors))
}

fn is_module(value: Value<'_>) -> bool {
    value.as_object().is_some_and(|object| object.name().module.starts_with("__torch__"))
}
