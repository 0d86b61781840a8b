//! Limits on a `tokenizer.json`, so that no file takes unbounded time or memory, and on the part of a text that its
//! tokenizer reads.

use regex::RegexBuilder;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Largest number of values in the file, each of which takes some dozen bytes of memory. Gemma's file, with 256,000
/// tokens and 580,000 merges, has two million.
const MAX_VALUES: usize = 4 << 20;
/// Largest number of tokens that are looked for before a text is split. Gemma 3 has 6,400 of them.
const MAX_ADDED: usize = 1 << 14;
/// Largest number of bytes of all these tokens together.
const MAX_ADDED_BYTES: usize = 1 << 20;
/// Largest number of bytes of a token of the vocabulary, with which the time of some models grows. Tokens of blanks
/// for source code have 128.
const LONGEST_TOKEN: usize = 512;
/// Largest number of normalizers, splitters and processors in a file. Published files have at most ten.
const MAX_PARTS: usize = 32;
/// Largest depth to which such parts contain each other. Published files have one sequence.
const DEEPEST_PART: usize = 4;
/// Largest factor by which all replacements together may lengthen a text. Three bytes of U+2581 for a blank are usual.
const MAX_GROWTH: usize = 64;
/// Largest number of bytes of a pattern. Those of published tokenizers have less than 500.
const LONGEST_PATTERN: usize = 2048;
/// Largest number of bytes of a compiled pattern. Patterns with `\p{L}` take about a hundred thousand.
const LARGEST_PATTERN: usize = 4 << 20;
/// Largest number of characters of a word that WordPiece looks up, in time that grows with the square. BERT has 100.
const MAX_WORD_CHARACTERS: u64 = 1000;
/// Largest number of ids that a frame puts around a text. Published frames put two.
const MAX_FRAME: usize = 256;

/// The pattern of CLIP's words as transformers writes it.
const CLIP_WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
/// The same pattern with CLIP's special tokens before it, as transformers writes it.
const CLIP_SPECIAL_WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// Patterns with a look-ahead that are known to be fast: those of GPT-2, of Llama 3 and `cl100k`, and of Qwen 2. All
/// other patterns with look-around or references back are refused, because the matcher gives up on hard ones and then
/// loses the rest of the text.
const KNOWN_LOOKING_AHEAD: [&str; 3] = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
];

/// Patterns of normalizers that make one blank of several.
const BLANKS: [&str; 3] = [r"\s+", " {2,}", r"\s{2,}"];

/// Characters before which a tokenizer always ends a part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Splits {
    /// No such characters are known.
    Nowhere,
    /// The blank, U+0020.
    Blanks,
    /// White space of every kind.
    WhiteSpace,
}

impl Splits {
    /// Tells whether the text can be cut before this character.
    pub(super) fn before(self, c: char) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Blanks => c == ' ',
            Self::WhiteSpace => c.is_whitespace(),
        }
    }
}

/// Limits on the part of a text that a tokenizer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextLimits {
    /// Places where a text can be cut so that its ids are the first ids of the whole text.
    pub(super) splits: Splits,
    /// Largest number of bytes.
    pub(super) most_bytes: usize,
}

/// Largest number of bytes of a text if the time of every part of the tokenizer grows with the length of the text.
const MAX_TEXT: usize = 1 << 20;
/// Largest number of bytes of a text if the tokenizer has an unknown pattern, which may look at the whole text for
/// each of its characters.
const MAX_TEXT_OF_PATTERNS: usize = 1 << 16;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    content: String,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    merges: Vec<Merge>,
    #[serde(default)]
    vocab: Value,
    continuing_subword_prefix: Option<String>,
    max_input_chars_per_word: Option<u64>,
    dropout: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

/// Checks a file against the limits, and returns the limits on its texts.
///
/// # Errors
/// An error that says what is malformed or exceeds which limit.
pub(super) fn check(bytes: &[u8]) -> Outcome<TextLimits> {
    count_values(bytes)?;
    let file: File = serde_json::from_slice(bytes)?;
    check_added(&file.added_tokens)?;
    check_model(&file.model)?;
    let mut walk = Walk { parts: 0, growth: 1, known_patterns: true, homomorphic: true };
    walk.normalizer(&file.normalizer, 0)?;
    let splits = walk.splitter(&file.pre_tokenizer, 0)?;
    walk.processor(&file.post_processor, 0)?;
    let has_blank = |token: &Added| token.content.contains(char::is_whitespace);
    let is_cut = walk.homomorphic && !file.added_tokens.iter().any(has_blank);
    Ok(TextLimits {
        splits: if is_cut { splits } else { Splits::Nowhere },
        most_bytes: if walk.known_patterns { MAX_TEXT } else { MAX_TEXT_OF_PATTERNS },
    })
}

fn check_added(added: &[Added]) -> Outcome {
    let bytes: usize = added.iter().map(|token| token.content.len()).sum();
    if added.len() > MAX_ADDED || bytes > MAX_ADDED_BYTES {
        let count = added.len();
        return Err(format!(
            "the file has {count} added tokens of {bytes} bytes; at most {MAX_ADDED} of {MAX_ADDED_BYTES} are read"
        )
        .into());
    }
    Ok(())
}

