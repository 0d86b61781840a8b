//! Asks an archive with an image, a text, or both.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgGroup, Parser};
use common::model::ModelArgs;
use common::out::{self, note, say};
use common::{Outcome, check, demo, notes, text, usage};
use rscir::core::Value;
use rscir::index::{Filter, Hit, search_with};
use rscir::prelude::*;
use serde_json::json;

/// Ask an archive with an image, a text, or both, and print the best tiles.
///
/// With both, tiles are ranked by WeiCom; with one, by the similarity to it. Archive and model default to the demo's, whose
/// archive is made on the first run.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
#[command(group(ArgGroup::new("query").args(["image", "text"]).required(true).multiple(true)))]
struct Cli {
    /// The archive, or a feature file [default: the demo's, in target/demo.rscir]
    #[arg(long, value_name = "DIR.rscir")]
    archive: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// The query image
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// How the wanted images differ from it; without an image, what they show
    #[arg(long, value_parser = usage::query_text)]
    text: Option<String>,
    /// Weight of the text beside the image: 0 asks with the image alone, 1 with the text alone
    #[arg(long, default_value = "0.5", value_parser = common::lambda, requires_all = ["image", "text"])]
    lambda: f64,
    /// Only tiles whose columns hold this, such as "label = harbor and cloud < 0.2"
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<Filter>,
    /// How many tiles
    #[arg(long, default_value_t = 10)]
    top: usize,
    /// Print JSON: rank, row, key, score, the cosine similarities to image and text, and the columns
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    cli.model.check()?;
    // What is quickly opened comes before the model, so that a mistake is told at once.
    let opened = cli.archive.as_deref().map(rscir::open).transpose()?;
    if opened.is_none() && !cli.model.is_demo() {
        anyhow::bail!("--archive DIR.rscir is needed with a model that is not the demo's");
    }
    check::input(cli.image.as_deref())?;
    let encoder = cli.model.load()?;
    let archive = match opened {
        Some(archive) => archive,
        None => Box::new(demo::archive(&encoder)?),
    };
    archive.spec().check(encoder.spec()).context("the model is not the archive's")?;
    let query = encoder.query(cli.image.as_deref(), cli.text.as_deref())?;
    if let Some(path) = &cli.image {
        notes::say_odd_query(path, &encoder);
    }
    let mut options = SearchOptions::top(cli.top);
    options.matching = cli.filter.as_ref();
    let hits = search_with(&*archive, &*method(cli)?, &query, &options)?;
    if hits.is_empty() {
        note!("{}", nothing_found(cli, &*archive));
    }
    if cli.json {
        let hits: Vec<_> = hits.iter().enumerate().map(|(i, hit)| to_json(i + 1, hit, &*archive)).collect();
        out::json(&json!(hits));
    } else {
        for (i, hit) in hits.iter().enumerate() {
            say!("{:>3}  {:.4}  {}", i + 1, hit.score, text::printable(&hit.key));
        }
    }
    Ok(Outcome::Done)
}

/// How tiles are ranked: by what the query has.
fn method(cli: &Cli) -> anyhow::Result<Box<dyn Method>> {
    Ok(match (&cli.image, &cli.text) {
        (Some(_), None) => Box::new(ImageOnly),
        (None, _) => Box::new(TextOnly),
        (Some(_), Some(_)) => Box::new(WeiCom::new(cli.lambda)?),
    })
}

/// Why there is no hit.
fn nothing_found(cli: &Cli, archive: &dyn Archive) -> String {
    if archive.is_empty() {
        "no tile found: the archive has no rows".into()
    } else if cli.top == 0 {
        "no tile found: --top 0 asks for none".into()
    } else {
        format!("no tile found: none of the {} rows is as --where says", archive.len())
    }
}

fn to_json(rank: usize, hit: &Hit, archive: &dyn Archive) -> serde_json::Value {
    let columns: serde_json::Map<_, _> = archive
        .columns()
        .into_iter()
        .filter_map(|(name, _)| Some((name.to_string(), value(archive.value(name, hit.row)?))))
        .collect();
    json!({
        "rank": rank,
        "row": hit.row,
        "key": hit.key,
        "score": hit.score,
        "similarities": {
            "image": hit.image.map(|part| part.similarity),
            "text": hit.text.map(|part| part.similarity),
        },
        "normalized": {
            "image": hit.image.and_then(|part| part.normalized),
            "text": hit.text.and_then(|part| part.normalized),
        },
        "columns": columns,
    })
}

/// A column's value; what is no number becomes null, as JSON has none such.
fn value(value: Value<'_>) -> serde_json::Value {
    match value {
        Value::Text(v) => json!(v),
        Value::Int(v) => json!(v),
        Value::Float(v) => json!(v),
        Value::Bool(v) => json!(v),
        Value::Date(v) => json!(v.to_string()),
        Value::Floats(v) => json!(v),
    }
}
