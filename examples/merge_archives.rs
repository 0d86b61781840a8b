//! Merges the archives of shards into one archive.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::out::say;
use common::{Outcome, check, text};
use rscir::prelude::*;

/// Merge several archives into one, such as those of the shards that `extract_features --shard I/N` wrote.
///
/// If the archives are of shards, all shards must be given, and each must be finished; the program names those that
/// are missing. Vectors, fingerprints and columns are copied bit for bit, so the archive is the one that a single
/// process would have made, and `extract_features` can continue it. The archives that are read do not change.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    /// Archives to read, in any order
    #[arg(value_name = "DIR.rscir", required = true)]
    shards: Vec<PathBuf>,
    /// Archive to write, which must not exist yet
    #[arg(long, value_name = "DIR.rscir")]
    archive: PathBuf,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    check::archive(&cli.archive)?;
    let merged = merge_archives(&cli.shards, &cli.archive)?;
    // A large archive gets 8-bit copies of its rows, as after an ingest.
    ArchiveWriter::open(&cli.archive)?.quantize()?;
    say!("{}: {} rows of {} archives", text::shown(cli.archive.display()), merged.rows, merged.archives);
    Ok(Outcome::Done)
}
