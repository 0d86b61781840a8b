use std::path::Path;

use rscir_core::{Html, files};

use crate::map::{Backdrop, Map};
use crate::projection::named;
use crate::{Picture, Result, Ring, Tile};

/// Default limit for the pictures of a page, in bytes. A browser opens 16 MiB at once, and a thousand tiles
/// stay below it.
const PICTURE_BYTES: usize = 16 << 20;

/// Least filled share of a bar in percent, so that the lowest tile has a visible bar.
const MIN_BAR: f32 = 4.0;

/// An image or a text of the query.
#[derive(Debug, Clone, PartialEq)]
struct Part {
    name: String,
    picture: Option<Picture>,
    is_text: bool,
}

/// An answer to a query as one self-contained HTML page: the query, the tiles with pictures, scores and what
/// the scores are made of, and a map if the tiles have places.
///
/// The page opens from disk, also on a telephone. The documentation of the [crate](crate) begins with an
/// example.
#[derive(Debug, Clone)]
pub struct Page {
    title: String,
    parts: Vec<Part>,
    notes: Vec<String>,
    tiles: Vec<Tile>,
    area: Vec<Ring>,
    asked: Vec<Ring>,
    backdrops: Vec<Backdrop>,
    picture_bytes: usize,
}

impl Page {
    /// Begins a page with a title.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            parts: Vec::new(),
            notes: Vec::new(),
            tiles: Vec::new(),
            area: Vec::new(),
            asked: Vec::new(),
            backdrops: Vec::new(),
            picture_bytes: PICTURE_BYTES,
        }
    }

    /// Adds an image of the query by its name, with a picture if there is one.
    #[must_use]
    pub fn image(mut self, name: impl Into<String>, picture: Option<Picture>) -> Self {
        self.parts.push(Part { name: name.into(), picture, is_text: false });
        self
    }

    /// Adds a text of the query.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part { name: text.into(), picture: None, is_text: true });
        self
    }

    /// Adds a sentence below the query, such as how the tiles were ranked or by which filter they were
    /// chosen.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds the next tile of the answer. The first tile has rank 1.
    #[must_use]
    pub fn tile(mut self, tile: Tile) -> Self {
        self.tiles.push(tile);
        self
    }

    /// Sets the area that the query was limited to, which the map outlines. Default: none.
    #[must_use]
    pub fn area(self, rings: Vec<Ring>) -> Self {
        Self { area: rings, ..self }
    }

    /// Sets the place that the query's image is from, which the map outlines. Default: none.
    #[must_use]
    pub fn asked_at(self, rings: Vec<Ring>) -> Self {
        Self { asked: rings, ..self }
    }

    /// Adds a picture of the ground below the tiles of the map.
    #[must_use]
    pub fn backdrop(mut self, backdrop: Backdrop) -> Self {
        self.backdrops.push(backdrop);
        self
    }

    /// Sets the limit for the pictures of tiles, in bytes. Default: 16 MiB. Tiles beyond the limit show their
    /// key, and the page says how many they are.
    #[must_use]
    pub fn picture_bytes(self, bytes: usize) -> Self {
        Self { picture_bytes: bytes, ..self }
    }

    /// Returns the page as HTML text. The same page gives the same bytes.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut html = Html::default();
        html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        // The policy forbids all requests and scripts, whatever a name or a text holds.
        html.raw(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             img-src data:; base-uri 'none'; form-action 'none'\">\n",
        );
        html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        html.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
        // Without an icon in the page, a browser asks the server for one.
        html.raw("<link rel=\"icon\" href=\"data:,\">\n<title>").text(&self.title).raw("</title>\n<style>\n");
        html.raw(include_str!("page.css"));
        self.write_pairs(&mut html);
        html.raw("</style>\n</head>\n<body>\n");
        self.write_header(&mut html);
        html.raw("<main>\n");
        let Self { tiles, area, asked, backdrops, .. } = self;
        Map { tiles, area, asked, backdrops }.write(&mut html);
        self.write_tiles(&mut html);
        html.raw("</main>\n</body>\n</html>\n");
        html.into_string()
    }

    /// Writes the page to a file. An existing file is replaced once the new one is complete.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) with the path if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let html = self.to_html();
        Ok(files::replace(path, |out| out.write_all(html.as_bytes()))?)
    }

    /// Writes the CSS rules that mark a tile's place on the map while the pointer is on the tile, and the
    /// tile while the pointer is on its place. They do the work of a script.
    fn write_pairs(&self, html: &mut Html) {
        for (i, tile) in self.tiles.iter().enumerate() {
            let rank = i + 1;
            if !tile.rings.is_empty() {
                html.raw(&format!(
                    "body:has(#tile{rank}:hover) #place{rank} {{ --fill: .55; --line: 3; }} \
                     body:has(#place{rank}:hover) #tile{rank} {{ border-color: var(--accent); }}\n"
                ));
            }
        }
    }

    fn write_header(&self, html: &mut Html) {
        html.raw("<header>\n<h1>").text(&self.title).raw("</h1>\n");
        if !self.parts.is_empty() {
            html.raw("<div class=\"query\" role=\"group\" aria-label=\"What was asked\">\n");
            for part in &self.parts {
                self.write_part(part, html);
            }
            html.raw("</div>\n");
        }
        for note in &self.notes {
            html.raw("<p>").text(note).raw("</p>\n");
        }
        html.raw("</header>\n");
    }

    fn write_part(&self, part: &Part, html: &mut Html) {
        if part.is_text {
            html.raw("<p class=\"words\">“").text(&part.name).raw("”</p>\n");
            return;
        }
        html.raw("<figure>");
        if let Some(picture) = &part.picture {
            write_picture(picture, &format!("Query image {}", part.name), "", html);
        }
        html.raw("<figcaption>").text(&part.name).raw("</figcaption></figure>\n");
    }

    fn write_tiles(&self, html: &mut Html) {
        let count = self.tiles.len();
        html.raw("<section aria-labelledby=\"tiles\">\n<h2 id=\"tiles\">");
        match count {
            0 => html.raw("No tile found"),
            1 => html.raw("The best tile"),
            _ => html.raw(&format!("The {count} best tiles")),
        };
        html.raw("</h2>\n");
        let scales = self.scales();
        if count > 1 {
            html.raw(
                "<p>Bars reach from the lowest of these tiles to the highest, each by its own name.</p>\n",
            );
        }
        html.raw("<ol class=\"tiles\">\n");
        let mut bytes = self.picture_bytes;
        let mut left_out = 0;
        for (i, tile) in self.tiles.iter().enumerate() {
            let picture = tile.picture.as_ref().filter(|picture| {
                let left = bytes.checked_sub(picture.jpeg().len());
                left_out += usize::from(left.is_none());
                bytes = left.unwrap_or(bytes);
                left.is_some()
            });
            write_tile(i + 1, tile, picture, &scales, html);
        }
        html.raw("</ol>\n");
        if left_out > 0 {
            html.raw(&format!(
                "<p>{left_out} pictures are left out: the page holds {} MiB of them.</p>\n",
                self.picture_bytes >> 20
            ));
        }
        html.raw("</section>\n");
    }

    /// Returns the lowest and the highest value for each name of a number. The score comes first.
    fn scales(&self) -> Vec<(&str, [f32; 2])> {
        let mut scales: Vec<(&str, [f32; 2])> = Vec::new();
        for (name, value) in self.tiles.iter().flat_map(numbers).filter(|(_, value)| value.is_finite()) {
            match scales.iter_mut().find(|(known, _)| *known == name) {
                Some((_, [low, high])) => (*low, *high) = (low.min(value), high.max(value)),
                None => scales.push((name, [value; 2])),
            }
        }
        scales
    }
}

