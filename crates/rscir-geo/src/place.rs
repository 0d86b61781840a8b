use rscir_core::{Archive, Value};

use crate::{Footprint, area};

/// A row of an archive that has a place, with what is known of it: a hit of a search, to be put on a map.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Place<'a> {
    /// The row's key.
    pub key: &'a str,
    /// Where the tile lies.
    pub footprint: Footprint,
    /// Its position in an answer, from 1.
    pub rank: Option<usize>,
    /// Its score in an answer.
    pub score: Option<f32>,
    /// Its similarity to the query's image.
    pub image_similarity: Option<f32>,
    /// Its similarity to the query's text.
    pub text_similarity: Option<f32>,
    /// The values of its columns, but for `footprint`, by name.
    pub columns: Vec<(&'a str, Option<Value<'a>>)>,
}

impl Footprint {
    /// Reads where a row of an archive lies: by its column `footprint`, else by `west`, `south`, `east` and `north`. Returns
    /// `None` for a row that tells no place.
    ///
    /// # Panics
    /// If `row` is not below the archive's length, as a slice does.
    #[must_use]
    pub fn of_row(archive: &dyn Archive, row: usize) -> Option<Self> {
        area::of_row(archive, row)
    }
}

impl<'a> Place<'a> {
    /// Reads the key, the footprint and the columns of a row of an archive; `None` for a row that tells no place, by neither
    /// `footprint` nor `west`, `south`, `east` and `north`.
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

    /// Sets the position in an answer, from 1, and the score.
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

    /// What is known beside key and columns, by the names that it has in files.
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

/// The double whose shortest decimal is that of a single: 0.1 stays 0.1.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(value.into())
}

/// The name of a column in a file whose own columns have some names already.
pub(crate) fn column_name(name: &str) -> String {
    const TAKEN: [&str; 6] = ["key", "rank", "score", "image_similarity", "text_similarity", "wkt"];
    if TAKEN.contains(&name) { format!("column:{name}") } else { name.into() }
}
