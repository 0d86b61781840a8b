#![doc = include_str!("../README.md")]

mod baseline;
mod basic;
mod captions;
mod error;
mod freedom;
mod fusion;
mod late;
mod normalize;
mod parameters;
mod projection;
mod pseudo_word;
mod registry;
mod slerp;
mod vocabulary;
mod weicom;

pub use baseline::{ImageOnly, Product, Sum, TextOnly};
pub use basic::{Basic, BasicConfig, BasicResources};
pub use captions::ExternalCaptions;
pub use error::{Error, Result};
pub use freedom::{FreeDom, FreeDomConfig};
pub use late::{Dbsf, Min, Rrf};
pub use normalize::Normalization;
pub use pseudo_word::{Activation, Layer, PseudoWord, PseudoWordMap};
pub use registry::{MethodSpec, Resources};
pub use slerp::Slerp;
pub use vocabulary::Vocabulary;
pub use weicom::WeiCom;
