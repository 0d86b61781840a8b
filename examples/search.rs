//! Asks an archive with an image and a text.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

mod common;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use common::bars::Bars;
use common::model::ModelArgs;
use common::{Outcome, demo, demo_archive};
use rscir::bench::PatternCom;
use rscir::encoders::ClipEncoder;
use rscir::index::{Filter, search_with};
use rscir::prelude::*;

/// Ask an archive with an image and a text, and print the best tiles.
///
/// Archive and model default to the demo's, whose archive is made on the first run.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    /// The archive, or a feature file [default: the demo's, in target/demo.rscir]
    #[arg(long, value_name = "DIR.rscir")]
    archive: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// The query image
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// How the wanted images differ from it
    #[arg(long)]
    text: String,
    /// Weight of the text: 0 asks with the image alone, 1 with the text alone
    #[arg(long, default_value = "0.5", value_parser = common::lambda)]
    lambda: f64,
    /// Only tiles whose columns hold this, such as "label = harbor and cloud < 0.2"
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<Filter>,
    /// How many tiles
    #[arg(long, default_value_t = 10)]
    top: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    common::exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    let encoder = cli.model.load()?;
    let archive = match &cli.archive {
        Some(path) => rscir::open(path)?,
        None if cli.model.is_demo() => Box::new(demo_archive_of(&encoder)?),
        None => anyhow::bail!("--archive DIR.rscir is needed with a model that is not the demo's"),
    };
    let query = encoder.compose(&cli.image, &cli.text)?;
    let selection = cli.filter.as_ref().map(|filter| filter.select(&*archive)).transpose()?;
    let selected = |row: usize| selection.as_ref().is_none_or(|rows| rows.contains(row));
    let options = SearchOptions::top(cli.top).filter(&selected);
    let hits = search_with(&*archive, &WeiCom::new(cli.lambda)?, &query, &options)?;
    if cli.json {
        let hits: Vec<_> = hits
            .iter()
            .enumerate()
            .map(|(i, hit)| serde_json::json!({"rank": i + 1, "row": hit.row, "key": hit.key, "score": hit.score}))
            .collect();
        println!("{:#}", serde_json::json!(hits));
    } else {
        for (i, hit) in hits.iter().enumerate() {
            println!("{:>3}  {:.4}  {}", i + 1, hit.score, hit.key);
        }
    }
    Ok(Outcome::Done)
}

/// The demo's archive, made if it is not there or was made by another model.
fn demo_archive_of(encoder: &ClipEncoder) -> anyhow::Result<DiskArchive> {
    let path = demo_archive();
    if let Ok(archive) = DiskArchive::open(&path)
        && archive.spec().check(encoder.spec()).is_ok()
        && !archive.is_empty()
    {
        return Ok(archive);
    }
    make_demo_archive(encoder, &path)
        .with_context(|| format!("cannot make the demo's archive {}", path.display()))
}

fn make_demo_archive(encoder: &ClipEncoder, path: &Path) -> anyhow::Result<DiskArchive> {
    if path.exists() {
        std::fs::remove_dir_all(path)?;
    }
    let bars = Bars::default();
    let keys = PatternCom::read_tiles(demo("benchmark"))?.into_iter().map(|tile| tile.path).collect();
    let mut options = IngestOptions::default();
    options.progress = &bars;
    let images = ImageList::new(demo("benchmark"), keys);
    let report = rscir::ingest_with(&images, encoder, path, &options, &mut |failure| {
        bars.suspend(|| eprintln!("failed: {failure}"));
    })?;
    anyhow::ensure!(report.failed == 0, "{} of the demo's images cannot be read", report.failed);
    Ok(DiskArchive::open(path)?)
}
