//! The tokenizer of a `tokenizer.json`.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{PostProcessor, TruncationParams};

use super::Cleaning;
use super::clean::Repaired;
use super::limits::{self, Splits, TextLimits};
use crate::{Error, Result, reading};

/// Largest number of bytes of a `tokenizer.json`. Gemma's, with 256,000 tokens, has 34 million.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// Largest number of bytes of a `tokenizer_config.json`. If a model has many added tokens, the file lists each of
/// them again.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

pub(super) struct FileTokenizer {
    path: PathBuf,
    tokenizer: tokenizers::Tokenizer,
    cleaning: Option<Cleaning>,
    padding: Option<u32>,
    vocabulary: usize,
    /// Limits on the part of a text that is read.
    text_limits: TextLimits,
    context: usize,
}

impl FileTokenizer {
    pub(super) fn new(path: &Path, bytes: &[u8], context: usize, cleaning: Option<Cleaning>) -> Result<Self> {
        let unusable = |source| Error::Tokenizer { path: path.into(), source };
        let text_limits = limits::check(bytes).map_err(unusable)?;
        let mut tokenizer = guarded(|| tokenizers::Tokenizer::from_bytes(bytes)).map_err(unusable)?;
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
        // The towers pad texts when they batch them. The tokenizer cuts texts so that the frame stays.
        let truncation = TruncationParams { max_length: context, ..Default::default() };
        tokenizer.with_padding(None).with_truncation(Some(truncation)).map_err(unusable)?;
        let largest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        let vocabulary = largest as usize + 1;
        Ok(Self { path: path.into(), tokenizer, cleaning, padding, vocabulary, text_limits, context })
    }

    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.ids(text, true)
    }

    pub(super) fn encode_bare(&self, text: &str) -> Result<Vec<u32>> {
        self.ids(text, false)
    }

    fn ids(&self, text: &str, framed: bool) -> Result<Vec<u32>> {
        let failed = |source| Error::Tokenizer { path: self.path.clone(), source };
        // Nearly every word has a token or more. If there are too few tokens, more words are read.
        let mut words = self.context;
        loop {
            let (part, is_whole) = self.beginning(text, words).map_err(failed)?;
            let encoding = guarded(|| self.tokenizer.encode(&*part, framed)).map_err(failed)?;
            let ids = encoding.get_ids();
            if is_whole || ids.len() >= self.context {
                return Ok(ids.to_vec());
            }
            words = words.saturating_mul(4);
        }
    }

    /// Returns the first `words` words of a text, cleaned, and whether they are the whole text. If words are not split
    /// independently of each other, these are all words.
    ///
    /// # Errors
    /// An error if the words have more bytes than are read.
    fn beginning<'t>(&self, text: &'t str, words: usize) -> tokenizers::Result<(Cow<'t, str>, bool)> {
        let TextLimits { splits, most_bytes } = self.text_limits;
        let (part, is_whole) = match self.cleaning {
            None => {
                let end = after_words(text, words, splits);
                (Cow::Borrowed(&text[..end]), end == text.len())
            }
            Some(cleaning) => {
                // After cleaning, all white space is blanks.
                let splits = if splits == Splits::Nowhere { splits } else { Splits::WhiteSpace };
                let mut repaired = String::new();
                let mut pieces = Repaired::new(text);
                let mut end = 0;
                // Pieces are added until some text follows the last word, or until there is more than can be read.
                while end == repaired.len() && repaired.len() <= most_bytes {
                    let Some(piece) = pieces.next() else { break };
                    repaired.push_str(&piece);
                    end = after_words(&repaired, words, splits);
                }
                let is_whole = end == repaired.len() && pieces.next().is_none();
                (Cow::Owned(cleaning.finish(&repaired[..end])), is_whole)
            }
        };
        if part.len() > most_bytes {
            let unit = if splits == Splits::Nowhere { "part" } else { "words" };
            return Err(format!(
                "there are {} bytes in the first {unit} of the text, and at most {most_bytes} are read, because \
                 the time of this tokenizer could grow without bound: shorten the text",
                part.len()
            )
            .into());
        }
        Ok((part, is_whole))
    }

    /// Returns the id of the padding, or `None` if no file gives it.
    pub(super) fn padding(&self) -> Option<u32> {
        self.padding
    }

    pub(super) fn vocabulary(&self) -> usize {
        self.vocabulary
    }
}

