//! Makes the HTML page of an answer.

use rscir::core::Value;
use rscir::index::Answer;
use rscir::page::{Page, Ring, Tile};
use rscir::prelude::*;

use crate::args::{Cli, Where};
use crate::asked::Asked;
use crate::opened::Opened;
use crate::pictures::{self, Pictures};
use crate::places::place_of;
use crate::query_image::QueryImage;

/// Makes the page of an answer.
pub(crate) fn page(
    cli: &Cli,
    opened: &Opened,
    method: &dyn Method,
    answer: &Answer,
    asked: &Asked,
    images: &[QueryImage],
) -> anyhow::Result<Page> {
    let archive = &*opened.archive;
    let mut pictures = Pictures::new(archive, cli.folders(opened));
    let mut page = Page::new(title(cli, images));
    let mut places: Vec<Ring> = Vec::new();
    for image in images {
        let shown = image.colors.as_ref().ok().and_then(|colors| pictures::picture(colors).ok());
        page = page.image(&image.name, shown);
        places.extend(image.rings.iter().cloned());
    }
    for key in cli.key.iter().chain(&cli.like) {
        page = page.image(key, pictures.of_row(key));
        places.extend(archive.find(key).map(|row| place_of(archive, row)).unwrap_or_default());
    }
    if let Some(vectors) = cli.vectors.get() {
        page = page.image(&vectors.name, None);
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
    let keys: Vec<&str> = answer.hits.iter().map(|hit| hit.key.as_str()).collect();
    page = pictures.backdrops(&keys).into_iter().fold(page.asked_at(places), Page::backdrop);
    pictures.say_lacking();
    Ok(page)
}

/// Makes the title of the page from the first image and the texts.
fn title(cli: &Cli, images: &[QueryImage]) -> String {
    let of_file = cli.vectors.get().map(|vectors| &vectors.name);
    let name = images.first().map(|image| &image.name).or(cli.key.as_ref()).or(of_file).or(cli.like.first());
    match (name, cli.text.join(", ")) {
        (Some(_), text) if !text.is_empty() => format!("This, but {text}"),
        (Some(name), _) => format!("Like {name}"),
        (None, text) => text,
    }
}

/// Makes the notes of the page: how tiles were ranked, among which tiles, and what the method learned.
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
    if let Some(within) = &cli.places.within {
        notes.push(format!("Only tiles within {within}."));
    }
    if let Some(share) = cli.places.distinct {
        notes.push(format!(
            "The best tile of each place: no two have more than {share} of what they cover together in common."
        ));
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

fn tile(
    i: usize,
    answer: &Answer,
    asked: &Asked,
    archive: &dyn Archive,
    pictures: &mut Pictures<'_>,
) -> Tile {
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
    tile = tile.place(place_of(archive, hit.row));
    match pictures.of_row(&hit.key) {
        Some(picture) => tile.picture(picture),
        None => tile,
    }
}

/// Writes a column's value for people.
fn value_of(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.into(),
        Value::Floats(numbers) => {
            numbers.iter().map(|number| format!("{number:.6}")).collect::<Vec<_>>().join(", ")
        }
        value => value.to_string(),
    }
}
