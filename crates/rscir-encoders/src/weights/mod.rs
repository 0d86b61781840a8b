//! Model weights from untrusted files: named tensors, read lazily, and a loader that takes all of them or none.
//!
//! [`Checkpoint::open`] goes by content, not by name: safetensors (also sharded), PyTorch's zip and legacy files, and
//! TorchScript archives, of which only the tensors are taken. Files are mapped into memory; opening one reads its
//! directory and allocates in proportion to that, and a tensor's values are read when they are asked for.
//!
//! A model is built through a [`Loader`], which notes every tensor that is missing, misshapen or not finite and every
//! one that no part of the model took, and names all of them at once in [`Loader::finish`].

mod checkpoint;
mod dtype;
mod legacy;
mod loader;
mod mapped;
mod rename;
mod safetensors;
mod sharded;
mod state_dict;
mod torch;
mod zip;

pub use checkpoint::{Checkpoint, Format};
pub use dtype::Dtype;
pub use loader::{Loader, Resized, TensorProblem};
#[cfg(feature = "hub")]
pub(crate) use mapped::MappedFile;
