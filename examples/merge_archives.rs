//! Makes one archive of the archives of shards.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::out::say;
use common::{Outcome, check, text};
use rscir::prelude::*;

/// Make one archive of several, such as those of the shards that `extract_features --shard I/N` wrote.
///
/// Of shards all must be given, each come to its end; what is missing is named. Vectors, fingerprints and columns are copied to
/// the bit, so the archive is that of one process, and `extract_features` goes on with it. The archives that are read stay.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    /// The archives to read, in any order
    #[arg(value_name = "DIR.rscir", required = true)]
    shards: Vec<PathBuf>,
    /// The archive to write, which is not there yet
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
