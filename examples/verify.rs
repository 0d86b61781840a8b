//! Reads every byte of an archive, and names each place that is not as it was written.

mod common;

use std::process::ExitCode;

use clap::Parser;
use common::out::{note, say};
use common::stored::Stored;
use common::{Outcome, damage, text};

/// Read every byte of an archive and compare it with what was written.
///
/// The program prints a line for each damaged place. It changes nothing, and other programs may read and write the
/// archive meanwhile.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 sound, 1 damaged or unreadable, 2 usage.")]
struct Cli {
    #[command(flatten)]
    stored: Stored,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    let found = rscir::index::verify(&cli.stored.archive)?;
    let name = text::shown(cli.stored.archive.display());
    for note in damage::notes(&found) {
        note!("note: {note}");
    }
    let places = damage::places(&found);
    for place in &places {
        say!("{place}");
    }
    if places.is_empty() {
        say!("{name}: sound, {} rows", found.sound_rows);
        return Ok(Outcome::Done);
    }
    anyhow::bail!(
        "{name}: damaged at {} places, {} rows are sound; restore it from a copy, or see what `repair --archive {name}` would drop",
        places.len(),
        found.sound_rows
    )
}
