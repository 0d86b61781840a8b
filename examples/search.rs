//! Asks an archive with images, texts and tiles that were judged.

#[path = "search/answer_page.rs"]
mod answer_page;
#[path = "search/args.rs"]
mod args;
#[path = "search/asked.rs"]
mod asked;
mod common;
#[path = "search/opened.rs"]
mod opened;
#[path = "search/pictures.rs"]
mod pictures;
#[path = "search/shown.rs"]
mod shown;

use std::process::ExitCode;

use anyhow::Context;
use args::Cli;
use asked::{Asked, check_keys};
use common::out::note;
use common::{Outcome, check, vocabulary_mean};
use opened::Opened;
use rscir::index::{Answer, answer_batch};
use rscir::prelude::*;
use rscir::weicom::Posterior;

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    cli.check();
    cli.model.check()?;
    // What is quickly opened comes before the model, so that a mistake is told at once.
    let opened = cli.archive.as_deref().map(Opened::open).transpose()?;
    if opened.is_none() && !cli.model.is_demo() {
        anyhow::bail!("--archive DIR.rscir is needed with a model that is not the demo's");
    }
    for image in &cli.image {
        check::input(Some(image))?;
    }
    check::input(cli.vocabulary.as_deref())?;
    check::file(cli.html.as_deref())?;
    if let Some(opened) = &opened {
        check_keys(cli, &*opened.archive)?;
    }
    // A tile has its vector already.
    let needs_encoder = opened.is_none() || !cli.image.is_empty() || cli.has_texts();
    let encoder = needs_encoder.then(|| cli.model.load()).transpose()?;
    let opened = match (opened, &encoder) {
        (None, Some(encoder)) => Opened::demo(encoder)?,
        (opened, _) => opened.context("--archive DIR.rscir is needed")?,
    };
    let archive = &*opened.archive;
    check_keys(cli, archive)?;
    let method = method(cli, encoder.as_ref())?;
    let asked = Asked::new(cli, archive, encoder.as_ref(), method.kind().evidence().is_some())?;
    let answer = answer(cli, archive, &*method, &asked)?;
    if answer.hits.is_empty() {
        note!("{}", shown::nothing_found(cli, archive));
    }
    shown::say_learned(&answer, &asked, archive, &*method);
    if let Some(path) = &cli.html {
        answer_page::write(cli, path, &opened, &*method, &answer, &asked)?;
    }
    if cli.json {
        shown::json(&answer, &asked, archive, &*method);
    } else {
        shown::lines(&answer, &asked);
    }
    Ok(Outcome::Done)
}

/// How tiles are ranked: as is asked for, or by what the query has.
fn method(cli: &Cli, encoder: Option<&ClipEncoder>) -> anyhow::Result<Box<dyn Method>> {
    let MethodSpec::Posterior(config) = cli.method_spec() else {
        return Ok(cli.method_spec().build(&Resources::default())?);
    };
    let mean = match encoder {
        Some(encoder) if config.vocabulary > 0.0 && cli.has_texts() => {
            vocabulary_mean::of(cli.vocabulary.as_deref(), cli.model.is_demo(), encoder)?
        }
        _ => None,
    };
    Ok(Box::new(Posterior::new(config, mean)?))
}

fn answer(cli: &Cli, archive: &dyn Archive, method: &dyn Method, asked: &Asked) -> anyhow::Result<Answer> {
    // Tiles that were judged are not shown again.
    let is_new = |row: usize| !cli.judged().any(|key| key == archive.key(row));
    let mut options = SearchOptions::top(cli.top).exclude_query(true);
    options.matching = cli.filter.as_ref().map(|chosen| &chosen.filter);
    if cli.judged().next().is_some() {
        options.filter = Some(&is_new);
    }
    let mut answers = answer_batch(archive, method, std::slice::from_ref(&asked.query), &options)?;
    answers.pop().context("one query has one answer")
}
