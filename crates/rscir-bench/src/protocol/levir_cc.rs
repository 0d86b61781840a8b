use std::path::Path;

use rscir_core::{Archive, files};

use super::lines::{MAX_FILE_BYTES, field_problem, file_name, shortened};
use super::pairs::{Pair, pair_queries};
use super::{DatasetReport, Protocol};
use crate::{Error, QuerySet, Result};

/// LEVIR-CC as retrieval: an image and a sentence on what changed are the query, and the image of the same
/// place at a later time is relevant.
///
/// Only pairs with a change have queries. There is one group for each split. The keys of the images are
/// `images/<split>/A/<name>` and `.../B/<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevirCc {
    pairs: Vec<Pair>,
    file: String,
}

/// An entry of `images` in `LevirCCcaptions.json`.
#[derive(serde::Deserialize)]
struct LevirEntry {
    filename: String,
    split: String,
    changeflag: u8,
    sentences: Vec<LevirSentence>,
}

/// An entry with queries. It is checked while it is read, so that an error knows its line.
#[derive(serde::Deserialize)]
#[serde(try_from = "LevirEntry")]
struct LevirImage {
    filename: String,
    split: String,
    changed: bool,
    sentences: Vec<String>,
}

impl TryFrom<LevirEntry> for LevirImage {
    type Error = String;

    fn try_from(entry: LevirEntry) -> std::result::Result<Self, String> {
        let sentences: Vec<String> = entry.sentences.into_iter().map(|s| s.raw.trim().into()).collect();
        let names = [("filename", &entry.filename), ("split", &entry.split)];
        for (what, field) in names.into_iter().chain(sentences.iter().map(|raw| ("sentence", raw))) {
            if let Some(problem) = field_problem(what, field) {
                return Err(problem);
            }
        }
        for (what, name) in names {
            if name.contains(['/', '\\']) || name == ".." {
                return Err(format!("the {what} {name:?} names a folder: give the base name alone"));
            }
        }
        if entry.changeflag > 1 {
            return Err(format!("the changeflag is {}: it must be 0 or 1", entry.changeflag));
        }
        let changed = entry.changeflag == 1;
        Ok(Self { filename: entry.filename, split: entry.split, changed, sentences })
    }
}

#[derive(serde::Deserialize)]
struct LevirSentence {
    raw: String,
}

#[derive(serde::Deserialize)]
struct LevirFile {
    images: Vec<LevirImage>,
}

impl LevirCc {
    /// Reads `LevirCCcaptions.json`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Line`] if it is not JSON of the expected form.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = files::read_text(path, MAX_FILE_BYTES)?;
        let file: LevirFile = serde_json::from_str(&text).map_err(|error| {
            let error_text = shortened(&error.to_string());
            let problem =
                format!("{error_text}: expected images with filename, split, changeflag, sentences[].raw");
            Error::Line { path: path.into(), line: error.line() as u64, problem }
        })?;
        let mut pairs = Vec::new();
        for (entry, image) in (1..).zip(&file.images).filter(|(_, image)| image.changed) {
            let key = |side| format!("images/{}/{side}/{}", image.split, image.filename);
            for sentence in &image.sentences {
                pairs.push(Pair {
                    line: entry,
                    group: image.split.clone(),
                    image: key("A"),
                    texts: vec![sentence.clone()],
                    target: key("B"),
                });
            }
        }
        Ok(Self { pairs, file: file_name(path) })
    }
}

impl Protocol for LevirCc {
    fn name(&self) -> &'static str {
        "LEVIR-CC"
    }

    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, DatasetReport)> {
        pair_queries(&self.pairs, 0, &self.file, archive)
    }

    fn cutoffs(&self) -> &'static [usize] {
        &[1, 5, 10]
    }
}
