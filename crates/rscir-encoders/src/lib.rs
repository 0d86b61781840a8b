//! CLIP-like image and text encoders in pure Rust on candle: checkpoints, tokenizers, preprocessing, pipeline.

mod error;
mod weights;

pub use error::{Error, Result};
pub use weights::{Checkpoint, Dtype, Format, Loader, TensorProblem};
