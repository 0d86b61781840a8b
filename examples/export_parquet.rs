//! Publishes an archive as a table of Parquet files.

mod common;

use std::process::ExitCode;

use clap::Parser;
use common::out::say;
use common::stored::Stored;
use common::{Outcome, text};
use rscir::prelude::*;
use rscir::spark::{ExportOptions, export_parquet};

/// Publish an archive as a table of Parquet files, which engines such as Apache Spark and Sail read.
///
/// Run again, the program publishes a new version. A reader sees one version or the other as a whole, and a reader
/// that has begun with the old version keeps it. `search --spark sc://HOST:PORT --table DIR` searches the table,
/// with the answers of the archive.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    #[command(flatten)]
    stored: Stored,
    /// Folder of the table, which this program and the engine both can read, or a URL such as s3://bucket/tiles, which
    /// needs a program that is built with the feature `cloud`
    #[arg(long, value_name = "DIR|URL")]
    table: String,
    /// Most megabytes that the vectors of one part take
    #[arg(long, value_name = "MB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..))]
    part: u64,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    let archive = DiskArchive::open(&cli.stored.archive)?;
    let options = ExportOptions::default().part_bytes(cli.part << 20);
    let published = export_parquet(&archive, &cli.table, &options)?;
    say!("{}: {} rows in {} parts", text::shown(&published.folder), published.rows, published.parts);
    Ok(Outcome::Done)
}
