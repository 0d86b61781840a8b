use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::mapped::{MappedFile, hexadecimal};
use crate::tensors::{ChosenState, Contents, Storage, Tensor, View};
use crate::{detect, prefixes, rename, sharded, zip};

/// Named tensors in one or several files. A tensor is read when it is asked for.
///
/// ```no_run
/// use rscir_checkpoint::Checkpoint;
///
/// let checkpoint = Checkpoint::open("RemoteCLIP-ViT-L-14.pt")?;
/// for name in checkpoint.names() {
///     println!("{name} {:?}", checkpoint.shape(name));
/// }
/// let scale = checkpoint.tensor_f32("logit_scale", &[])?;
/// # Ok::<(), rscir_checkpoint::Error>(())
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

impl Checkpoint {
    /// Opens a checkpoint, whose format its content tells.
    ///
    /// The names are those of the model. A state dict may lie under `state_dict`, `model_state_dict` or
    /// `model`; if none lies there, under `ema`, `ema_state_dict`, `model_ema` and the like. Tensors beside
    /// it are ignored. Prefixes that wrappers gave to all names (`module.`, `model.`, `_orig_mod.`, `clip.`
    /// and more, also several) are removed.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] if the file cannot be read; [`Error::UnknownFormat`] if it is no
    /// checkpoint; [`Error::StateDict`] if it holds several state dicts and none is the obvious one;
    /// [`Error::Pickle`] if it asks for anything to be executed; the variants of each format if it is damaged
    /// or a tensor does not lie in it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_chosen(path.as_ref(), None)
    }

    /// Opens a checkpoint like [`Checkpoint::open`] and takes the state dict under `key`, such as `ema`. A
    /// nested key may be given with the keys above it: `model.ema`.
    ///
    /// # Errors
    /// The errors of [`Checkpoint::open`]; [`Error::StateDict`] if there is no such state dict.
    pub fn open_state_dict(path: impl AsRef<Path>, key: &str) -> Result<Self> {
        Self::open_chosen(path.as_ref(), Some(key))
    }

    fn open_chosen(path: &Path, wanted: Option<&str>) -> Result<Self> {
        let file = MappedFile::open(path)?;
        let opened = if file.bytes().trim_ascii_start().starts_with(b"{") {
            let (files, contents) = sharded::read(&file)?;
            Self::new(path, files, contents)
        } else {
            let contents = detect::read(&file, wanted)?;
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
        let Contents { format, storages, tensors, state } = contents;
        let tensors = prefixes::unwrapped(tensors);
        Self { path: path.to_owned(), format, files, storages, tensors, state, sha256: OnceLock::new() }
    }

    /// Returns the path of the file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the format of the file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the key of the state dict that was taken, such as `model_state_dict`, or `None` if the file
    /// itself is a state dict.
    pub fn state_dict(&self) -> Option<&str> {
        self.state.taken.as_deref()
    }

    /// Returns the keys of all state dicts in the file. [`Checkpoint::open_state_dict`] chooses one of them.
    pub fn state_dicts(&self) -> &[String] {
        &self.state.found
    }

    /// Returns the SHA-256 of the file, followed by the key of the state dict if it is not the default one.
    /// Equal lines mean equal weights.
    /// [`EncoderSpec::weights_sha256`](rscir_core::EncoderSpec::weights_sha256) holds this line.
    pub fn identity(&self) -> String {
        match &self.state.taken {
            Some(taken) if !self.state.is_default => format!("{}:{taken}", self.sha256()),
            _ => self.sha256().into(),
        }
    }

    /// Returns the names of all tensors, in alphabetical order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Tells whether there is a tensor with a name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Returns the shape of a tensor, or `None` if there is no such tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| &tensor.shape[..])
    }

    /// Returns the element type of a tensor, or `None` if there is no such tensor.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|tensor| tensor.dtype)
    }

    /// Returns the SHA-256 of the file in hexadecimal, which is computed once. For a sharded checkpoint it is
    /// the SHA-256 of the list of the shards' hashes as `sha256sum` prints it, in alphabetical order.
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

    /// Gives tensors the names of open_clip if they have the names of Hugging Face's `CLIPModel` or of
    /// open_clip's `CustomTextCLIP`. Other names stay. Split projections (`q_proj`, `k_proj`, `v_proj`)
    /// become one (`in_proj`), and projections that are stored transposed are turned. No data is moved.
    #[must_use]
    pub fn open_clip_names(mut self) -> Self {
        self.tensors = rename::to_open_clip(self.tensors);
        self
    }

    /// Releases the memory that holds what was read of the files.
    pub(crate) fn release(&self) {
        self.files.iter().for_each(MappedFile::release);
    }

    /// Returns the values of a tensor as 32-bit floats in C order. They are borrowed from the mapped file if
    /// it holds them in this form. Smaller types are widened exactly; f64 and integers beyond 24 bits are
    /// rounded.
    ///
    /// # Errors
    /// [`Error::NoTensor`] if there is no such tensor; [`Error::TensorShape`] if it has another shape;
    /// [`Error::Checksum`] if its data is damaged.
    pub fn tensor_f32(&self, name: &str, shape: &[usize]) -> Result<Cow<'_, [f32]>> {
        let no_tensor = || Error::NoTensor { path: self.path.clone(), tensor: name.into() };
        let tensor = self.tensors.get(name).ok_or_else(no_tensor)?;
        if tensor.shape != shape {
            return Err(Error::TensorShape {
                path: self.path.clone(),
                tensor: name.into(),
                dtype: tensor.dtype,
                expected: shape.into(),
                got: tensor.shape.clone().into(),
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

    /// Appends the elements of a view in C order.
    #[expect(
        clippy::indexing_slicing,
        reason = "there is one index and one stride for each axis of the shape"
    )]
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

    /// Returns the bytes of `count` elements of a view's storage, from element `offset`.
    #[expect(
        clippy::indexing_slicing,
        reason = "views name storages, and storages files, that their reader has listed"
    )]
    fn run(&self, view: &View, offset: usize, count: usize, dtype: Dtype) -> Result<&[u8]> {
        let storage = &self.storages[view.storage];
        let file = &self.files[storage.file];
        let bytes = file.bytes().get(storage.start..storage.start + storage.length).unwrap_or_default();
        if let (Some((name, expected)), None) = (&storage.checksum, storage.checked.get()) {
            zip::check(file, name, *expected, bytes)?;
            // Another thread may have set it first, to the same value.
            let _ = storage.checked.set(());
        }
        Ok(bytes.get(offset * dtype.size()..(offset + count) * dtype.size()).unwrap_or_default())
    }
}
