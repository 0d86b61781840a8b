//! OpenAI CLIP's byte-pair encoding, as open_clip's `SimpleTokenizer` applies it.

use std::sync::LazyLock;

use regex::Regex;
use tokenizers::Model;
use tokenizers::models::bpe::{BPE, Vocab};

use super::Cleaning;
use super::clean::Repaired;

/// The merges in order of rank, one pair a line: those that CLIP uses of `bpe_simple_vocab_16e6.txt` (MIT, OpenAI).
pub(super) const MERGES: &str = include_str!("../../data/clip_merges.txt");

/// Tokens that stand for the beginning and the end of a text; in a text they are read as themselves.
const SPECIAL: [&str; 2] = ["<start_of_text>", "<end_of_text>"];

/// How CLIP splits a text into words.
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    let [start, end] = SPECIAL;
    Regex::new(&format!(r"(?i){start}|{end}|'s|'t|'re|'ve|'m|'ll|'d|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}]+"))
        .expect("a constant pattern")
});

/// The vocabulary of 49,408 tokens and its merges.
pub(super) struct ClipBpe {
    bpe: BPE,
    /// The symbol of each byte.
    symbols: [char; 256],
    start: u32,
    /// Bytes of the longest token.
    longest: usize,
    merges: usize,
}

/// Bytes of the longest part of [`WORD`] that is no run of one kind of characters: a match that ends so far before the
/// end of a text does not change when the text goes on.
const LONGEST_SPECIAL: usize = SPECIAL[0].len() + 1;

/// Bytes of a text without white space whose words may depend on what follows: HTML references, a final sigma. Real
/// texts have some dozens.
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

    /// Number of tokens, the two special ones included.
    pub(super) fn vocabulary(&self) -> usize {
        self.start as usize + SPECIAL.len()
    }

    pub(super) fn start(&self) -> u32 {
        self.start
    }

    pub(super) fn end(&self) -> u32 {
        self.start + 1
    }

    /// The first `limit` tokens of `text`, without start and end: those of the whole text, of which no more is read than
    /// decides them.
    ///
    /// # Errors
    /// A text whose first words end nowhere within [`MAX_UNSETTLED`] bytes.
    pub(super) fn encode(&self, text: &str, limit: usize) -> tokenizers::Result<Vec<u32>> {
        let mut ids = Vec::new();
        // What is repaired and not yet split.
        let mut pending = String::new();
        let mut pieces = Repaired::new(text);
        while ids.len() < limit {
            let Some(piece) = pieces.next() else {
                self.split(&pending, 0, limit, &mut ids)?;
                break;
            };
            pending.push_str(&piece);
            // What stands before white space does not depend on what follows: see `Cleaning::finish`, and no word has
            // white space in it.
            if let Some(end) = pending.rfind(char::is_whitespace) {
                self.split(&pending[..end], 0, limit, &mut ids)?;
                pending.drain(..end);
            }
            // One word, or words with nothing between them. Without references and capital sigmas cleaning goes character
            // by character, so that the words but for the last are those of the whole text.
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

    /// Bytes of a word that decide its first `limit` tokens.
    ///
    /// Take a word and a longer one that begins with it. Merges are done in the order of their rank, at each rank from the
    /// left, and make tokens of a higher rank alone (the test `merges_are_in_order` holds this): each rank is done once.
    /// Where the first `n` symbols of both are equal before a rank, the first `n - 1` are after it, as only the last of
    /// them can be merged with one that differs. So all ranks together cost as many symbols as there are, of the longest
    /// token's length at most.
    fn enough(&self, limit: usize) -> usize {
        self.merges.saturating_add(limit).saturating_add(2).saturating_mul(self.longest)
    }

    /// Cleans and splits a text, and appends the tokens of its words, as long as there are less than `limit`; words that end
    /// less than `margin` bytes before the end are left out but for their first [`ClipBpe::enough`] bytes.
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

/// GPT-2's printable symbol of each byte, by byte, and in the order in which they open the vocabulary: bytes that are
/// visible in Latin-1 stand for themselves and come first, the rest follow from U+0100 on.
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

    /// What [`ClipBpe::enough`] is proved from.
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
        /// The tokens of the whole text, read at once.
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

    /// Texts of random pieces, the separators among them rare or absent.
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
        // Some texts have white space, some little, some none.
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
            // More than a piece, and more than decides the first tokens.
            let long = unit.repeat((enough + (1 << 20)) / unit.len());
            let whole = clip.encode_whole(&long);
            assert_eq!(clip.encode(&long, 75).unwrap(), whole[..75], "{unit}");
        }
        // The beginning of the text is not the beginning of the long word.
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
