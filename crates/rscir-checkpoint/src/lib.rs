//! Reads the weights of untrusted checkpoints as inert, checked tensors: safetensors (also sharded), PyTorch's zip and
//! legacy files, and TorchScript archives.
//!
//! A [`Checkpoint`] is a file of named tensors. [`Checkpoint::open`] goes by content, not by name, maps the file, reads its
//! directory, checks that every tensor lies in the file, and executes nothing. A tensor's values are read when they are
//! asked for.
//!
//! ```
//! use rscir_checkpoint::{Checkpoint, Dtype, Format};
//!
//! let checkpoint = Checkpoint::open("tests/data/checkpoints/legacy.pt")?;
//! assert_eq!(checkpoint.format(), Format::TorchLegacy);
//! for name in checkpoint.names() {
//!     println!("{name}: {:?} {:?}", checkpoint.dtype(name), checkpoint.shape(name));
//! }
//! assert_eq!(checkpoint.dtype("f16"), Some(Dtype::F16));
//! assert_eq!(*checkpoint.tensor_f32("f16", &[3])?, [-1.5, 0.0, 3.0]);
//! # Ok::<(), rscir_checkpoint::Error>(())
//! ```
//!
//! A model takes its weights through a [`Loader`], which notes every tensor that is missing, of another shape or not finite
//! and every tensor that no part of the model took, and names all of them at once in [`Loader::finish`].
//!
//! It writes no checkpoint, knows no tensor library, unpickles no object but tensors and runs no code of a TorchScript
//! archive.

mod checkpoint;
mod detect;
mod dtype;
mod error;
mod format;
mod inert;
mod legacy;
mod loader;
mod mapped;
mod prefixes;
mod problem;
mod rebuild;
mod rename;
mod safetensors;
mod sharded;
mod state_dict;
mod tensors;
mod torch;
mod zip;

pub use checkpoint::Checkpoint;
pub use dtype::Dtype;
pub use error::{Error, Result};
pub use format::Format;
pub use loader::{Loader, Resized};
pub use mapped::file_sha256;
pub use problem::TensorProblem;
