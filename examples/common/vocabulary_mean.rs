//! The mean text feature of a vocabulary, as a file: made by the program `vocabulary_mean`, used by `search`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rscir::core::files::{self, read_text};
use rscir::prelude::*;
use rscir::weicom::{Vocabulary, VocabularyMean};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::demo;
use super::out::note;

/// Bytes of such a file that are read at most: thousands of numbers take a hundredth of it.
const LONGEST: u64 = 4 << 20;

/// Bytes of a list of words that are read at most: the longest of BASIC's corpora has a hundredth of it.
const LONGEST_LIST: u64 = 16 << 20;

/// The list of words that comes with the repository: BASIC's subjects.
pub fn default_words() -> anyhow::Result<PathBuf> {
    Ok(demo::data()?.join("basic_corpora/generic_subjects.csv"))
}

/// Reads a list of words, a column of a csv file whose first row is the column's name, with the SHA-256 of the file.
pub fn read_words(path: &Path) -> anyhow::Result<(Vec<String>, String)> {
    let text = read_text(path, LONGEST_LIST)?;
    let words: Vec<String> = text.lines().skip(1).map(|line| line.trim_matches('"').to_string()).collect();
    anyhow::ensure!(!words.is_empty(), "{}: no words after the first line", path.display());
    let hash = Sha256::digest(text.as_bytes());
    Ok((words, hash.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Computes the mean of a list of words under an encoder.
pub fn compute(words: &Path, encoder: &ClipEncoder) -> anyhow::Result<VocabularyMean> {
    let (list, _) = read_words(words)?;
    let vocabulary = Vocabulary::encode(list, encoder)?;
    Ok(VocabularyMean::of(&vocabulary, encoder.spec().clone())?)
}

/// Writes the mean of a list of words, whole or not at all.
pub fn write(path: &Path, words: &Path, mean: &VocabularyMean) -> anyhow::Result<()> {
    let (_, hash) = read_words(words)?;
    let value = json!({
        "words": mean.words(),
        "words_sha256": hash,
        "encoder": mean.spec(),
        "mean": mean.vector(),
    });
    let text = format!("{value}\n");
    Ok(files::replace(path, |out| out.write_all(text.as_bytes()))?)
}

/// The mean in a file, or the demo's for the demo's model; none for others, which is said.
pub fn of(
    file: Option<&Path>,
    is_demo: bool,
    encoder: &ClipEncoder,
) -> anyhow::Result<Option<VocabularyMean>> {
    let Some(mean) = at_hand(file, is_demo)? else {
        note!(
            "texts ask as they are, as there is no vocabulary's mean for this model: make one with `vocabulary_mean` and \
             name it with --vocabulary FILE"
        );
        return Ok(None);
    };
    mean.spec().check(encoder.spec()).context("the vocabulary's mean is of another model")?;
    Ok(Some(mean))
}

/// The mean in a file, or the demo's; whoever uses it compares its encoder with theirs.
pub fn at_hand(file: Option<&Path>, is_demo: bool) -> anyhow::Result<Option<VocabularyMean>> {
    let path = match file {
        Some(file) => file.to_owned(),
        None if is_demo => demo::path("model/vocabulary_mean.json")?,
        None => return Ok(None),
    };
    let mean = read(&path).with_context(|| format!("{} is no vocabulary's mean", path.display()))?;
    Ok(Some(mean))
}

fn read(path: &Path) -> anyhow::Result<VocabularyMean> {
    let value: Value = serde_json::from_str(&read_text(path, LONGEST)?)?;
    let field = |name: &str| value.get(name).with_context(|| format!("it has no `{name}`")).cloned();
    let spec: EncoderSpec = serde_json::from_value(field("encoder")?)?;
    let mean: Vec<f32> = serde_json::from_value(field("mean")?)?;
    let words: usize = serde_json::from_value(field("words")?)?;
    Ok(VocabularyMean::new(spec, words, mean)?)
}
