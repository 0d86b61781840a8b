//! Drops damaged segments of an archive, after saying which they are.

mod common;

use std::process::ExitCode;

use clap::Parser;
use common::out::say;
use common::stored::Stored;
use common::{Outcome, damage, text};
use rscir::index::{ArchiveWriter, DamagedCopy};

/// Drop damaged segments of an archive, with all their rows, so that the rest can be used.
///
/// Without --write the program says what it would drop, and changes nothing. An ingest of the same images encodes
/// dropped rows again. Copy the archive first if you want to read its damaged files by other means.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    #[command(flatten)]
    stored: Stored,
    /// Drop the damaged segments
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    // To say what would be dropped takes no lock, so that this works for an archive that cannot be written, or is
    // being written.
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
        "{name}: {misplaced} things above do not belong in an archive; remove them by hand, or no ingest can continue"
    );
    Ok(Outcome::Done)
}
