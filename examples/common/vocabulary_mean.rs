//! Files of the mean text feature of a vocabulary, which the program `vocabulary_mean` writes and other programs
//! read.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rscir::core::files::{self, read_text};
use rscir::prelude::*;
use rscir::weicom::{Vocabulary, VocabularyMean};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::demo;
use super::out::note;

/// Most bytes of such a file that are read. A mean of some thousand numbers takes a hundredth of them.
const LONGEST: u64 = 4 << 20;

/// Most bytes of a list of words that are read. The longest of BASIC's corpora takes a hundredth of them.
const LONGEST_LIST: u64 = 16 << 20;

/// Returns the path of the list of words that comes with the repository, BASIC's subjects.
pub fn default_words() -> anyhow::Result<PathBuf> {
    Ok(demo::data()?.join("basic_corpora/generic_subjects.csv"))
}

/// Reads a list of words from a CSV file of one column, whose first line is the column's name. Returns the words
/// and the SHA-256 of the file.
pub fn read_words(path: &Path) -> anyhow::Result<(Vec<String>, String)> {
    let text = read_text(path, LONGEST_LIST)?;
    let words: Vec<String> = text.lines().skip(1).map(|line| line.trim_matches('"').to_string()).collect();
    anyhow::ensure!(!words.is_empty(), "{}: there are no words after the first line", path.display());
    let hash = Sha256::digest(text.as_bytes());
    Ok((words, hash.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Computes the mean of a list of words under an encoder.
pub fn compute(words: &Path, encoder: &ClipEncoder) -> anyhow::Result<VocabularyMean> {
    let (list, _) = read_words(words)?;
    let vocabulary = Vocabulary::encode(list, encoder)?;
    Ok(VocabularyMean::of(&vocabulary, encoder.spec().clone())?)
}

/// Writes the mean of a list of words. The file is written whole or not at all.
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

/// Reads the mean in a file, or the demo's for the demo's model. For another model without a file it says that
/// there is none, and returns `None`.
pub fn of(
    file: Option<&Path>,
    is_demo: bool,
    encoder: &ClipEncoder,
) -> anyhow::Result<Option<VocabularyMean>> {
    let Some(mean) = at_hand(file, is_demo)? else {
        note!(
            "texts are used as they are, because there is no vocabulary's mean for this model: make one with \
             `vocabulary_mean` and name it with --vocabulary FILE"
        );
        return Ok(None);
    };
    mean.spec().check(encoder.spec()).context("the vocabulary's mean is of another model")?;
    Ok(Some(mean))
}

/// Reads the mean in a file, or the demo's for the demo's model, or returns `None`. The caller has to compare the
/// mean's encoder with its own.
pub fn at_hand(file: Option<&Path>, is_demo: bool) -> anyhow::Result<Option<VocabularyMean>> {
    let path = match file {
        Some(file) => file.to_owned(),
        None if is_demo => demo::path("model/vocabulary_mean.json")?,
        None => return Ok(None),
    };
    let mean = read(&path).with_context(|| format!("{}: this is not a vocabulary's mean", path.display()))?;
    Ok(Some(mean))
}

/// Reads a file of a mean.
fn read(path: &Path) -> anyhow::Result<VocabularyMean> {
    let value: Value = serde_json::from_str(&read_text(path, LONGEST)?)?;
    let field = |name: &str| value.get(name).with_context(|| format!("it has no `{name}`")).cloned();
    let spec: EncoderSpec = serde_json::from_value(field("encoder")?)?;
    let mean: Vec<f32> = serde_json::from_value(field("mean")?)?;
    let words: usize = serde_json::from_value(field("words")?)?;
    Ok(VocabularyMean::new(spec, words, mean)?)
}
