//! Imports Parquet files into an archive.

use rscir::interchange::{ImportOptions, Imported, ReadOptions, import_vectors};
use rscir::prelude::*;

use crate::common::bars::Bars;
use crate::common::out::note;
use crate::common::text::shown;
use crate::common::{self, Outcome};
use crate::{Cli, NAMED};

pub(crate) use rscir::interchange::is_table as is_one;

pub(crate) fn import(cli: &Cli, spec: Option<EncoderSpec>) -> anyhow::Result<Outcome> {
    let mut read = ReadOptions::default();
    read.key_column.clone_from(&cli.key_column);
    read.embedding_column.clone_from(&cli.embedding_column);
    let bars = Bars::default();
    let mut options = ImportOptions::default().read(read).progress(&bars).stop(common::stop_on_interrupt()?);
    options.precision = cli.precision;
    options.spec = spec;
    let imported = import_vectors(&cli.vectors, &cli.archive, &options)?;
    for column in &imported.left_out_columns {
        note!("left out: column {} ({}): {}", shown(&column.name), shown(&column.type_name), column.why);
    }
    say(cli, &imported);
    anyhow::ensure!(!imported.stopped, "stopped: run the same command again to go on");
    Ok(Outcome::from_failures(usize::try_from(imported.tally.left_out).unwrap_or(usize::MAX)))
}

/// Says what was written, and which rows and values were left out.
fn say(cli: &Cli, imported: &Imported) {
    let tally = &imported.tally;
    for row in tally.named.iter().take(NAMED) {
        let (file, row, reason) = (row.place.file.display(), row.place.row, row.reason);
        note!("left out: {}: row {row} (from 0): {reason}", shown(file));
    }
    if let Some((place, problem)) = &tally.first_unplaced {
        let (file, row) = (shown(place.file.display()), place.row);
        note!(
            "{} rows have no place; the first is {file}: row {row} (from 0): {}",
            tally.unplaced,
            shown(problem)
        );
    }
    if let Some((place, column)) = &tally.first_without_value {
        let (file, row) = (shown(place.file.display()), place.row);
        note!(
            "{} values fit no column of an archive and were left out; the first is {file}: row {row} (from 0): {}",
            tally.without_value,
            shown(column)
        );
    }
    if imported.quantized > 0 {
        note!("8-bit copies of {} rows are kept beside them", imported.quantized);
    }
    note!(
        "{}: {} written, {} unchanged, {} left out",
        shown(cli.archive.display()),
        imported.written,
        imported.unchanged,
        tally.left_out
    );
}
