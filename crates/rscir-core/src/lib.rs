#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod archive;
mod bands;
mod column_table;
mod columns;
mod decoding;
mod embeddings;
mod encoder;
mod error;
mod error_kind;
pub mod files;
mod html;
mod method;
mod moments;
mod printable;
mod progress;
mod quantized;
mod query;
mod ranking;
mod row_values;
mod shard;
mod source;
mod spec;
mod statistics;
mod stretch;
#[cfg(feature = "testing")]
pub mod testing;

pub use archive::{Archive, EmbeddingSink, Fingerprint, SinkRow};
pub use bands::{BandBatch, BandImage, BandValues, BandsView, Channels};
pub use column_table::ColumnTable;
pub use columns::{ColumnType, ColumnValues, Date, Value};
pub use decoding::{Decoding, Orientation};
pub use embeddings::{Embeddings, Queries, UnitVector};
pub use encoder::{ImageEncoder, InjectedPrompt, PixelBatch, RgbView, TextEncoder};
pub use error::{Error, Result};
pub use error_kind::ErrorKind;
pub use html::Html;
pub use method::{
    AskedPart, Composition, Doubt, Evidence, EvidenceSum, Explanation, Fallback, Fit, Fusion, Kind,
    ListSample, Method, MethodInfo, Modality, NormalizationKey, ParameterValue, Part, PartExplanation,
    PartKind, fit_list, fit_list_with, fixed_rows, fuse_lists, score_composition, score_evidence,
    score_fusion,
};
pub use moments::Moments;
pub use printable::{is_unprintable, printable};
pub use progress::{Progress, Silent};
pub use quantized::{QuantizedPart, QuantizedRun};
pub use query::{ComposedQuery, QueryBuilder, QueryPart};
pub use ranking::{Scored, TopK, top_k};
pub use row_values::{ColumnSchema, RowValues};
pub use shard::Shard;
pub use source::{ImageSource, Omission, RgbImage, RowStanding, Stage};
pub use spec::{Activation, Activations, EncoderSpec, Precision, Recorded, SpecMismatch, Wavelengths};
pub use statistics::ScoreStatistics;
pub use stretch::Stretch;
