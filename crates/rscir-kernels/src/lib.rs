//! Matrix products, dot products, the normal distribution and lists of scores, vectorised, each with a plain-Rust twin.
//!
//! ```
//! use rscir_kernels::{Epilogue, PackedMatrix, matmul_nt, mean_and_deviation, survival_of_scores};
//!
//! // Similarities of two queries to three archive rows, d = 4: out[2, 3] = queries . archive^T.
//! let queries = [1.0, 0.0, 0.0, 0.0, /**/ 0.0, 1.0, 0.0, 0.0];
//! let archive = [1.0, 0.0, 0.0, 0.0, /**/ 0.6, 0.8, 0.0, 0.0, /**/ 0.0, 0.0, 1.0, 0.0];
//! let mut scores = [0.0; 6];
//! matmul_nt(&queries, &archive, 2, 3, 4, &mut scores);
//! assert_eq!(scores, [1.0, 0.6, 0.0, 0.0, 0.8, 0.0]);
//!
//! // How unlikely each score of the first query is under a normal distribution.
//! let (mean, deviation) = mean_and_deviation(&scores[..3]);
//! let mut tail = [0.0; 3];
//! survival_of_scores(&scores[..3], mean, deviation, &mut tail);
//! assert!(tail[0] < tail[1] && tail[1] < tail[2]);
//!
//! // A linear layer, its weights packed once.
//! let layer = PackedMatrix::pack(&archive, 3, 4);
//! let mut activations = [0.0; 6];
//! layer.apply(&queries, 2, Epilogue::bias(&[0.5, 0.5, 0.5]).quick_gelu(), &mut activations);
//! ```
//!
//! Slices are row-major and unpadded. Lengths that disagree are a mistake of the caller and panic, as
//! `copy_from_slice` does; values are never inspected, and NaN or infinity go through as IEEE 754 has them.
//! Work is spread over rayon's current pool. No result depends on the number of threads.
//!
//! It knows nothing of models, archives or files, and it allocates nothing that outlives a call but
//! each thread's packing buffer.

#![allow(unsafe_code)]

mod activation;
mod attention;
mod coded;
mod isa;
mod layout;
mod matmul;
mod norm;
pub mod normal;
mod pack;
mod packed;
mod parallel;
mod scatter;
mod scores;
mod simd;
mod tile;

pub use attention::{AttentionShape, attention, attention_bf16};
pub use coded::{CodedQuery, CodedRows};
pub use isa::Isa;
pub use matmul::{Element, dot, dot2, matmul_nt};
pub use norm::layer_norm;
pub use normal::{mean_and_deviation, survival, survival_of_scores};
pub use packed::{Epilogue, Finish, PackedBf16, PackedI8, PackedMatrix};
pub use scatter::add_scatter;
pub use scores::{BinSet, Binning, count_above, weighted_sum};
