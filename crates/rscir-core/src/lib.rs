//! The shared nouns and traits of rscir: embeddings, encoders, archives, methods and rankings.
//!
//! The main types are [`Embeddings`], a matrix of finite unit vectors, and the traits through which the other crates
//! compose: [`ImageEncoder`], [`TextEncoder`], [`EmbeddingSink`], [`Archive`], [`Method`].
//!
//! ```
//! use rscir_core::{Embeddings, Moments, ScoreStatistics, top_k};
//!
//! let archive = Embeddings::normalize(2, vec![3.0, 4.0, 1.0, 0.0, 0.0, -2.0])?;
//! let query = [0.6, 0.8];
//! let similarities: Vec<f32> =
//!     archive.rows().map(|row| row[0] * query[0] + row[1] * query[1]).collect();
//! assert_eq!(top_k(&similarities, 1)[0].row, 0);
//!
//! // The statistics WeiCom needs, by a scan and without one.
//! let scan = ScoreStatistics::of(&similarities);
//! let moments = Moments::of(2, archive.as_slice())?.statistics(&query)?;
//! assert!((scan.deviation - moments.deviation).abs() < 1e-6);
//! # Ok::<(), rscir_core::Error>(())
//! ```
//!
//! It does not encode, store, fuse or evaluate anything; the crates `rscir-encoders`, `rscir-index`, `rscir-weicom` and
//! `rscir-bench` do, and none of them knows another's insides. The feature `testing` offers conformance suites for
//! implementors of the traits.

mod archive;
mod columns;
mod embeddings;
mod encoder;
mod error;
pub mod files;
mod method;
mod moments;
mod printable;
mod progress;
mod query;
mod ranking;
mod spec;
#[cfg(feature = "testing")]
pub mod testing;

pub use archive::{Archive, EmbeddingSink, Fingerprint, SinkRow};
pub use columns::{ColumnType, ColumnValues, Date, Value};
pub use embeddings::{Embeddings, Queries, UnitVector};
pub use encoder::{ImageEncoder, InjectedPrompt, PixelBatch, RgbView, TextEncoder};
pub use error::{Error, Result};
pub use method::{Composition, Fusion, Method, Modality, score_composition, score_fusion};
pub use moments::{Moments, ScoreStatistics};
pub use printable::{is_unprintable, printable};
pub use progress::{Progress, Silent};
pub use query::{ComposedQuery, QueryBuilder, QueryPart};
pub use ranking::{Scored, TopK, top_k};
pub use spec::{EncoderSpec, Precision, SpecMismatch};
