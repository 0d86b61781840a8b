//! Searches an archive with images, texts and tiles that were judged.

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
#[path = "search/place_args.rs"]
mod place_args;
#[cfg_attr(feature = "geo", path = "search/places.rs")]
#[cfg_attr(not(feature = "geo"), path = "search/no_places.rs")]
mod places;
#[path = "search/query_image.rs"]
mod query_image;
#[path = "search/query_vectors.rs"]
mod query_vectors;
#[path = "search/shown.rs"]
mod shown;
#[path = "search/spark.rs"]
mod spark;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use args::Cli;
use asked::{Asked, check_keys};
use common::model::ModelArgs;
use common::out::{self, note};
use common::{Outcome, check, text, vocabulary_mean};
use opened::Opened;
use place_args::PlaceArgs;
use places::Places;
use query_image::QueryImage;
use rscir::core::Decoding;
use rscir::index::{Answer, answer_fastest, search_with};
use rscir::prelude::*;
use rscir::weicom::Posterior;

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    cli.check();
    cli.read_query_vectors()?;
    let places = Places::check(&cli.places)?;
    cli.model.check_files()?;
    if let (Some(address), Some(table)) = (&cli.engine.spark, &cli.engine.table) {
        check_outputs(cli)?;
        return spark::run(cli, &places, address, table);
    }
    // The archive is opened before the model is loaded, so that a mistake is reported at once.
    let opened = cli.archive.as_deref().map(Opened::open).transpose()?;
    let model = &match &opened {
        Some(opened) => cli.model.or_recorded(opened.archive.spec()),
        None => cli.model.clone(),
    };
    model.check()?;
    if opened.is_none() && !model.is_demo() {
        anyhow::bail!("--archive DIR.rscir is needed with a model that is not the demo's");
    }
    check::input(cli.vocabulary.as_deref())?;
    check_outputs(cli)?;
    if let Some(opened) = &opened {
        check_keys(cli, &*opened.archive)?;
    }
    let images = query_images(cli, &places, &model.decoding(), opened.as_ref())?;
    // A query of tiles alone needs no encoder, because tiles have vectors.
    let needs_encoder = opened.is_none() || !images.is_empty() || cli.encodes_texts();
    let encoder = needs_encoder.then(|| model.load()).transpose()?;
    let opened = match (opened, &encoder) {
        (None, Some(encoder)) => Opened::demo(encoder)?,
        (opened, _) => opened.context("--archive DIR.rscir is needed")?,
    };
    let archive = &*opened.archive;
    check_keys(cli, archive)?;
    cli.vectors.get().map_or(Ok(()), |vectors| vectors.check(archive.spec().dim))?;
    let method = method(cli, model, encoder.as_ref())?;
    let asked = Asked::new(cli, archive, &images, encoder.as_ref(), method.kind().evidence().is_some())?;
    let answer = answer(cli, &places, archive, &*method, &asked)?;
    if answer.hits.is_empty() {
        note!("{}", shown::nothing_found(cli, archive));
    }
    if let Some(path) = &cli.html {
        let page = answer_page::page(cli, &opened, &*method, &answer, &asked, &images)?;
        page.area(places.area()).write(path)?;
        note!("written: {}", text::shown(path.display()));
    }
    places.write(archive, &answer.hits)?;
    if let Some(rows) = places.heatmap_rows(archive, &answer.hits)? {
        let of_scene = |row: usize| rows[row];
        let options = SearchOptions::top(archive.len()).filter(&of_scene);
        let tiles = search_with(archive, &*method, &asked.query, &options)?;
        places.write_heatmap(archive, cli.folders(&opened), &tiles)?;
    }
    if cli.json {
        shown::json(&answer, &asked, archive, &*method);
    } else {
        shown::lines(&answer, &asked);
    }
    // If the reader of standard output has gone away, there is nobody to tell.
    if out::is_read() {
        shown::say_learned(&answer, &asked, archive, &*method);
    }
    Ok(Outcome::Done)
}

/// Builds the method that ranks the tiles: the one that is named, or the one for the parts of the query.
fn method(cli: &Cli, model: &ModelArgs, encoder: Option<&ClipEncoder>) -> anyhow::Result<Box<dyn Method>> {
    let MethodSpec::Posterior(config) = cli.method_spec() else {
        return Ok(cli.method_spec().build(&Resources::default())?);
    };
    let mean = match encoder {
        Some(encoder) if config.vocabulary > 0.0 && cli.has_texts() => {
            vocabulary_mean::of(cli.vocabulary.as_deref(), model.is_demo(), encoder)?
        }
        _ => None,
    };
    Ok(Box::new(Posterior::new(config, mean)?))
}

/// Returns the best hits among the rows that the options admit, at distinct places with `--distinct`.
fn answer(
    cli: &Cli,
    places: &Places,
    archive: &dyn Archive,
    method: &dyn Method,
    asked: &Asked,
) -> anyhow::Result<Answer> {
    let in_area = places.rows(archive)?;
    // Tiles that were judged are not shown again.
    let is_new = |row: usize| !cli.judged().any(|key| key == archive.key(row));
    let is_asked_for = |row: usize| in_area.as_ref().is_none_or(|rows| rows[row]) && is_new(row);
    let mut options = SearchOptions::top(cli.top).exclude_query(true);
    options.matching = cli.filter.as_ref().map(|chosen| &chosen.filter);
    if in_area.is_some() || cli.judged().next().is_some() {
        options.filter = Some(&is_asked_for);
    }
    // It is not known before how many hits are at places that are taken, so the search takes more until there are
    // enough.
    if places.are_distinct() {
        options.k = cli.top.saturating_mul(4);
    }
    loop {
        let (mut answer, _) = answer_fastest(archive, method, &asked.query, &options)?;
        if !places.are_distinct() {
            return Ok(answer);
        }
        let kept = places.distinct(archive, &answer.hits, cli.top);
        if kept.len() >= cli.top || answer.hits.len() < options.k {
            answer.hits = kept.iter().map(|&i| answer.hits[i].clone()).collect();
            if !answer.probabilities.is_empty() {
                answer.probabilities = kept.iter().map(|&i| answer.probabilities[i].clone()).collect();
            }
            return Ok(answer);
        }
        options.k = options.k.saturating_mul(4);
    }
}

/// Checks that the files to write are distinct and can be written.
fn check_outputs(cli: &Cli) -> anyhow::Result<()> {
    let PlaceArgs { geojson, csv, heatmap, .. } = &cli.places;
    let outputs = [&cli.html, geojson, csv, heatmap].map(Option::as_ref);
    check::distinct(&outputs)?;
    outputs.iter().try_for_each(|output| check::file(output.map(PathBuf::as_path)))
}

/// Reads the images of the query: files, windows of files, and the window at a place, which is read from the
/// archive's scenes.
fn query_images(
    cli: &Cli,
    places: &Places,
    decoding: &Decoding,
    opened: Option<&Opened>,
) -> anyhow::Result<Vec<QueryImage>> {
    let archive = opened.map(|opened| &*opened.archive);
    let read = |path: &PathBuf| QueryImage::read(path, cli.window, decoding, archive);
    let mut images: Vec<QueryImage> = cli.image.iter().map(read).collect::<anyhow::Result<_>>()?;
    if cli.places.at.is_some() {
        let opened = opened
            .context("--at is a place in the archive's scenes: name the archive with --archive DIR.rscir")?;
        images.extend(places.at(&*opened.archive, cli.folders(opened))?);
    }
    Ok(images)
}
