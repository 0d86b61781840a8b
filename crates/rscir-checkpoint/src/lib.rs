#![doc = include_str!("../README.md")]
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

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
