//! The towers of CLIP and its relatives. Each is defined once, with the operations of `nn`.

pub(crate) mod bands;
mod block;
pub(crate) mod compute;
pub(crate) mod config;
pub(crate) mod cuda;
pub(crate) mod dofa;
mod hugging_face;
mod kernels;
pub(crate) mod load;
mod nn;
mod open_clip;
pub(crate) mod pixels;
mod pool;
mod positions;
mod preprocessing;
pub(crate) mod read;
mod resnet;
mod rotary;
pub(crate) mod text;
pub(crate) mod timm;
pub(crate) mod towers;
mod vision;
