//! Rewrites an archive as few files, without deleted rows.

mod common;

use std::process::ExitCode;

use clap::Parser;
use common::out::say;
use common::stored::Stored;
use common::{Outcome, text};
use rscir::prelude::*;

/// Rewrite an archive as few files, without deleted rows, in the order in which its rows are read.
///
/// This frees the space of deleted and replaced rows, and gives archives of the same rows the same bytes; searches
/// find the same before and after. While the program runs, the disk holds the rows twice. A large archive gets an
/// index of its keys, and 8-bit copies of its rows, a quarter of their size, with which the first search after
/// opening is as fast as the next.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    #[command(flatten)]
    stored: Stored,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    let mut writer = ArchiveWriter::open(&cli.stored.archive)?;
    writer.compact()?;
    writer.index_keys()?;
    writer.quantize()?;
    say!("{}: {} rows", text::shown(cli.stored.archive.display()), writer.len());
    Ok(Outcome::Done)
}
