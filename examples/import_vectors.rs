//! Copies vectors that others made into an archive.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::bars::Bars;
use common::out::note;
use common::{Outcome, check, text};
use rscir::index::{ImportOptions, LeftOutReason, import_vectors};
use rscir::prelude::*;

/// Copy the vectors of a feature file (.npy, .safetensors, .pkl) into an archive.
///
/// A .npy of any size is read block by block. Its keys stand beside it, in NAME.keys.json or NAME.keys.txt; without such a
/// list they are the row numbers. Run again, it goes on where it was cut off.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 done but some rows were left out.")]
struct Cli {
    /// The feature file
    #[arg(long, value_name = "FILE")]
    vectors: PathBuf,
    /// The archive to write or to go on with
    #[arg(long, value_name = "DIR.rscir")]
    archive: PathBuf,
    /// Number format of the archive's rows: f32, f16, bf16 or i8 [default: as the archive has it, f32 in a new one]
    #[arg(long)]
    precision: Option<Precision>,
}

/// Rows that are named; the rest is counted.
const NAMED: usize = 10;

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    check::archive(&cli.archive)?;
    let bars = Bars::default();
    let mut options = ImportOptions::default().progress(&bars).stop(common::stop_on_interrupt()?);
    options.precision = cli.precision;
    let imported = import_vectors(&cli.vectors, &cli.archive, &options)?;
    for row in imported.left_out.iter().take(NAMED) {
        let reason = match row.reason {
            LeftOutReason::Zero => "all zeros",
            _ => "a value that is not finite",
        };
        note!("left out: {}: row {} (from 0): {reason}", text::shown(cli.vectors.display()), row.row);
    }
    note!(
        "{}: {} written, {} unchanged, {} left out",
        text::shown(cli.archive.display()),
        imported.written,
        imported.unchanged,
        imported.left_out.len()
    );
    anyhow::ensure!(!imported.stopped, "stopped: run the same command again to go on");
    Ok(Outcome::from_failures(imported.left_out.len()))
}
