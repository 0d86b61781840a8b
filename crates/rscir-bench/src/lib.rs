//! The PatternCom protocol of composed image retrieval: queries, relevance, exact metrics, reports.
//!
//! The main type is [`PatternCom`], which turns the benchmark's label files into queries on an archive; [`evaluate`] runs
//! any number of methods on them in one pass, and a [`Table`] holds the figures.
//!
//! ```
//! use rscir_bench::{EvaluateOptions, Query, QueryGroup, QuerySet, QueryVectors, Rounding, Table, evaluate};
//! use rscir_core::{Embeddings, EncoderSpec};
//! use rscir_index::MemoryArchive;
//! use rscir_weicom::{Sum, TextOnly};
//!
//! let rows = Embeddings::normalize(2, vec![1.0, 0.0, 0.8, 0.6, 0.0, 1.0])?;
//! let keys = ["a.jpg", "b.jpg", "c.jpg"].map(String::from);
//! let archive = MemoryArchive::new(EncoderSpec::unknown(2), keys.into(), rows)?;
//! let queries = QuerySet {
//!     images: vec!["a.jpg".into()],
//!     texts: vec!["dense".into()],
//!     relevant: vec![vec![1]],
//!     groups: vec![QueryGroup {
//!         name: "density".into(),
//!         queries: vec![Query { image: 0, text: 0, relevant: 0 }],
//!         gallery: None,
//!     }],
//! };
//! let texts = Embeddings::normalize(2, vec![0.0, 1.0])?;
//! let vectors = QueryVectors::from_archive(&queries, &archive, &queries.texts, &texts)?;
//! let outcome = evaluate(&archive, &queries, &vectors, &[&TextOnly, &Sum], EvaluateOptions::default())?;
//! let table = Table::of(&outcome, Rounding::None);
//! assert_eq!((table.rows[0].average.map, table.rows[1].average.map), (50.0, 100.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It does not encode: vectors come from an archive and from text features. `docs/protocol.md` of the repository says
//! what the benchmark asks, and how the two modes of [`Mode`] differ.

mod counting;
mod engine;
mod error;
mod evaluate;
pub mod metrics;
mod outcome;
mod page;
mod protocol;
mod queries;
mod records;
pub mod report;
mod statistics;
mod subset;
mod table;

pub use error::{Error, Result};
pub use evaluate::{EvaluateOptions, QueryVectors, evaluate};
pub use outcome::{CUTOFFS, Evaluation, GroupOutcome, QueryOutcome};
pub use page::{Page, TileData, TileSource};
pub use protocol::{
    ATTRIBUTES, Attribute, CustomQueries, DatasetReport, DomainConversion, Finding, Icir, LabelRow, LevirCc,
    Mode, PatternCom, Protocol, Tile, XviewCir, XviewText,
};
pub use queries::{Query, QueryGroup, QuerySet};
pub use records::{QueryRecord, Run, TopRecord, read_records, write_records};
pub use report::{RunDescription, check_report, write_report};
pub use statistics::{
    Bootstrap, Difference, InstanceFigures, Interval, IntervalRow, Intervals, QueryNames, Sample, tile_class,
};
pub use table::{Convention, Figures, PATTERNCOM_CUTOFFS, Rounding, Table, TableRow};
