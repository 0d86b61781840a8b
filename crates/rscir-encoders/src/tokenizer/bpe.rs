//! OpenAI CLIP's byte-pair encoding, as open_clip's `SimpleTokenizer` applies it.

use std::sync::LazyLock;

use regex::Regex;
use tokenizers::Model;
use tokenizers::models::bpe::{BPE, Vocab};

use super::Cleaning;

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
}

impl ClipBpe {
    pub(super) fn new() -> tokenizers::Result<Self> {
        let (symbols, order) = byte_symbols();
        let pairs: Vec<(&str, &str)> = MERGES.lines().filter_map(|line| line.split_once(' ')).collect();
        let whole = order.iter().map(|c| c.to_string());
        let last = order.iter().map(|c| format!("{c}</w>"));
        let merged = pairs.iter().map(|(a, b)| format!("{a}{b}"));
        let vocabulary: Vocab = whole.chain(last).chain(merged).zip(0..).collect();
        let start = vocabulary.len() as u32;
        let merges = pairs.into_iter().map(|(a, b)| (a.into(), b.into())).collect();
        let bpe =
            BPE::builder().vocab_and_merges(vocabulary, merges).end_of_word_suffix("</w>".into()).build()?;
        Ok(Self { bpe, symbols, start })
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

    /// The tokens of `text`, without start and end.
    pub(super) fn encode(&self, text: &str) -> tokenizers::Result<Vec<u32>> {
        let text = Cleaning::Lower.apply(text);
        let mut ids = Vec::new();
        for word in WORD.find_iter(&text) {
            match SPECIAL.iter().position(|special| *special == word.as_str()) {
                Some(special) => ids.push(self.start + special as u32),
                None => {
                    let symbols: String =
                        word.as_str().bytes().map(|b| self.symbols[usize::from(b)]).collect();
                    ids.extend(self.bpe.tokenize(&symbols)?.into_iter().map(|token| token.id));
                }
            }
        }
        Ok(ids)
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