/// Calls the tokenizers crate, and turns a panic into an error. The crate panics if a file breaks some of its
/// assumptions.
fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> tokenizers::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
        Err(format!("the parts of the file do not fit each other: {text}").into())
    })
}

/// Returns the id of `pad_token` in the `tokenizer_config.json` beside the tokenizer. `None` if there is no such file
/// or token.
fn configured_padding(path: &Path, tokenizer: &tokenizers::Tokenizer) -> Result<Option<u32>> {
    #[derive(Deserialize)]
    struct Config {
        pad_token: Option<Value>,
    }
    let path = path.with_file_name("tokenizer_config.json");
    let Some(bytes) = reading::read_if_there(&path, MAX_CONFIG_BYTES)? else { return Ok(None) };
    let config: Config = serde_json::from_slice(&bytes).map_err(|source| Error::Config { path, source })?;
    // The value is the token itself, or an object that describes the token.
    let token = config.pad_token.as_ref().and_then(|t| t.get("content").unwrap_or(t).as_str());
    Ok(token.and_then(|token| tokenizer.token_to_id(token)))
}

/// Returns the byte at which the first `words` words of a text end: before the white space after them, or the end of
/// the text.
fn after_words(text: &str, words: usize, splits: Splits) -> usize {
    let mut found = 0;
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        if in_word && splits.before(c) {
            found += 1;
            if found == words {
                return at;
            }
        }
        in_word = !c.is_whitespace();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_before_what_the_tokenizer_splits_at() {
        use Splits::*;
        for (text, words, splits, end) in [
            ("a b c", 1, Blanks, 1),
            ("a b c", 2, Blanks, 3),
            ("a b c", 3, Blanks, 5),
            ("  a\n b", 1, Blanks, 6),
            ("  a\n b", 1, WhiteSpace, 3),
            ("a\nb  c d", 1, Blanks, 3),
            ("a\nb  c d", 2, WhiteSpace, 3),
            ("a b c", 1, Nowhere, 5),
            ("", 1, Blanks, 0),
            ("   ", 1, WhiteSpace, 3),
        ] {
            assert_eq!(after_words(text, words, splits), end, "{text:?} {words} {splits:?}");
        }
    }

    /// Checks that cleaning a text in parts, and only the words that are read, gives the same ids as cleaning the
    /// whole.
    #[test]
    fn the_beginning_of_a_cleaned_text_has_the_ids_of_the_whole() {
        const PIECES: [&str; 16] = [
            "harbor",
            "ab",
            "&amp;",
            "&amp;lt;",
            "&#x20;",
            "\u{3a3}",
            "\u{3a3}.",
            "_",
            "?!",
            "sch\u{c3}\u{b6}n",
            "\u{fb02}",
            "\n",
            " ",
            "\u{a0}",
            "\u{3000}",
            "\r\n",
        ];
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/encoders/hf_siglip/tokenizer.json");
        let bytes = std::fs::read(&path).unwrap();
        let mut state = 3_u64;
        for cleaning in [Cleaning::Canonicalize, Cleaning::Whitespace, Cleaning::Lower] {
            let file = FileTokenizer::new(&path, &bytes, 16, Some(cleaning)).unwrap();
            assert_eq!(file.text_limits.splits, Splits::WhiteSpace);
            for round in 0..300 {
                let mut text = String::new();
                for _ in 0..round {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    text += PIECES[(state >> 33) as usize % PIECES.len()];
                }
                let whole = cleaning.finish(&Repaired::new(&text).collect::<String>());
                let expected = file.tokenizer.encode(whole, true).unwrap();
                assert_eq!(file.encode(&text).unwrap(), expected.get_ids(), "{text:?}");
            }
        }
    }
}
