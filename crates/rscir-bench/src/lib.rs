#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod engine;
mod error;
mod evaluate;
mod evidence;
pub mod metrics;
mod outcome;
mod protocol;
mod queries;
mod query_image;
mod ranks;
mod records;
pub mod report;
mod statistics;
mod subset;
mod table;

pub use error::{Error, Result};
pub use evaluate::{EvaluateOptions, QueryVectors, evaluate};
pub use outcome::{CUTOFFS, Evaluation, GroupOutcome, QueryOutcome};
pub use protocol::{
    ATTRIBUTES, Attribute, CustomQueries, DatasetReport, DomainConversion, Finding, Icir, LabelRow, LevirCc,
    Mode, PatternCom, Protocol, Tile, XviewCir, XviewText,
};
pub use queries::{Query, QueryGroup, QuerySet};
pub use query_image::QueryImage;
pub use records::{QueryRecord, Run, TopRecord, read_records, write_records};
pub use report::{HtmlReport, RunDescription, TileData, TileSource, check_report, write_report};
pub use statistics::{
    Bootstrap, Clusters, Difference, InstanceFigures, Interval, IntervalRow, Intervals, QueryNames, Sample,
    tile_class,
};
pub use table::{Convention, Figures, PATTERNCOM_CUTOFFS, Rounding, Table, TableRow};
