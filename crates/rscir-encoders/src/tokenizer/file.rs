//! A tokenizer that a `tokenizer.json` describes.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{PostProcessor, TruncationParams};

use super::Cleaning;
use crate::{Error, Result, reading};

/// Bytes that a `tokenizer.json` may have; Gemma's, of 256,000 tokens, has 34 million.
pub(super) const MOST_BYTES: u64 = 64 << 20;

/// Bytes that a `tokenizer_config.json` may have. Those of models with many added tokens list each of them again.
const MOST_CONFIG_BYTES: u64 = 16 << 20;

pub(super) struct FileTokenizer {
    path: PathBuf,
    tokenizer: tokenizers::Tokenizer,
    cleaning: Option<Cleaning>,
    padding: Option<u32>,
    vocabulary: usize,
}

impl FileTokenizer {
    pub(super) fn new(path: &Path, bytes: &[u8], context: usize, cleaning: Option<Cleaning>) -> Result<Self> {
        let unusable = |source| Error::Tokenizer { path: path.into(), source };
        check_merges(bytes).map_err(unusable)?;
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes).map_err(unusable)?;
        let padding = match tokenizer.get_padding() {
            Some(padding) => Some(padding.pad_id),
            None => configured_padding(path, &tokenizer)?,
        };
        let frame = tokenizer.get_post_processor().map_or(0, |frame| frame.added_tokens(false));
        if frame >= context {
            return Err(Error::ConfigValue {
                key: "context_length".into(),
                got: context.to_string(),
                expected: "longer than the frame that the tokenizer puts around a text",
            });
        }
        // Texts are padded where they are batched, and cut so that the frame stays.
        let truncation = TruncationParams { max_length: context, ..Default::default() };
        tokenizer.with_padding(None).with_truncation(Some(truncation)).map_err(unusable)?;
        let largest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        let vocabulary = largest as usize + 1;
        Ok(Self { path: path.into(), tokenizer, cleaning, padding, vocabulary })
    }

    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.ids(text, true)
    }

    pub(super) fn encode_bare(&self, text: &str) -> Result<Vec<u32>> {
        self.ids(text, false)
    }

    fn ids(&self, text: &str, framed: bool) -> Result<Vec<u32>> {
        let cleaned = self.cleaning.map(|cleaning| cleaning.apply(text));
        let encoding = self
            .tokenizer
            .encode(cleaned.as_deref().unwrap_or(text), framed)
            .map_err(|source| Error::Tokenizer { path: self.path.clone(), source })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// If a file says it.
    pub(super) fn padding(&self) -> Option<u32> {
        self.padding
    }

    pub(super) fn vocabulary(&self) -> usize {
        self.vocabulary
    }
}

/// The id of `pad_token` in the `tokenizer_config.json` beside the tokenizer, if there is one.
fn configured_padding(path: &Path, tokenizer: &tokenizers::Tokenizer) -> Result<Option<u32>> {
    #[derive(Deserialize)]
    struct Config {
        pad_token: Option<Value>,
    }
    let path = path.with_file_name("tokenizer_config.json");
    let Some(bytes) = reading::read_if_there(&path, MOST_CONFIG_BYTES)? else { return Ok(None) };
    let config: Config = serde_json::from_slice(&bytes).map_err(|source| Error::Config { path, source })?;
    // Either the token itself or an object that describes it.
    let token = config.pad_token.as_ref().and_then(|t| t.get("content").unwrap_or(t).as_str());
    Ok(token.and_then(|token| tokenizer.token_to_id(token)))
}

/// `Ok` unless a merge gives a token that the vocabulary lacks: the tokenizers crate takes that for granted.
fn check_merges(bytes: &[u8]) -> tokenizers::Result<()> {
    #[derive(Deserialize)]
    struct File {
        model: Model,
    }
    #[derive(Deserialize)]
    struct Model {
        #[serde(default)]
        merges: Vec<Merge>,
        #[serde(default)]
        vocab: Value,
        continuing_subword_prefix: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Merge {
        Pair(String, String),
        Line(String),
    }
    let file: File = serde_json::from_slice(bytes)?;
    let prefix = file.model.continuing_subword_prefix.unwrap_or_default();
    for merge in &file.model.merges {
        let pair = match merge {
            Merge::Pair(a, b) => Some((a.as_str(), b.as_str())),
            Merge::Line(line) => line.split_once(' '),
        };
        let product = pair.and_then(|(a, b)| Some(format!("{a}{}", b.strip_prefix(&*prefix)?)));
        if product.as_ref().is_none_or(|token| file.model.vocab.get(token).is_none()) {
            let merge = pair.map_or(String::new(), |(a, b)| format!("{a} {b}"));
            return Err(format!("the merge {merge:?} gives no token of the vocabulary").into());
        }
    }
    Ok(())
}
