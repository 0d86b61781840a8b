//! OpenAI CLIP's byte-pair encoding, as open_clip's `SimpleTokenizer` applies it.

use std::sync::LazyLock;

use regex::Regex;
use tokenizers::Model;
use tokenizers::models::bpe::{BPE, Vocab};

use super::Cleaning;
use super::clean::Repaired;

/// The merges that CLIP uses of `bpe_simple_vocab_16e6.txt` (MIT, OpenAI), one pair a line in order of rank.
pub(super) const MERGES: &str = include_str!("../../data/clip_merges.txt");

/// Tokens of the beginning and the end of a text. If a text contains their names, the names become these tokens.
const SPECIAL: [&str; 2] = ["<start_of_text>", "<end_of_text>"];

/// CLIP's pattern of a word.
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    let [start, end] = SPECIAL;
    Regex::new(&format!(r"(?i){start}|{end}|'s|'t|'re|'ve|'m|'ll|'d|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}]+"))
        .expect("a constant pattern")
});

/// The vocabulary of 49,408 tokens and its merges.
pub(super) struct ClipBpe {
    bpe: BPE,
    /// Symbol of each byte.
    symbols: [char; 256],
    start: u32,
    /// Number of bytes of the longest token.
    longest: usize,
    /// Number of merges.
    merges: usize,
}

/// Distance from the end of a text, in bytes, at which matches are settled: one more than the length of the longest
/// part of [`WORD`] that is not a run of one kind of characters. A match that ends this far before the end stays the
/// same if the text goes on.
const LONGEST_SPECIAL: usize = SPECIAL[0].len() + 1;

/// Largest number of bytes without white space whose words may depend on the text after them, because of HTML
/// references or a final sigma. Real texts have some dozens.
const MAX_UNSETTLED: usize = 16 << 20;

impl ClipBpe {
    pub(super) fn new() -> tokenizers::Result<Self> {
        let (symbols, order) = byte_symbols();
        let pairs: Vec<(&str, &str)> = MERGES.lines().filter_map(|line| line.split_once(' ')).collect();
        let whole = order.iter().map(|c| c.to_string());
        let last = order.iter().map(|c| format!("{c}</w>"));
        let merged = pairs.iter().map(|(a, b)| format!("{a}{b}"));
        let vocabulary: Vocab = whole.chain(last).chain(merged).zip(0..).collect();
        let start = vocabulary.len() as u32;
        let bytes = |token: &str| token.trim_end_matches("</w>").chars().count();
        let longest = pairs.iter().map(|(a, b)| bytes(a) + bytes(b)).max().unwrap_or(1);
        let merges: Vec<(String, String)> = pairs.into_iter().map(|(a, b)| (a.into(), b.into())).collect();
        let count = merges.len();
        let bpe =
            BPE::builder().vocab_and_merges(vocabulary, merges).end_of_word_suffix("</w>".into()).build()?;
        Ok(Self { bpe, symbols, start, longest, merges: count })
    }

    /// Returns the number of tokens, including the two special ones.
    pub(super) fn vocabulary(&self) -> usize {
        self.start as usize + SPECIAL.len()
    }

    pub(super) fn start(&self) -> u32 {
        self.start
    }

    pub(super) fn end(&self) -> u32 {
        self.start + 1
    }

