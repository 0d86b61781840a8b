#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]
#![allow(unsafe_code)]

mod activation;
mod attention;
mod coded;
mod isa;
mod layout;
mod logistic;
mod matmul;
mod norm;
pub mod normal;
mod pack;
mod packed;
mod parallel;
mod rotate;
mod scatter;
mod scores;
mod simd;
mod tile;
mod unfold;

pub use attention::{AttentionShape, attention, attention_bf16};
pub use coded::{CodedQuery, CodedRows};
pub use isa::{Isa, IsaError};
pub use logistic::{Affine, log_sigmoid_of_scores, sigmoid_moments};
pub use matmul::{Element, dot, dot2, matmul_nt};
pub use norm::layer_norm;
pub use normal::{TAIL_RATIO, TailRatio, mean_and_std_dev, survival, survival_of_scores};
pub use packed::{Epilogue, Finish, PackedBf16, PackedI8, PackedMatrix};
pub use rotate::{Rotation, rotate};
pub use scatter::add_scatter;
pub use scores::{BinSet, Binning, count_above, weighted_sum};