/// Returns the numbers of a tile with their names. The score comes first.
fn numbers(tile: &Tile) -> impl Iterator<Item = (&str, f32)> {
    let measures = tile.measures.iter().map(|(name, value)| (name.as_str(), *value));
    std::iter::once(("score", tile.score)).chain(measures)
}

fn write_tile(
    rank: usize,
    tile: &Tile,
    picture: Option<&Picture>,
    scales: &[(&str, [f32; 2])],
    html: &mut Html,
) {
    html.raw(&format!("<li id=\"tile{rank}\">\n"));
    match picture {
        Some(picture) => write_picture(picture, &format!("Tile {}", tile.key), " loading=\"lazy\"", html),
        None => {
            html.raw("<div class=\"missing\">no picture</div>");
        }
    }
    html.raw(&format!("\n<h3><span class=\"rank\">{rank}</span><span>"))
        .text(&tile.key)
        .raw("</span></h3>\n<dl class=\"numbers\">");
    for (name, value) in numbers(tile) {
        html.raw("<div><dt>").text(name).raw("</dt><dd>");
        if value.is_finite() {
            let scale =
                scales.iter().find(|(known, _)| *known == name).map_or([value; 2], |(_, scale)| *scale);
            html.raw(&format!("<svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect width=\"{:.1}\" height=\"8\"/></svg> {value:.4}", filled(value, scale)));
        } else {
            html.raw("not a number");
        }
        html.raw("</dd></div>");
    }
    html.raw("</dl>\n");
    if let Some([longitude, latitude]) = middle(&tile.rings) {
        html.raw(&format!(
            "<p class=\"place\"><a href=\"#place{rank}\" aria-label=\"Show rank {rank} on the map\">"
        ));
        html.text(&named(latitude, 5, ["S", "N"]))
            .raw(", ")
            .text(&named(longitude, 5, ["W", "E"]))
            .raw("</a></p>\n");
    }
    if !tile.facts.is_empty() {
        html.raw(&format!("<details><summary>{} more values</summary><dl>", tile.facts.len()));
        for (name, value) in &tile.facts {
            html.raw("<dt>").text(name).raw("</dt><dd>").text(value).raw("</dd>");
        }
        html.raw("</dl></details>\n");
    }
    html.raw("</li>\n");
}

fn write_picture(picture: &Picture, name: &str, attributes: &str, html: &mut Html) {
    html.raw(&format!(
        "<img width=\"{}\" height=\"{}\"{attributes} alt=\"",
        picture.width(),
        picture.height()
    ));
    html.text(name).raw("\" src=\"");
    picture.write_address(html);
    html.raw("\">");
}

/// Returns how much of a bar is filled, in percent.
fn filled(value: f32, [low, high]: [f32; 2]) -> f32 {
    let share = if high > low { (value - low) / (high - low) } else { 1.0 };
    MIN_BAR + (100.0 - MIN_BAR) * share
}

/// Returns the middle of a tile: the mean of the corners of its first ring. `None` without a ring.
fn middle(rings: &[Ring]) -> Option<[f64; 2]> {
    let corners = match rings.first()?.as_slice() {
        [first, others @ ..] if others.last() == Some(first) => others,
        ring => ring,
    };
    let mean = |at: usize| corners.iter().map(|corner| corner[at]).sum::<f64>() / corners.len() as f64;
    (!corners.is_empty()).then(|| [mean(0), mean(1)])
}
