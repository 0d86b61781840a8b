//! Exports an archive as GeoParquet, for other programs.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::bars::Bars;
use common::out::note;
use common::{Outcome, check, text};
use rscir::interchange::{Error, ExportOptions, Exported, export_geoparquet, export_stac};

/// Export an archive as GeoParquet 1.1, which geopandas, DuckDB and QGIS read: keys, vectors, footprints and
/// columns.
///
/// Rows are sorted along Hilbert's curve, so that readers that ask for an area skip most of the file. --stac also
/// writes a STAC collection and an item beside the file, by the extension `emb`.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    /// Archive to export
    #[arg(long, value_name = "DIR.rscir")]
    archive: PathBuf,
    /// File to write; an existing one is replaced as a whole
    #[arg(long, value_name = "FILE.parquet")]
    export: PathBuf,
    /// Also write a STAC collection and its item, FILE.collection.json and FILE.item.json
    #[arg(long)]
    stac: bool,
    /// Identifier of the data set [default: the file's name without its extension]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Description of the data set for people [default: the number of vectors, their width and the model]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// License of the vectors by its SPDX name, such as CC-BY-4.0 [default: other]
    #[arg(long, value_name = "ID")]
    license: Option<String>,
    /// Name of the organization or person that made the vectors [default: none]
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Address of the encoder, such as its page on a hub [default: none]
    #[arg(long, value_name = "URL")]
    model_link: Option<String>,
    /// Address of the imagery that was encoded [default: none]
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// Date of the imagery, such as 2024-02-29, for an archive without a column `datetime`
    #[arg(long, value_name = "ISO")]
    date: Option<String>,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    check::file(Some(&cli.export))?;
    let archive = rscir::open(&cli.archive)?;
    let bars = Bars::default();
    let mut options = ExportOptions::default().progress(&bars).stop(common::stop_on_interrupt()?);
    options.id.clone_from(&cli.id);
    options.description.clone_from(&cli.description);
    options.license.clone_from(&cli.license);
    options.provider.clone_from(&cli.provider);
    options.model.clone_from(&cli.model_link);
    options.source.clone_from(&cli.source);
    options.datetime.clone_from(&cli.date);
    let exported = export_geoparquet(&*archive, &cli.export, &options)?;
    say(cli, &exported);
    if cli.stac {
        let stac = export_stac(&*archive, &cli.export, &options).map_err(with_advice)?;
        note!("{}, {}", text::shown(stac.collection.display()), text::shown(stac.item.display()));
        for link in stac.lacking {
            let option = if link == "emb:model" { "--model-link URL" } else { "--source URL" };
            note!("the collection has no link {link}, which the extension asks for: {option} gives it");
        }
    }
    Ok(Outcome::Done)
}

fn say(cli: &Cli, exported: &Exported) {
    let Exported { rows, placed, groups, .. } = exported;
    let file = text::shown(cli.export.display());
    match placed {
        0 => note!("{file}: {rows} rows in {groups} row groups; no row has a place: this is plain Parquet"),
        placed if placed == rows => {
            note!("{file}: {rows} rows in {groups} row groups, each with a footprint")
        }
        placed => {
            note!("{file}: {rows} rows in {groups} row groups, of which {} have no place", rows - placed)
        }
    }
}

/// Adds to an error what to type about it.
fn with_advice(error: Error) -> anyhow::Error {
    match error {
        Error::NoDate { .. } => anyhow::anyhow!("{error} (type --date ISO); the Parquet file is written"),
        error => error.into(),
    }
}