fn check_model(model: &Model) -> Outcome {
    if model.dropout.is_some_and(|dropout| dropout != 0.0) {
        return Err("the model drops merges by chance, so that a text would have other ids each time: set \
                    `dropout` to 0"
            .into());
    }
    if let Some(most) = model.max_input_chars_per_word.filter(|most| *most > MAX_WORD_CHARACTERS) {
        return Err(
            format!("max_input_chars_per_word is {most}; at most {MAX_WORD_CHARACTERS} are read").into()
        );
    }
    let too_long = |token: &str| token.len() > LONGEST_TOKEN;
    let has_too_long = match &model.vocab {
        Value::Object(tokens) => tokens.keys().any(|token| too_long(token)),
        // Unigram's pairs of a token and its score.
        Value::Array(tokens) => {
            tokens.iter().any(|pair| pair.get(0).and_then(Value::as_str).is_some_and(too_long))
        }
        _ => false,
    };
    if has_too_long {
        return Err(format!("the vocabulary has a token of more than {LONGEST_TOKEN} bytes").into());
    }
    check_merges(model)
}

/// Checks that every merge gives a token of the vocabulary, which the tokenizers crate takes for granted.
fn check_merges(model: &Model) -> Outcome {
    let prefix = model.continuing_subword_prefix.as_deref().unwrap_or_default();
    for merge in &model.merges {
        let pair = match merge {
            Merge::Pair(a, b) => Some((a.as_str(), b.as_str())),
            Merge::Line(line) => line.split_once(' '),
        };
        let product = pair.and_then(|(a, b)| Some(format!("{a}{}", b.strip_prefix(prefix)?)));
        if product.as_ref().is_none_or(|token| model.vocab.get(token).is_none()) {
            let merge = pair.map_or(String::new(), |(a, b)| format!("{a} {b}"));
            return Err(format!("the merge {merge:?} gives no token of the vocabulary").into());
        }
    }
    Ok(())
}

/// State of a walk over the parts of a tokenizer, which may contain each other.
struct Walk {
    /// Number of parts so far.
    parts: usize,
    /// Largest factor by which the replacements so far lengthen a text.
    growth: usize,
    /// True if all patterns so far are known to be fast.
    known_patterns: bool,
    /// True if all normalizers so far give the same text for a whole text as for its parts, when it is cut before a
    /// blank.
    homomorphic: bool,
}

