#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod baseline;
mod basic;
mod captions;
mod dbsf;
mod error;
mod freedom;
mod fusion;
mod min;
mod normalize;
mod parameters;
mod pointwise;
mod projection;
mod prompts;
mod pseudo_word;
mod registry;
mod rrf;
mod slerp;
mod two_archives;
mod vocabulary;
mod weicom;

pub use baseline::{ImageOnly, Product, Sum, TextOnly};
pub use basic::{Basic, BasicConfig, BasicResources};
pub use captions::ExternalCaptions;
pub use dbsf::Dbsf;
pub use error::{Error, Result};
pub use freedom::{FreeDom, FreeDomConfig};
pub use min::Min;
pub use normalize::Normalization;
pub use pointwise::{Pointwise, pointwise};
pub use pseudo_word::{Activation, Layer, PseudoWord, PseudoWordMap};
pub use registry::{MethodSpec, Resources};
pub use rrf::Rrf;
pub use slerp::Slerp;
pub use two_archives::TwoArchives;
pub use vocabulary::Vocabulary;
pub use weicom::WeiCom;
