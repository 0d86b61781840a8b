//! Imports vectors that other programs made into an archive.

mod common;
#[cfg_attr(feature = "interchange", path = "import_vectors/tables.rs")]
#[cfg_attr(not(feature = "interchange"), path = "import_vectors/no_tables.rs")]
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::bars::Bars;
use common::out::note;
use common::{Outcome, check, text, usage};
use rscir::encoders::Model;
use rscir::index::{ImportOptions, LeftOutReason, import_vectors};
use rscir::prelude::*;

/// Import vectors that other programs made into an archive, from a feature file (.npy, .safetensors, .pkl) or
/// Parquet files.
///
/// A .npy file of any size is read block by block. Its keys are read from NAME.keys.json or NAME.keys.txt beside
/// it; without such a file they are the numbers of the rows. Parquet files [needs the feature `interchange`] are
/// read row group by row group, and all files of a folder as one table. Keys, vectors and places are found by the
/// names that Major TOM, Earth Index, Clay, Planet and GeoVibes give their columns. Run again, the program
/// continues where it was cut off.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 done but some rows were left out.")]
struct Cli {
    /// Feature file, Parquet file, or folder of Parquet files to read
    #[arg(long, value_name = "FILE|FOLDER")]
    vectors: PathBuf,
    /// Archive to write, or to continue
    #[arg(long, value_name = "DIR.rscir")]
    archive: PathBuf,
    /// Number format of the archive's rows: f32, f16, bf16 or i8 [default: that of the archive; in a new one f32,
    /// or f16 for more than a million rows]
    #[arg(long)]
    precision: Option<Precision>,
    /// Name in the registry of the model that made the vectors, by which queries are encoded [default: the model
    /// that the file records]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Column of keys in Parquet files [default: key, unique_id, id or tile_id, else the file's name and the row's
    /// number]
    #[arg(long, value_name = "NAME")]
    key_column: Option<String>,
    /// Column of vectors in Parquet files [default: embedding, embeddings or vector]
    #[arg(long, value_name = "NAME")]
    embedding_column: Option<String>,
}

/// Number of rows that are named. Further ones are only counted.
const NAMED: usize = 10;

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    check::archive(&cli.archive)?;
    let spec = cli.model.as_deref().map(Model::find).transpose()?.map(Model::spec);
    if tables::is_one(&cli.vectors) {
        return tables::import(cli, spec);
    }
    if cli.key_column.is_some() || cli.embedding_column.is_some() {
        usage::refuse::<Cli>("--key-column and --embedding-column are for Parquet files");
    }
    let bars = Bars::default();
    let mut options = ImportOptions::default().progress(&bars).stop(common::stop_on_interrupt()?);
    options.precision = cli.precision;
    options.spec = spec;
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
