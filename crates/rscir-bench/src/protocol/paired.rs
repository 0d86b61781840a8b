//! Benchmarks of scenes before and after: one target a query.

use std::collections::BTreeSet;
use std::path::Path;

use rscir_core::{Archive, files};

use super::csv_file::read_csv;
use super::lines::{LARGEST_FILE, field_problem, file_name, shortened};
use super::set_builder::SetBuilder;
use super::{Finding, Protocol};
use crate::{Error, QuerySet, Result};

/// One query with one target.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    /// Where its file names it, as [`Finding::line`] has it.
    line: u64,
    group: String,
    image: String,
    texts: Vec<String>,
    target: String,
}

fn pair_queries(
    pairs: &[Pair],
    text: usize,
    file: &str,
    archive: &dyn Archive,
) -> Result<(QuerySet, Vec<Finding>)> {
    let mut builder = SetBuilder::new(archive);
    for pair in pairs {
        let Some(words) = pair.texts.get(text) else { continue };
        let image = builder.row(&pair.image, file, pair.line, words);
        let target = builder.row(&pair.target, file, pair.line, words);
        if let (Some(image), Some(target)) = (image, target) {
            builder.add(&pair.group, image, words, BTreeSet::from([target]));
        }
    }
    builder.finish()
}

/// Which of its three texts xView2-CIR asks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum XviewText {
    /// "post flood".
    #[default]
    Default,
    /// The first alternative.
    First,
    /// The second alternative.
    Second,
}

/// xView2-CIR: scenes before a disaster ask for themselves after it (github billpsomas/rscir, `xview2_cir.csv`).
///
/// One group an event, such as `palu-tsunami`. The images' keys are the paths of the csv file, with `.tif` or `.png`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XviewCir {
    pairs: Vec<Pair>,
    file: String,
    /// The texts that are asked with.
    pub text: XviewText,
}

impl XviewCir {
    /// Reads `xview2_cir.csv`: a header `image,query_default,query_alt1,query_alt2,target`, then one query a row.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Line`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        const COLUMNS: [&str; 5] = ["image", "query_default", "query_alt1", "query_alt2", "target"];
        let path = path.as_ref();
        let mut records = read_csv(path)?;
        let bad = |line, problem| Error::Line { path: path.into(), line, problem };
        match records.next().transpose()? {
            Some(header) if header.fields == COLUMNS => {}
            header => {
                let line = header.map_or(1, |header| header.line);
                return Err(bad(line, format!("expected the header {}", COLUMNS.join(","))));
            }
        }
        let pairs = records.map(|record| {
            let record = record?;
            let got = record.count;
            let [image, texts @ .., target] = record.fields.as_slice() else {
                return Err(bad(record.line, format!("expected 5 columns, got {got}")));
            };
            if got != COLUMNS.len() {
                return Err(bad(
                    record.line,
                    format!("expected 5 columns ({}), got {got}", COLUMNS.join(",")),
                ));
            }
            for (what, field) in COLUMNS.into_iter().zip(&record.fields) {
                if let Some(problem) = field_problem(what, field) {
                    return Err(bad(record.line, problem));
                }
            }
            let event = event(image).ok_or_else(|| {
                bad(record.line, format!("expected <event>_<id>_pre_disaster as the image, got {image:?}"))
            })?;
            let (image, target) = (image.clone(), target.clone());
            Ok(Pair { line: record.line, group: event.into(), image, texts: texts.to_vec(), target })
        });
        let pairs = pairs.collect::<Result<_>>()?;
        Ok(Self { pairs, file: file_name(path), text: XviewText::Default })
    }

    /// Number of queries in the file.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// True without queries.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// `palu-tsunami` of `test/images/palu-tsunami_00000193_pre_disaster.tif`.
fn event(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?;
    let (event, _) = name.split_once('_')?;
    (!event.is_empty()).then_some(event)
}

impl Protocol for XviewCir {
    fn name(&self) -> &'static str {
        "xView2-CIR"
    }

    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, Vec<Finding>)> {
        pair_queries(&self.pairs, self.text as usize, &self.file, archive)
    }

    fn cutoffs(&self) -> &'static [usize] {
        &[1, 5, 10]
    }
}

/// LEVIR-CC as retrieval: an image asks, with a sentence on what changed, for the image of the same place later.
///
/// Only changed pairs ask; one group a split. The images' keys are `images/<split>/A/<name>` and `.../B/<name>`.
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

/// An entry that can ask. Checked while it is read, so that an error knows its line.
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
    /// [`Error::Io`]; [`Error::Line`] for what is not JSON of its schema.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = files::read_text(path, LARGEST_FILE)?;
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

    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, Vec<Finding>)> {
        pair_queries(&self.pairs, 0, &self.file, archive)
    }

    fn cutoffs(&self) -> &'static [usize] {
        &[1, 5, 10]
    }
}
