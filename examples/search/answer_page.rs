//! The answer as an HTML page.

use std::path::Path;

use rscir::core::Value;
use rscir::images::{DecodeLimits, decode_file};
use rscir::index::Answer;
use rscir::page::{Page, Picture, Tile};
use rscir::prelude::*;

use crate::args::{Cli, Where};
use crate::asked::Asked;
use crate::common::out::note;
use crate::common::text::shown;
use crate::opened::Opened;
use crate::pictures::{self, Pictures};

/// Writes the page of an answer.
pub(crate) fn write(
    cli: &Cli,
    path: &Path,
    opened: &Opened,
    method: &dyn Method,
    answer: &Answer,
    asked: &Asked,
) -> anyhow::Result<()> {
    let archive = &*opened.archive;
    let folders = cli.scenes.clone().map_or_else(|| opened.roots.clone(), |folder| vec![folder]);
    let mut pictures = Pictures::new(folders, archive.spec().decoding.clone());
    let mut page = Page::new(title(cli));
    for (name, picture) in images(cli, archive, &mut pictures) {
        page = page.image(name, picture);
    }
    for text in &cli.text {
        page = page.text(text);
    }
    for note in notes(cli, archive, method, answer, asked) {
        page = page.note(note);
    }
    for i in 0..answer.hits.len() {
        page = page.tile(tile(i, answer, asked, archive, &mut pictures));
    }
    page.write(path)?;
    pictures.say_lacking();
    note!("written: {}", shown(path.display()));
    Ok(())
}

fn title(cli: &Cli) -> String {
    let name = cli.image.first().map(|file| file_name(file)).or_else(|| cli.key.clone());
    let name = name.or_else(|| cli.like.first().cloned());
    match (name, cli.text.join(", ")) {
        (Some(_), text) if !text.is_empty() => format!("This, but {text}"),
        (Some(name), _) => format!("Like {name}"),
        (None, text) => text,
    }
}

fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).display().to_string()
}

/// What was asked with, each with its picture if there is one.
fn images(cli: &Cli, archive: &dyn Archive, pictures: &mut Pictures) -> Vec<(String, Option<Picture>)> {
    let mut images = Vec::new();
    for file in &cli.image {
        // It has been decoded once before: if that fails now, the page has its name.
        let image = decode_file(file, &archive.spec().decoding, &DecodeLimits::default()).ok();
        images.push((file_name(file), image.and_then(|image| pictures::picture(&image).ok())));
    }
    for key in cli.key.iter().chain(&cli.like) {
        images.push((key.clone(), pictures.of_row(key)));
    }
    images
}

/// How tiles were ranked, among which, and what was learned.
fn notes(
    cli: &Cli,
    archive: &dyn Archive,
    method: &dyn Method,
    answer: &Answer,
    asked: &Asked,
) -> Vec<String> {
    let mut notes =
        vec![format!("Ranked by {} among the {} tiles of the archive.", method.label(), archive.len())];
    if let Some(Where { words, .. }) = &cli.filter {
        notes.push(format!("Only tiles with {words}."));
    }
    let Some(explanation) = &answer.explanation else { return notes };
    if let Some(lambda) = explanation.lambda() {
        notes.push(format!("The texts have {:.0} % of the weight.", 100.0 * lambda));
    }
    for (part, name) in explanation.parts.iter().zip(&asked.names) {
        notes.extend(part.fit.doubts().map(|doubt| format!("{name}: {doubt}.")));
    }
    notes
}

fn tile(i: usize, answer: &Answer, asked: &Asked, archive: &dyn Archive, pictures: &mut Pictures) -> Tile {
    let hit = &answer.hits[i];
    let mut tile = Tile::new(&hit.key, hit.score);
    for (name, part) in [("image", hit.image), ("text", hit.text)] {
        if let Some(part) = part {
            tile = tile.measure(name, part.similarity);
        }
    }
    for (name, &probability) in asked.names.iter().zip(answer.probabilities.get(i).into_iter().flatten()) {
        tile = tile.fact(name, format!("{:.0} %", 100.0 * probability));
    }
    for (name, _) in archive.columns() {
        if let Some(value) = archive.value(name, hit.row) {
            tile = tile.fact(name, value_of(value));
        }
    }
    match pictures.of_row(&hit.key) {
        Some(picture) => tile.picture(picture),
        None => tile,
    }
}

/// A column's value for people.
fn value_of(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.into(),
        Value::Floats(numbers) => {
            numbers.iter().map(|number| format!("{number:.6}")).collect::<Vec<_>>().join(", ")
        }
        value => value.to_string(),
    }
}
