//! The answer as an HTML page.

use rscir::core::Value;
use rscir::page::{Page, Picture, Tile};
use rscir::prelude::*;

use crate::pictures::Pictures;

/// What was asked, as the page shows it.
pub(crate) struct Asked<'a> {
    /// The name of the image, and its picture if there is one.
    pub(crate) image: Option<(String, Option<Picture>)>,
    pub(crate) text: Option<&'a str>,
    /// How tiles were ranked, and among which.
    pub(crate) notes: Vec<String>,
}

/// Makes the page of an answer.
pub(crate) fn page(asked: Asked<'_>, hits: &[Hit], archive: &dyn Archive, pictures: &mut Pictures) -> Page {
    let title = match (&asked.image, asked.text) {
        (Some(_), Some(text)) => format!("This, but {text}"),
        (Some((name, _)), None) => format!("Like {name}"),
        (None, text) => text.unwrap_or_default().to_owned(),
    };
    let mut page = Page::new(title);
    if let Some((name, picture)) = asked.image {
        page = page.image(name, picture);
    }
    if let Some(text) = asked.text {
        page = page.text(text);
    }
    page = asked.notes.into_iter().fold(page, Page::note);
    hits.iter().fold(page, |page, hit| page.tile(tile(hit, archive, pictures)))
}

fn tile(hit: &Hit, archive: &dyn Archive, pictures: &mut Pictures) -> Tile {
    let mut tile = Tile::new(&hit.key, hit.score);
    for (name, part) in [("image", hit.image), ("text", hit.text)] {
        if let Some(part) = part {
            tile = tile.measure(name, part.similarity);
        }
    }
    for (name, _) in archive.columns() {
        if let Some(value) = archive.value(name, hit.row) {
            tile = tile.fact(name, shown(value));
        }
    }
    match pictures.of_row(&hit.key) {
        Some(picture) => tile.picture(picture),
        None => tile,
    }
}

/// A column's value for people.
fn shown(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.into(),
        Value::Floats(numbers) => {
            numbers.iter().map(|number| format!("{number:.6}")).collect::<Vec<_>>().join(", ")
        }
        value => value.to_string(),
    }
}
