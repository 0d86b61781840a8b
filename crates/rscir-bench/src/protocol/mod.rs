//! What benchmarks ask: files in, queries out.

mod classes;
mod lines;
mod patterncom;

pub use patterncom::{ATTRIBUTES, Attribute, DatasetReport, Finding, LabelRow, Mode, PatternCom, Tile};
