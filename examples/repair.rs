//! Takes damaged segments out of an archive, after saying which.

mod common;

use std::process::ExitCode;

use clap::Parser;
use common::out::say;
use common::stored::Stored;
use common::{Outcome, damage, text};
use rscir::index::{ArchiveWriter, DamagedCopy};

/// Take damaged segments out of an archive, with all their rows, so that the rest can be used.
///
/// Says what it would drop and changes nothing, unless asked to write. An ingest of the same images encodes again what was
/// dropped. Copy the archive before, if something is to be read from its damaged files by other means.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    #[command(flatten)]
    stored: Stored,
    /// Drop what is damaged
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    // Saying what would be dropped takes no lock: an archive can be looked at that cannot be written, or is being written.
    let repair = if cli.write { Some(rscir::index::repair(&cli.stored.archive)?) } else { None };
    let found = match &repair {
        Some(repair) => repair.verification(),
        None => &rscir::index::verify(&cli.stored.archive)?,
    };
    let name = text::shown(cli.stored.archive.display());
    for place in damage::places(found) {
        say!("{place}");
    }
    let rows: usize = found.damage.iter().map(|damage| damage.rows).sum();
    let (files, kept, misplaced) = (found.damage.len(), found.sound_rows, found.misplaced.len());
    let copies = found.damaged_copies.len();
    if let Some(repair) = repair {
        repair.drop_damaged()?;
        if copies > 0 {
            let mut writer = ArchiveWriter::open(&cli.stored.archive)?;
            let (indexed, made) = (writer.index_keys()?, writer.quantize()?);
            if indexed > 0 {
                say!("{name}: made an index of {indexed} keys anew");
            }
            say!("{name}: made 8-bit copies of {made} rows anew");
        }
        say!("{name}: dropped {rows} rows of {files} files, kept {kept} rows");
    } else if files > 0 {
        say!("{name}: would drop {rows} rows of {files} files and keep {kept} rows; --write does it");
    } else if copies > 0 {
        let is_8_bit = |copy: &DamagedCopy| copy.path.extension().is_some_and(|end| end == "int8");
        let all_8_bit = found.damaged_copies.iter().all(is_8_bit);
        let what = if all_8_bit { "8-bit copies" } else { "derived data" };
        say!("{name}: would make {copies} files of {what} anew, {kept} rows are sound; --write does it");
    } else {
        say!("{name}: nothing to drop, {kept} rows are sound");
    }
    anyhow::ensure!(
        misplaced == 0,
        "{name}: {misplaced} things above are no part of an archive, and no ingest goes on until they are taken away by hand"
    );
    Ok(Outcome::Done)
}
