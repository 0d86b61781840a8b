//! Estimates how far the figures of an evaluation can be trusted.

mod bootstrap;
mod clusters;
mod instances;
mod intervals;
mod random;
mod sample;

pub use bootstrap::{Bootstrap, Difference, Interval};
pub use clusters::Clusters;
pub use instances::InstanceFigures;
pub use intervals::{IntervalRow, Intervals};
pub use sample::{QueryNames, Sample, tile_class};
