//! Composed image retrieval for remote sensing: ask an archive of tiles with an image and a text.
//!
//! [`ingest`] encodes a folder of images into an archive, [`search`] asks it; everything else is in the crates that this
//! one gathers: [`encoders`], [`index`], [`weicom`], [`bench`](mod@bench) and [`core`](mod@core), whose traits let you
//! bring your own of each.
//!
//! ```
//! use rscir::prelude::*;
//!
//! # fn main() -> Result<(), rscir::Error> {
//! let clip = ClipEncoder::from_folder("data/demo/model").build()?;
//! let query = clip.compose("data/demo/benchmark/images/harbor/harbor00.jpg", "sand")?;
//! let keys = ["harbor00.jpg".to_string()].into();
//! let image = query.image().expect("a composed query has an image");
//! let rows = Embeddings::normalize(image.len(), image.to_vec())?;
//! let archive = MemoryArchive::new(ImageEncoder::spec(&clip).clone(), keys, rows)?;
//! assert_eq!(rscir::search(&archive, &WeiCom::new(0.6)?, &query, 1)?[0].key, "harbor00.jpg");
//! # Ok(())
//! # }
//! ```
//!
//! It does not train anything, and its search is exact, never approximate. Features: `hub` fetches published weights,
//! `cuda` computes on NVIDIA GPUs, `tables` reads and writes Parquet, `turbojpeg` decodes JPEG with a C library, faster and
//! to the same bytes; none is on unless asked for.

mod error;
mod roots;
mod verbs;

pub use error::{Error, Result};
pub use rscir_bench as bench;
pub use rscir_checkpoint as checkpoint;
pub use rscir_core as core;
pub use rscir_core::{Precision, Progress};
pub use rscir_encoders as encoders;
pub use rscir_encoders::models;
pub use rscir_index as index;
pub use rscir_index::{Hit, import_vectors};
pub use rscir_weicom as weicom;
pub use verbs::{Ingested, ingest, ingest_with, open, search};

/// What most programs use.
pub mod prelude {
    pub use rscir_bench::{
        EvaluateOptions, Mode, PatternCom, Protocol, QueryVectors, Rounding, Table, evaluate,
    };
    pub use rscir_core::{
        Archive, ComposedQuery, EmbeddingSink, Embeddings, EncoderSpec, Fingerprint, ImageEncoder, Method,
        Precision, Progress, SinkRow, TextEncoder, UnitVector,
    };
    pub use rscir_encoders::{ClipEncoder, Device, ImageList, IngestOptions};
    pub use rscir_index::{
        ArchiveWriter, Columns, DiskArchive, Features, Filter, Hit, ImportOptions, Int8Index, MemoryArchive,
        RowOrder, SearchOptions, Searcher, ShardedArchive, import_vectors, repair, search_batch, search_with,
        verify,
    };
    pub use rscir_weicom::{ImageOnly, MethodSpec, Resources, Sum, TextOnly, WeiCom};
}

/// The README's code, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