impl Walk {
    /// Counts a part, and returns its type and keys. Returns `None` if there is no part.
    ///
    /// # Errors
    /// An error if there are too many parts, if they are too deep, or if this one is malformed.
    fn part<'v>(
        &mut self,
        part: &'v Value,
        depth: usize,
    ) -> Outcome<Option<(&'v str, &'v Map<String, Value>)>> {
        if part.is_null() {
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > MAX_PARTS || depth > DEEPEST_PART {
            return Err(format!(
                "the file has more than {MAX_PARTS} parts, or more than {DEEPEST_PART} in each other"
            )
            .into());
        }
        let keys = part.as_object().ok_or("a part of the file is not an object")?;
        let kind = keys.get("type").and_then(Value::as_str).ok_or("a part of the file has no type")?;
        Ok(Some((kind, keys)))
    }

    fn normalizer(&mut self, value: &Value, depth: usize) -> Outcome {
        let Some((kind, keys)) = self.part(value, depth)? else { return Ok(()) };
        match kind {
            "Sequence" => {
                for part in list(keys, "normalizers")? {
                    self.normalizer(part, depth + 1)?;
                }
            }
            "Replace" => {
                let content = keys.get("content").and_then(Value::as_str).unwrap_or_default();
                let (pattern, is_regex) = pattern(keys)?;
                if pattern.is_empty() {
                    return Err("a normalizer replaces an empty text".into());
                }
                // The match of a pattern may be a single byte.
                self.grow(content.len().div_ceil(if is_regex { 1 } else { pattern.len() }))?;
                if is_regex {
                    self.check_pattern(pattern)?;
                    self.homomorphic &= BLANKS.contains(&pattern) && content == " ";
                } else {
                    self.homomorphic &= !pattern.contains(char::is_whitespace);
                }
            }
            "Prepend" => {
                let prepend = keys.get("prepend").and_then(Value::as_str).unwrap_or_default();
                if prepend.len() > LONGEST_TOKEN {
                    return Err(format!(
                        "a normalizer prepends {} bytes to every text; at most {LONGEST_TOKEN} are read",
                        prepend.len()
                    )
                    .into());
                }
            }
            "NFC" | "NFD" | "NFKC" | "NFKD" | "Lowercase" | "StripAccents" | "Strip" | "BertNormalizer"
            | "Nmt" | "Precompiled" => {}
            _ => self.homomorphic = false,
        }
        Ok(())
    }

    /// Checks a splitter, and returns the characters before which it always ends a part of the text.
    fn splitter(&mut self, value: &Value, depth: usize) -> Outcome<Splits> {
        let Some((kind, keys)) = self.part(value, depth)? else { return Ok(Splits::Nowhere) };
        let white_space_if = |splits| if splits { Splits::WhiteSpace } else { Splits::Nowhere };
        let flag = |name: &str| keys.get(name).and_then(Value::as_bool);
        Ok(match kind {
            "Sequence" => {
                // Splitters after the first one see the parts that it made, one by one.
                let mut first = None;
                for part in list(keys, "pretokenizers")? {
                    let splits = self.splitter(part, depth + 1)?;
                    first.get_or_insert(splits);
                }
                first.unwrap_or(Splits::Nowhere)
            }
            "WhitespaceSplit" | "Whitespace" | "BertPreTokenizer" => Splits::WhiteSpace,
            "Metaspace" if flag("split") != Some(false) => Splits::Blanks,
            "ByteLevel" => white_space_if(flag("use_regex") != Some(false)),
            "Split" => {
                let (pattern, is_regex) = pattern(keys)?;
                if is_regex {
                    self.check_pattern(pattern)?;
                }
                let keeps_words = keys.get("behavior").and_then(Value::as_str) == Some("Removed");
                white_space_if(
                    is_regex
                        && [CLIP_WORDS, CLIP_SPECIAL_WORDS].contains(&pattern)
                        && keeps_words
                        && flag("invert") == Some(true),
                )
            }
            "FixedLength" if keys.get("length").and_then(Value::as_u64).unwrap_or(0) == 0 => {
                return Err("a splitter makes parts of no length".into());
            }
            _ => Splits::Nowhere,
        })
    }

    fn processor(&mut self, value: &Value, depth: usize) -> Outcome {
        let Some((kind, keys)) = self.part(value, depth)? else { return Ok(()) };
        if kind == "Sequence" {
            for part in list(keys, "processors")? {
                self.processor(part, depth + 1)?;
            }
        }
        let pieces = ["single", "pair"].map(|name| keys.get(name).map_or(0, length));
        let special = keys.get("special_tokens").and_then(Value::as_object);
        let ids = special.into_iter().flat_map(Map::values).map(|token| token.get("ids").map_or(0, length));
        if pieces.into_iter().max().unwrap_or(0).saturating_mul(ids.max().unwrap_or(1).max(1)) > MAX_FRAME {
            return Err(format!("the frame may put more than {MAX_FRAME} ids around a text").into());
        }
        Ok(())
    }

    fn grow(&mut self, factor: usize) -> Outcome {
        self.growth = self.growth.saturating_mul(factor.max(1));
        if self.growth > MAX_GROWTH {
            return Err(
                format!("the replacements may make a text more than {MAX_GROWTH} times as long").into()
            );
        }
        Ok(())
    }

    /// Refuses a pattern that may take unbounded time or memory.
    fn check_pattern(&mut self, pattern: &str) -> Outcome {
        if KNOWN_LOOKING_AHEAD.contains(&pattern) {
            return Ok(());
        }
        if pattern.len() > LONGEST_PATTERN {
            return Err(
                format!("a pattern has {} bytes; at most {LONGEST_PATTERN} are read", pattern.len()).into()
            );
        }
        // The crate `regex` compiles only patterns without look-around and references back.
        let compiled = RegexBuilder::new(pattern).size_limit(LARGEST_PATTERN).build();
        compiled.map_err(|error| {
            format!("the pattern {pattern:?} is refused, because it could take unbounded time: {error}")
        })?;
        self.known_patterns &=
            [CLIP_WORDS, CLIP_SPECIAL_WORDS].contains(&pattern) || BLANKS.contains(&pattern);
        Ok(())
    }
}

/// Returns the parts of a sequence.
fn list<'v>(keys: &'v Map<String, Value>, name: &str) -> Outcome<&'v [Value]> {
    let list = keys.get(name).and_then(Value::as_array);
    Ok(list.ok_or_else(|| format!("a sequence of the file has no {name}"))?)
}

/// Returns the pattern of a part, and whether it is a regular expression.
fn pattern(keys: &Map<String, Value>) -> Outcome<(&str, bool)> {
    let pattern = keys.get("pattern").ok_or("a part of the file has no pattern")?;
    let text = |kind| pattern.get(kind).and_then(Value::as_str);
    match (text("String"), text("Regex")) {
        (Some(text), None) => Ok((text, false)),
        (None, Some(text)) => Ok((text, true)),
        _ => Err("a part of the file has a malformed pattern".into()),
    }
}

/// Returns the number of elements of a list, or 1 for another value.
fn length(value: &Value) -> usize {
    value.as_array().map_or(1, Vec::len)
}

/// Refuses a file of more than [`MAX_VALUES`] values before any of them takes memory.
fn count_values(bytes: &[u8]) -> Outcome {
    let mut values = 0;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Count(&mut values).deserialize(&mut reader)?;
    Ok(())
}

/// Counts the values of a document and keeps none.
struct Count<'c>(&'c mut usize);

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        *self.0 += 1;
        if *self.0 > MAX_VALUES {
            return Err(D::Error::custom(format!("the file has more than {MAX_VALUES} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Count<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Count(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Count(self.0))?;
        }
        Ok(())
    }
}
