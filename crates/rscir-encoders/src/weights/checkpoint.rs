use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::dtype::Dtype;
use super::loader::is_inert;
use super::mapped::{MappedFile, hexadecimal};
use super::{legacy, rename, safetensors, sharded, torch, zip};
use crate::error::{Error, Result};

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One safetensors file.
    Safetensors,
    /// A `*.index.json` that names the shards of a checkpoint.
    Sharded,
    /// What `torch.save` has written since PyTorch 1.6.
    TorchZip,
    /// What `torch.save` wrote before that.
    TorchLegacy,
    /// What `torch.jit.save` writes: weights and code. The code is not looked at.
    TorchScript,
}

/// Prefixes that training wrappers put before every name: `DataParallel`, Lightning's modules, `torch.compile`, FairScale,
/// modules that hold a CLIP, PEFT.
const WRAPPERS: [&str; 8] = [
    "module.",
    "model.",
    "_orig_mod.",
    "_forward_module.",
    "clip.",
    "clip_model.",
    "network.",
    "base_model.model.",
];

/// Tensors that a checkpoint may have; a whole training state of the largest CLIP has under ten thousand.
pub(super) const MOST_TENSORS: usize = 1 << 16;

/// Bytes that a tensor's name may have.
pub(super) const LONGEST_NAME: usize = 512;

/// Dimensions that a tensor may have: numpy 2 has the same limit (`NPY_MAXDIMS`).
pub(super) const MOST_DIMENSIONS: usize = 64;

/// Named tensors in a file (or several), read when they are asked for.
///
/// ```no_run
/// use rscir_encoders::Checkpoint;
///
/// let checkpoint = Checkpoint::open("RemoteCLIP-ViT-L-14.pt")?;
/// for name in checkpoint.names() {
///     println!("{name} {:?}", checkpoint.shape(name));
/// }
/// let scale = checkpoint.tensor_f32("logit_scale", &[])?;
/// # Ok::<(), rscir_encoders::Error>(())
/// ```
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    format: Format,
    files: Vec<MappedFile>,
    storages: Vec<Storage>,
    tensors: BTreeMap<String, Tensor>,
    state: ChosenState,
    sha256: OnceLock<String>,
}

/// The state dicts of a file that has them under keys, and the one that was taken.
#[derive(Debug, Default)]
pub(super) struct ChosenState {
    pub(super) taken: Option<String>,
    pub(super) found: Vec<String>,
    /// It is the one that is taken unless another is asked for.
    pub(super) is_default: bool,
}

/// A run of bytes in a file that tensors are views of.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) file: usize,
    pub(super) start: usize,
    pub(super) length: usize,
    /// The entry's name and checksum, where the format has one.
    pub(super) checksum: Option<(String, u32)>,
    pub(super) checked: OnceLock<()>,
}

/// A tensor: views of storages, one after the other along the first axis.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) parts: Vec<View>,
}

/// A strided view. Built by [`View::new`] alone, which makes sure that it lies in its storage.
#[derive(Clone, Debug)]
pub(super) struct View {
    storage: usize,
    /// In elements, as the strides are.
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl Storage {
    /// The same run of bytes, in another of several files.
    pub(super) fn of_file(mut self, file: usize) -> Self {
        self.file = file;
        self
    }
}

impl Tensor {
    /// The same tensor, its storages counted from `base` on.
    pub(super) fn of_storages_from(mut self, base: usize) -> Self {
        for part in &mut self.parts {
            part.storage += base;
        }
        self
    }

