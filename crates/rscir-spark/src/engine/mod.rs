mod archive;
mod plan;
mod reach;
mod rows;
mod schema;
mod session;
mod whole;

pub use archive::{SparkArchive, Table};
