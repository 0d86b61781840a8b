//! WeiCom and other training-free composition methods behind one trait.
//!
//! The main type is [`WeiCom`]; every method implements [`rscir_core::Method`] and can be chosen by value or by a
//! string ([`MethodSpec`]).
//!
//! ```
//! use rscir_core::{Fusion, Method, ScoreStatistics, top_k};
//! use rscir_weicom::WeiCom;
//!
//! // Similarities of three tiles to the query image and to the query text.
//! let (image, text) = ([0.9, 0.7, 0.1], [0.20, 0.26, 0.21]);
//! let weicom = WeiCom::new(0.5)?;
//! let (mut i, mut t, mut scores) = ([0.0; 3], [0.0; 3], [0.0; 3]);
//! weicom.normalize(&image, &ScoreStatistics::of(&image), &mut i);
//! weicom.normalize(&text, &ScoreStatistics::of(&text), &mut t);
//! weicom.combine(&i, &t, &mut scores);
//! assert_eq!(top_k(&scores, 1)[0].row, 1);
//! assert!((weicom.present(scores[1]) - 0.749).abs() < 0.001);
//! # Ok::<(), rscir_weicom::Error>(())
//! ```
//!
//! With an archive, call [`Method::score`](rscir_core::Method::score). It does not encode or store anything, and it
//! does not search: `rscir-index` does, and uses that [fusions](rscir_core::Fusion) are monotone.

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