    /// Swaps the axes of a matrix that is one view.
    pub(super) fn transpose(&mut self) {
        self.shape.reverse();
        for part in &mut self.parts {
            part.shape.reverse();
            part.strides.reverse();
        }
    }
}

impl View {
    /// A view of a storage with room for `room` elements. Every element must lie in it, and there may be no more elements
    /// than the storage has, so that a view allocates no more than its file justifies.
    pub(super) fn new(
        storage: usize,
        room: usize,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> std::result::Result<Self, &'static str> {
        if shape.len() != strides.len() || shape.len() > MOST_DIMENSIONS {
            return Err("has a malformed shape");
        }
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        let count = count.filter(|&count| count <= room).ok_or("has more elements than its storage")?;
        let last = shape.iter().zip(&strides).try_fold(offset, |last, (&size, &stride)| {
            last.checked_add(size.saturating_sub(1).checked_mul(stride)?)
        });
        if count > 0 && last.is_none_or(|last| last >= room) {
            return Err("reaches beyond its storage");
        }
        // Nothing is read of a tensor without elements, wherever it claims to lie.
        Ok(Self { storage, offset: if count > 0 { offset } else { 0 }, shape, strides })
    }

    fn count(&self) -> usize {
        self.shape.iter().product()
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.count() == 0
            || self.shape.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
                let fits = size == 1 || stride == expected;
                expected *= size;
                fits
            })
    }
}

/// Strides of a tensor in C order. Sizes whose product overflows give strides that [`View::new`] refuses with the shape.
pub(super) fn c_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// What a format's reader finds.
pub(super) struct Contents {
    pub(super) format: Format,
    pub(super) storages: Vec<Storage>,
    pub(super) tensors: BTreeMap<String, Tensor>,
    pub(super) state: ChosenState,
}

impl Contents {
    /// Reads one file of any format but an index; `wanted` is the state dict to take.
    pub(super) fn of(file: &MappedFile, wanted: Option<&str>) -> Result<Self> {
        let bytes = file.bytes();
        let found = if bytes.starts_with(&zip::LOCAL) {
            return torch::read_zip(file, wanted);
        } else if bytes.starts_with(legacy::MAGIC) {
            return legacy::read(file, wanted);
        } else if bytes.get(8) == Some(&b'{') {
            return safetensors::read(file);
        } else if bytes.is_empty() {
            "it is empty"
        } else if bytes.starts_with(b"version https://git-lfs") {
            "it is a Git LFS pointer, the weights themselves were not fetched"
        } else if bytes.trim_ascii_start().starts_with(b"<") {
            "it is a web page, the download went wrong"
        } else {
            "its first bytes are those of no known format"
        };
        Err(Error::UnknownFormat { path: file.path().to_owned(), found })
    }
}

/// The tensors under names without a prefix, if all names that matter have it; nothing if one does not, or two would become
/// the same.
fn without_prefix(tensors: &BTreeMap<String, Tensor>, prefix: &str) -> Option<BTreeMap<String, Tensor>> {
    let unwrapped = |name: &str| name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(str::to_owned);
    let mut renamed = BTreeMap::new();
    let mut wrapped = false;
    for (name, tensor) in tensors {
        let new = unwrapped(name);
        wrapped |= new.is_some();
        let new = new.or_else(|| is_inert(name).then(|| name.clone()))?;
        if renamed.insert(new, tensor.clone()).is_some() {
            return None;
        }
    }
    wrapped.then_some(renamed)
}