    /// Returns the first `limit` tokens of `text`, without start and end. Only the part of the text that decides them
    /// is read.
    ///
    /// # Errors
    /// An error if [`MAX_UNSETTLED`] bytes of the text do not settle its first words.
    pub(super) fn encode(&self, text: &str, limit: usize) -> tokenizers::Result<Vec<u32>> {
        let mut ids = Vec::new();
        // The text that is repaired and not yet split.
        let mut pending = String::new();
        let mut pieces = Repaired::new(text);
        while ids.len() < limit {
            let Some(piece) = pieces.next() else {
                self.split(&pending, 0, limit, &mut ids)?;
                break;
            };
            pending.push_str(&piece);
            // Text before white space does not depend on the text after it: see `Cleaning::finish`. No word contains
            // white space.
            if let Some(end) = pending.rfind(char::is_whitespace) {
                self.split(&pending[..end], 0, limit, &mut ids)?;
                pending.drain(..end);
            }
            // The rest is one word, or words with nothing between them. Without references and capital sigmas,
            // cleaning goes character by character, so that all words except the last are those of the whole text.
            let plain = pending.find(['&', '\u{3a3}']).map_or(&pending[..], |end| &pending[..end]);
            if plain.len() >= self.enough(limit) + LONGEST_SPECIAL {
                let mut more = ids.clone();
                self.split(plain, LONGEST_SPECIAL, limit, &mut more)?;
                if more.len() >= limit {
                    ids = more;
                }
            }
            if ids.len() < limit && pending.len() > MAX_UNSETTLED {
                return Err(format!("the text has no white space in {MAX_UNSETTLED} bytes").into());
            }
        }
        ids.truncate(limit);
        Ok(ids)
    }

    /// Returns a number of bytes of a word that decide its first `limit` tokens.
    ///
    /// Take a word and a longer one that begins with it. Merges are done in the order of their rank, and from the
    /// left within a rank. A merge makes only tokens of a higher rank (the test `merges_are_in_order` checks this),
    /// so each rank is done once. If the first `n` symbols of both words are equal before a rank, the first `n - 1`
    /// are equal after it: only the last of them can be merged with a symbol that differs. All ranks together thus
    /// cost one symbol for each merge, and no symbol is longer than the longest token.
    fn enough(&self, limit: usize) -> usize {
        self.merges.saturating_add(limit).saturating_add(2).saturating_mul(self.longest)
    }

    /// Cleans and splits a text, and appends the tokens of its words until there are `limit` tokens. A word that ends
    /// less than `margin` bytes before the end of the text is left out, unless its first [`ClipBpe::enough`] bytes
    /// end before the margin.
    fn split(&self, text: &str, margin: usize, limit: usize, ids: &mut Vec<u32>) -> tokenizers::Result<()> {
        let text = Cleaning::Lower.finish(text);
        let sure = text.len().saturating_sub(margin);
        let enough = self.enough(limit);
        for word in WORD.find_iter(&text) {
            if ids.len() >= limit || word.start() + enough > sure && word.end() > sure {
                break;
            }
            match SPECIAL.iter().position(|special| *special == word.as_str()) {
                Some(special) => ids.push(self.start + special as u32),
                None => {
                    let bytes = word.as_str().bytes().take(enough);
                    let symbols: String = bytes.map(|b| self.symbols[usize::from(b)]).collect();
                    ids.extend(self.bpe.tokenize(&symbols)?.into_iter().map(|token| token.id));
                }
            }
        }
        Ok(())
    }
}

