//! Asks an archive with an image, a text, or both.

#[path = "search/answer_page.rs"]
mod answer_page;
mod common;
#[path = "search/opened.rs"]
mod opened;
#[path = "search/pictures.rs"]
mod pictures;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use answer_page::Asked;
use anyhow::Context;
use clap::{ArgGroup, Parser};
use common::model::ModelArgs;
use common::out::{self, note, say};
use common::{Outcome, check, notes, text, usage};
use opened::Opened;
use pictures::Pictures;
use rscir::core::Value;
use rscir::images::{DecodeLimits, decode_file};
use rscir::index::{Filter, Hit, search_with};
use rscir::prelude::*;
use serde_json::json;

/// Ask an archive with an image, a text, or both, and print the best tiles.
///
/// With both, tiles are ranked by WeiCom; with one, by the similarity to it. Archive and model default to the demo's, whose
/// archive is made on the first run. No model is needed to ask an archive with one of its own tiles.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
#[command(group(ArgGroup::new("query").args(["image", "key", "text"]).required(true).multiple(true)))]
#[command(group(ArgGroup::new("picture").args(["image", "key"])))]
struct Cli {
    /// The archive, or a feature file [default: the demo's, in target/demo.rscir]
    #[arg(long, value_name = "DIR.rscir")]
    archive: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// The query image
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// The key of a tile of the archive, in place of an image; the tile itself is left out of the answer
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// How the wanted images differ from it; without an image, what they show
    #[arg(long, value_parser = usage::query_text)]
    text: Option<String>,
    /// Weight of the text beside the image: 0 asks with the image alone, 1 with the text alone
    #[arg(long, default_value = "0.5", value_parser = common::lambda, requires_all = ["picture", "text"])]
    lambda: f64,
    /// Only tiles whose columns hold this, such as "label = harbor and cloud < 0.2"
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<Where>,
    /// How many tiles
    #[arg(long, default_value_t = 10)]
    top: usize,
    /// Print JSON: rank, row, key, score, the cosine similarities to image and text, and the columns
    #[arg(long)]
    json: bool,
    /// Write the answer as one HTML page with pictures, similarities and columns
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Where the scenes or images of the archive are, for pictures of its tiles [default: where it had them from]
    #[arg(long, value_name = "DIR")]
    scenes: Option<PathBuf>,
}

/// A filter, with its words for the page.
#[derive(Debug, Clone)]
struct Where {
    words: String,
    filter: Filter,
}

impl FromStr for Where {
    type Err = <Filter as FromStr>::Err;

    fn from_str(words: &str) -> Result<Self, Self::Err> {
        Ok(Self { words: words.into(), filter: words.parse()? })
    }
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    cli.model.check()?;
    // What is quickly opened comes before the model, so that a mistake is told at once.
    let opened = cli.archive.as_deref().map(Opened::open).transpose()?;
    if opened.is_none() && !cli.model.is_demo() {
        anyhow::bail!("--archive DIR.rscir is needed with a model that is not the demo's");
    }
    check::input(cli.image.as_deref())?;
    check::file(cli.html.as_deref())?;
    if let Some(opened) = &opened {
        check_key(cli, &*opened.archive)?;
    }
    // A tile has its vector already.
    let needs_encoder = opened.is_none() || cli.image.is_some() || cli.text.is_some();
    let encoder = needs_encoder.then(|| cli.model.load()).transpose()?;
    let opened = match (opened, &encoder) {
        (None, Some(encoder)) => Opened::demo(encoder)?,
        (opened, _) => opened.context("--archive DIR.rscir is needed")?,
    };
    let archive = &*opened.archive;
    check_key(cli, archive)?;
    let query = query(cli, archive, encoder.as_ref())?;
    let mut options = SearchOptions::top(cli.top);
    options.matching = cli.filter.as_ref().map(|chosen| &chosen.filter);
    options.exclude_query = true;
    let method = method(cli)?;
    let hits = search_with(archive, &*method, &query, &options)?;
    if hits.is_empty() {
        note!("{}", nothing_found(cli, archive));
    }
    if let Some(path) = &cli.html {
        write_page(cli, path, &opened, &method.label(), &hits)?;
    }
    if cli.json {
        let hits: Vec<_> = hits.iter().enumerate().map(|(i, hit)| to_json(i + 1, hit, archive)).collect();
        out::json(&json!(hits));
    } else {
        for (i, hit) in hits.iter().enumerate() {
            say!("{:>3}  {:.4}  {}", i + 1, hit.score, text::printable(&hit.key));
        }
    }
    Ok(Outcome::Done)
}