impl Checkpoint {
    /// Opens a checkpoint, its format told by its content.
    ///
    /// Names are those of the model: a state dict may lie under `state_dict`, `model_state_dict` or `model`, or, where none
    /// lies there, under `ema`, `ema_state_dict`, `model_ema` and the like, with other tensors beside it; prefixes that all
    /// names share because the model was wrapped (`module.`, `model.`, `_orig_mod.`, `clip.` and more, also several) are
    /// taken off.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, asks for anything to be executed, or whose tensors do not lie in it;
    /// [`Error::StateDict`] if it holds several state dicts of which none is the obvious one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_chosen(path.as_ref(), None)
    }

    /// Opens a checkpoint as [`Checkpoint::open`] does, and takes the state dict under this key, such as `ema`. A key that
    /// lies under others may be given with them: `model.ema`.
    ///
    /// # Errors
    /// As [`Checkpoint::open`]; [`Error::StateDict`] if there is no such state dict.
    pub fn open_state_dict(path: impl AsRef<Path>, key: &str) -> Result<Self> {
        Self::open_chosen(path.as_ref(), Some(key))
    }

    pub(crate) fn open_chosen(path: &Path, wanted: Option<&str>) -> Result<Self> {
        let file = MappedFile::open(path)?;
        let opened = if file.bytes().trim_ascii_start().starts_with(b"{") {
            let (files, contents) = sharded::read(&file)?;
            Self::new(path, files, contents)
        } else {
            let contents = Contents::of(&file, wanted)?;
            Self::new(path, vec![file], contents)
        };
        match wanted {
            Some(wanted) if opened.state.taken.is_none() => {
                let found = opened.state.found;
                Err(Error::StateDict { path: path.to_owned(), wanted: Some(wanted.into()), found })
            }
            _ => Ok(opened),
        }
    }

    fn new(path: &Path, files: Vec<MappedFile>, contents: Contents) -> Self {
        let Contents { format, storages, mut tensors, state } = contents;
        while let Some(unwrapped) = WRAPPERS.iter().find_map(|prefix| without_prefix(&tensors, prefix)) {
            tensors = unwrapped;
        }
        Self { path: path.to_owned(), format, files, storages, tensors, state, sha256: OnceLock::new() }
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The key of the state dict that was taken, such as `model_state_dict`; `None` where the file is one itself.
    pub fn state_dict(&self) -> Option<&str> {
        self.state.taken.as_deref()
    }

    /// The keys of all state dicts in the file. Where there is more than one, [`Checkpoint::open_state_dict`] chooses.
    pub fn state_dicts(&self) -> &[String] {
        &self.state.found
    }

    /// The hash of the file, followed by the key of the state dict where that is not the one that is taken by default: equal
    /// lines, equal weights. It is [`EncoderSpec::weights_sha256`](rscir_core::EncoderSpec::weights_sha256).
    pub fn identity(&self) -> String {
        match &self.state.taken {
            Some(taken) if !self.state.is_default => format!("{}:{taken}", self.sha256()),
            _ => self.sha256().into(),
        }
    }

    /// The names of all tensors, in alphabetical order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of a name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor's shape.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| &tensor.shape[..])
    }

    /// A tensor's element type.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|tensor| tensor.dtype)
    }

    /// SHA-256 of the file in hexadecimal, computed once. Of a sharded checkpoint, that of the list of its shards as
    /// `sha256sum` prints it, in alphabetical order.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| match (&self.files[..], self.format) {
            (files, Format::Sharded) => {
                let lines = files.iter().map(|file| {
                    let name = file.path().file_name().unwrap_or_default().to_string_lossy();
                    format!("{}  {name}\n", file.sha256())
                });
                hexadecimal(Sha256::digest(lines.collect::<String>()).as_slice())
            }
            (files, _) => files.iter().map(MappedFile::sha256).collect(),
        })
    }

    /// Renames tensors as open_clip does, where they have the names of Hugging Face's `CLIPModel` or of open_clip's
    /// `CustomTextCLIP`; other names stay. Split projections (`q_proj`, `k_proj`, `v_proj`) become one (`in_proj`), and
    /// projections that are stored transposed are turned. No data is moved.
    #[must_use]
    pub fn open_clip_names(mut self) -> Self {
        self.tensors = rename::to_open_clip(self.tensors);
        self
    }

    /// Gives memory that holds what was read of the files back to the system.
    pub(super) fn release(&self) {
        self.files.iter().for_each(MappedFile::release);
    }

    /// A tensor's values as 32-bit floats in C order. They are borrowed from the mapped file where it holds them so;
    /// smaller types are widened exactly, f64 is rounded.
    ///
    /// # Errors
    /// No such tensor, another shape, or data whose checksum is wrong.
    pub fn tensor_f32(&self, name: &str, shape: &[usize]) -> Result<Cow<'_, [f32]>> {
        let no_tensor = || Error::NoTensor { path: self.path.clone(), tensor: name.into() };
        let tensor = self.tensors.get(name).ok_or_else(no_tensor)?;
        if tensor.shape != shape {
            return Err(Error::TensorShape {
                path: self.path.clone(),
                tensor: name.into(),
                dtype: tensor.dtype,
                expected: shape.to_vec(),
                got: tensor.shape.clone(),
            });
        }
        if let ([view], Dtype::F32) = (&tensor.parts[..], tensor.dtype)
            && view.is_contiguous()
            && cfg!(target_endian = "little")
            && let Ok(values) =
                bytemuck::try_cast_slice(self.run(view, view.offset, view.count(), tensor.dtype)?)
        {
            return Ok(Cow::Borrowed(values));
        }
        let mut values = Vec::with_capacity(tensor.parts.iter().map(View::count).sum());
        for view in &tensor.parts {
            self.gather(view, tensor.dtype, &mut values)?;
        }
        Ok(Cow::Owned(values))
    }

    /// Appends a view's elements in C order.
    fn gather(&self, view: &View, dtype: Dtype, values: &mut Vec<f32>) -> Result<()> {
        if view.is_contiguous() {
            dtype.widen(self.run(view, view.offset, view.count(), dtype)?, values);
            return Ok(());
        }
        let mut index = vec![0; view.shape.len()];
        let mut offset = view.offset;
        for _ in 0..view.count() {
            dtype.widen(self.run(view, offset, 1, dtype)?, values);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                offset += view.strides[axis];
                if index[axis] < view.shape[axis] {
                    break;
                }
                offset -= view.strides[axis] * view.shape[axis];
                index[axis] = 0;
            }
        }
        Ok(())
    }

    /// The bytes of `count` elements of a view's storage from element `offset` on.
    fn run(&self, view: &View, offset: usize, count: usize, dtype: Dtype) -> Result<&[u8]> {
        let storage = &self.storages[view.storage];
        let file = &self.files[storage.file];
        let bytes = file.bytes().get(storage.start..storage.start + storage.length).unwrap_or_default();
        if let (Some((name, expected)), None) = (&storage.checksum, storage.checked.get()) {
            zip::check(file, name, *expected, bytes)?;
            // Another thread may have been faster, with the same result.
            let _ = storage.checked.set(());
        }
        Ok(bytes.get(offset * dtype.size()..(offset + count) * dtype.size()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_lie_in_their_storage() {
        let view = |offset, shape: &[usize], strides: &[usize]| {
            View::new(0, 6, offset, shape.to_vec(), strides.to_vec())
        };
        assert!(view(0, &[2, 3], &[3, 1]).unwrap().is_contiguous());
        assert!(view(2, &[1, 4], &[99, 1]).unwrap().is_contiguous());
        assert!(view(2, &[4], &[1]).unwrap().is_contiguous());
        assert!(!view(0, &[3, 2], &[1, 3]).unwrap().is_contiguous());
        assert!(view(5, &[], &[]).unwrap().is_contiguous());
        for (offset, shape, strides) in [
            (1, &[2, 3][..], &[3, 1][..]),
            (6, &[], &[]),
            (0, &[7], &[0]),
            (0, &[2], &[usize::MAX]),
            (usize::MAX, &[2], &[1]),
            (0, &[usize::MAX, 2], &[1, 1]),
            (0, &[2], &[1, 1]),
        ] {
            assert!(view(offset, shape, strides).is_err(), "{offset} {shape:?} {strides:?}");
        }
        // Without elements nothing is read, whatever the numbers.
        let empty = view(usize::MAX, &[0, usize::MAX, usize::MAX], &[1, 1, 1]).unwrap();
        assert!(empty.is_contiguous() && empty.count() == 0 && empty.offset == 0);
    }
}