/// Returns GPT-2's printable symbols of all bytes, by byte, and in the order in which they begin the vocabulary.
/// Bytes that are visible in Latin-1 stand for themselves and come first; the others follow from U+0100 on.
fn byte_symbols() -> ([char; 256], Vec<char>) {
    let visible = |b: &u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut symbols = ['\0'; 256];
    let mut order = Vec::with_capacity(256);
    let shifted = ('\u{100}'..).zip((0..=u8::MAX).filter(|b| !visible(b)));
    let own = (0..=u8::MAX).filter(visible).map(|b| (char::from(b), b));
    for (symbol, byte) in own.chain(shifted) {
        symbols[usize::from(byte)] = symbol;
        order.push(symbol);
    }
    (symbols, order)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Checks the condition on which the proof of [`ClipBpe::enough`] rests.
    #[test]
    fn merges_are_in_order() {
        let mut made: HashMap<String, usize> = HashMap::new();
        for (rank, (a, b)) in MERGES.lines().filter_map(|line| line.split_once(' ')).enumerate() {
            for part in [a, b] {
                let is_symbol = part.trim_end_matches("</w>").chars().count() == 1;
                assert!(
                    is_symbol || made.get(part).is_some_and(|earlier| *earlier < rank),
                    "{part} of rank {rank}"
                );
            }
            assert!(made.insert(format!("{a}{b}"), rank).is_none(), "{a}{b} is made twice");
        }
    }

    impl ClipBpe {
        /// Reads the whole text at once and returns its tokens.
        fn encode_whole(&self, text: &str) -> Vec<u32> {
            let repaired: String = Repaired::new(text).collect();
            let text = Cleaning::Lower.finish(&repaired);
            let mut ids = Vec::new();
            for word in WORD.find_iter(&text) {
                match SPECIAL.iter().position(|special| *special == word.as_str()) {
                    Some(special) => ids.push(self.start + special as u32),
                    None => {
                        let symbols: String =
                            word.as_str().bytes().map(|b| self.symbols[usize::from(b)]).collect();
                        ids.extend(self.bpe.tokenize(&symbols).unwrap().into_iter().map(|token| token.id));
                    }
                }
            }
            ids
        }
    }

    /// Makes a text of random pieces, in which separators are rare or absent.
    fn random_text(seed: u64, pieces: usize) -> String {
        const PIECES: [&str; 40] = [
            "harbor",
            "a",
            "the",
            "Airport",
            "12",
            "7",
            "'s",
            "don't",
            "!",
            "?!",
            "<start_of_text>",
            "<end_of",
            "_text>",
            "&amp;",
            "&amp;lt;",
            "&#x26;",
            "&#38;amp",
            "&",
            ";",
            "\u{3a3}",
            "\u{3a3}.",
            "\u{130}",
            "\u{e9}",
            "\u{4e2d}\u{6587}",
            "\u{3002}",
            "\u{1f602}",
            "\u{1f602}\u{1f602}\u{1f602}",
            "\u{301}",
            "na\u{ef}ve",
            "schÃ¶n",
            "<b>",
            "\u{fb02}",
            "zzz",
            "ing",
            "er",
            "x",
            " ",
            "\n",
            "\u{a0}",
            "\u{3000}",
        ];
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % limit
        };
        // Some texts have white space, some have little, some have none.
        let kinds = [PIECES.len(), PIECES.len() - 4, 20][below(3)];
        (0..pieces).map(|_| PIECES[below(kinds)]).collect()
    }

    #[test]
    fn the_first_tokens_are_those_of_the_whole_text() {
        let clip = ClipBpe::new().unwrap();
        for seed in 0..600 {
            let text = random_text(seed, 1 + seed as usize % 400);
            let whole = clip.encode_whole(&text);
            for limit in [1, 2, 6, 75, usize::MAX / 4] {
                let first = clip.encode(&text, limit).unwrap();
                assert_eq!(first, whole[..whole.len().min(limit)], "{limit} of {text:?}");
            }
        }
    }

    #[test]
    fn a_word_beyond_what_is_read_has_the_tokens_of_the_whole_word() {
        let clip = ClipBpe::new().unwrap();
        let enough = clip.enough(75);
        for unit in ["a", "\u{1f602}", "!?", "harbor", "7x"] {
            // The text is longer than a piece, and longer than the part that decides the first tokens.
            let long = unit.repeat((enough + (1 << 20)) / unit.len());
            let whole = clip.encode_whole(&long);
            assert_eq!(clip.encode(&long, 75).unwrap(), whole[..75], "{unit}");
        }
        // Here the long word does not begin at the beginning of the text.
        let long = format!("a tiny \u{3a3}ab&amp;{}", "ship".repeat((enough + (1 << 20)) / 4));
        assert_eq!(clip.encode(&long, 75).unwrap(), clip.encode_whole(&long)[..75]);
    }

    #[test]
    fn a_text_that_settles_nowhere_is_refused() {
        let clip = ClipBpe::new().unwrap();
        let error = clip.encode(&"&".repeat(MAX_UNSETTLED + 2_000_000), 75).unwrap_err().to_string();
        assert_eq!(error, "the text has no white space in 16777216 bytes");
    }
}