/// Checks that the archive has the tile that is asked with.
fn check_key(cli: &Cli, archive: &dyn Archive) -> anyhow::Result<()> {
    let missing = cli.key.as_deref().filter(|key| archive.find(key).is_none());
    if let Some(key) = missing {
        let example =
            archive.keys().next().map_or(String::new(), |key| format!("; its first is {}", text::shown(key)));
        anyhow::bail!("--key {}: the archive has no such key{example}", text::shown(key));
    }
    Ok(())
}

/// The query: what a tile has already, and what the encoder makes of the rest.
fn query(cli: &Cli, archive: &dyn Archive, encoder: Option<&ClipEncoder>) -> anyhow::Result<ComposedQuery> {
    let mut query = match encoder {
        Some(encoder) => {
            archive.spec().check(encoder.spec()).context("the model is not the archive's")?;
            encoder.query(cli.image.as_deref(), cli.text.as_deref())?
        }
        None => ComposedQuery::new(archive.spec().clone()),
    };
    if let Some(key) = &cli.key {
        let vector = archive.unit_vector(key).context("the tile that is asked with has no vector")?;
        query = query.with_image(vector)?.with_image_key(key);
    }
    if let (Some(path), Some(encoder)) = (&cli.image, encoder) {
        notes::say_odd_query(path, encoder);
    }
    Ok(query)
}

fn write_page(cli: &Cli, path: &Path, opened: &Opened, method: &str, hits: &[Hit]) -> anyhow::Result<()> {
    let archive = &*opened.archive;
    let folders = cli.scenes.clone().map_or_else(|| opened.roots.clone(), |folder| vec![folder]);
    let mut pictures = Pictures::new(folders, archive.spec().decoding.clone());
    let image = match (&cli.image, &cli.key) {
        (Some(file), _) => {
            // It has been decoded once before: if that fails now, the page has its name.
            let image = decode_file(file, &archive.spec().decoding, &DecodeLimits::default()).ok();
            let name = file.file_name().unwrap_or(file.as_os_str()).display().to_string();
            Some((name, image.and_then(|image| pictures::picture(&image).ok())))
        }
        (None, Some(key)) => Some((key.clone(), pictures.of_row(key))),
        (None, None) => None,
    };
    let mut notes = vec![format!("Ranked by {method} among the {} tiles of the archive.", archive.len())];
    if let Some(Where { words, .. }) = &cli.filter {
        notes.push(format!("Only tiles with {words}."));
    }
    let asked = Asked { image, text: cli.text.as_deref(), notes };
    answer_page::page(asked, hits, archive, &mut pictures).write(path)?;
    pictures.say_lacking();
    note!("written: {}", text::shown(path.display()));
    Ok(())
}

/// How tiles are ranked: by what the query has.
fn method(cli: &Cli) -> anyhow::Result<Box<dyn Method>> {
    let has_picture = cli.image.is_some() || cli.key.is_some();
    Ok(match (has_picture, &cli.text) {
        (true, None) => Box::new(ImageOnly),
        (false, _) => Box::new(TextOnly),
        (true, Some(_)) => Box::new(WeiCom::new(cli.lambda)?),
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
