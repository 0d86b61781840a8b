#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod error;
mod roots;
#[cfg(all(feature = "web", feature = "geo"))]
mod scene_pictures;
mod verbs;

pub use error::{Error, Result};
pub use rscir_bench as bench;
pub use rscir_checkpoint as checkpoint;
pub use rscir_core as core;
pub use rscir_core::{ErrorKind, Precision, Progress};
pub use rscir_encoders as encoders;
pub use rscir_encoders::models;
#[cfg(feature = "geo")]
pub use rscir_geo as geo;
pub use rscir_images as images;
pub use rscir_index as index;
pub use rscir_index::{Hit, import_vectors};
#[cfg(feature = "interchange")]
pub use rscir_interchange as interchange;
pub use rscir_page as page;
#[cfg(feature = "publish")]
pub use rscir_spark as spark;
#[cfg(feature = "web")]
pub use rscir_web as web;
pub use rscir_weicom as weicom;
#[cfg(all(feature = "web", feature = "geo"))]
pub use scene_pictures::{FootprintPlaces, ScenePictures};
pub use verbs::{Ingested, ingest, ingest_source, ingest_with, open, search};

/// The items that most programs use, to be imported together: `use rscir::prelude::*;`.
pub mod prelude {
    pub use rscir_bench::{
        EvaluateOptions, Mode, PatternCom, Protocol, QueryVectors, Rounding, Table, evaluate,
    };
    pub use rscir_core::{
        Archive, ColumnSchema, ComposedQuery, EmbeddingSink, Embeddings, EncoderSpec, Fingerprint,
        ImageEncoder, ImageSource, Method, Precision, Progress, RowValues, Shard, SinkRow, TextEncoder,
        UnitVector, Value,
    };
    pub use rscir_encoders::{ClipEncoder, Device};
    pub use rscir_images::{ImageList, IngestOptions, MemoryImages, TarShards};
    pub use rscir_index::{
        ArchiveWriter, Columns, DiskArchive, Features, Filter, Hit, ImportOptions, Int8Index, KeyedColumns,
        MemoryArchive, RowOrder, SearchOptions, Searcher, ShardedArchive, import_vectors, merge_archives,
        repair, search_batch, search_fastest, search_with, verify,
    };
    pub use rscir_weicom::{ImageOnly, MethodSpec, Resources, Sum, TextOnly, WeiCom};
}

/// The code of the repository's README, which is compiled and run as a doc test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The code of docs/ask.md, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/ask.md")]
struct Ask;

/// The code of docs/serve.md, compiled.
#[cfg(all(doctest, feature = "web"))]
#[doc = include_str!("../../../docs/serve.md")]
struct Serve;

/// The code of docs/vectors.md, compiled.
#[cfg(all(doctest, feature = "interchange"))]
#[doc = include_str!("../../../docs/vectors.md")]
struct Vectors;

/// The code of docs/cluster.md, compiled.
#[cfg(all(doctest, feature = "spark"))]
#[doc = include_str!("../../../docs/cluster.md")]
struct Cluster;
