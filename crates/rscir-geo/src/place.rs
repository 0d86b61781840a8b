use rscir_core::{Archive, Value};

use crate::{Footprint, area};

/// A row of an archive that lies on the ground: its key, footprint and columns, and for a hit of a search its rank and
/// scores.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Place<'a> {
    /// Key of the row.
    pub key: &'a str,
    /// Footprint of the tile.
    pub footprint: Footprint,
    /// Position among the hits of a search, from 1.
    pub rank: Option<usize>,
    /// Score in a search.
    pub score: Option<f32>,
    /// Similarity to the query's image.
    pub image_similarity: Option<f32>,
    /// Similarity to the query's text.
    pub text_similarity: Option<f32>,
    /// Names and values of the row's columns, without `footprint`. `None`: the row has no value.
    pub columns: Vec<(&'a str, Option<Value<'a>>)>,
}

impl Footprint {
    /// Reads the footprint of an archive's row from its column `footprint`, else from `west`, `south`, `east` and
    /// `north`. Returns `None` for a row that has neither.
    ///
    /// # Panics
    /// If `row` is not below the archive's length, as a slice does.
    #[must_use]
    pub fn of_row(archive: &dyn Archive, row: usize) -> Option<Self> {
        area::of_row(archive, row)
    }
}

impl<'a> Place<'a> {
    /// Reads the key, the footprint and the columns of an archive's row. Returns `None` for a row without a footprint, as
    /// [`Footprint::of_row`] does.
    ///
    /// # Panics
    /// If `row` is not below the archive's length, as a slice does.
    #[must_use]
    pub fn of_row(archive: &'a dyn Archive, row: usize) -> Option<Self> {
        let footprint = area::of_row(archive, row)?;
        let names = archive.columns().into_iter().map(|(name, _)| name).filter(|name| *name != "footprint");
        let columns = names.map(|name| (name, archive.value(name, row))).collect();
        let key = archive.key(row);
        Some(Self {
            key,
            footprint,
            rank: None,
            score: None,
            image_similarity: None,
            text_similarity: None,
            columns,
        })
    }

    /// Sets the position among the hits, from 1, and the score.
    #[must_use]
    pub fn ranked(mut self, rank: usize, score: f32) -> Self {
        (self.rank, self.score) = (Some(rank), Some(score));
        self
    }

    /// Sets the similarities to the query's image and to its text.
    #[must_use]
    pub fn similarities(mut self, image: Option<f32>, text: Option<f32>) -> Self {
        (self.image_similarity, self.text_similarity) = (image, text);
        self
    }

    /// Returns rank, score and similarities with the names that they have in files. `None`: not known.
    pub(crate) fn numbers(&self) -> [(&'static str, Option<f64>); 4] {
        let number = |value: Option<f32>| value.map(shortest);
        [
            ("rank", self.rank.map(|rank| rank as f64)),
            ("score", number(self.score)),
            ("image_similarity", number(self.image_similarity)),
            ("text_similarity", number(self.text_similarity)),
        ]
    }
}

/// Returns the double with the same shortest decimal as a single, so that files say 0.1 and not 0.10000000149011612.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(value.into())
}

/// Returns the name of an archive's column in a file. A name that the file uses itself gets the prefix `column:`.
pub(crate) fn column_name(name: &str) -> String {
    const TAKEN: [&str; 6] = ["key", "rank", "score", "image_similarity", "text_similarity", "wkt"];
    if TAKEN.contains(&name) { format!("column:{name}") } else { name.into() }
}
