//! Cleaning of texts as open_clip does it before it splits them: ftfy's repair, HTML references, white space, case.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use tokenizers::NormalizedString;

use super::html;
use super::mojibake::{repair, replace_c1};

/// Largest number of rounds of repairs. ftfy repeats them until nothing changes, which takes two rounds for real
/// text, and as many as there are `amp;` for a hostile one.
const MAX_ROUNDS: usize = 32;

/// The cleaning functions of open_clip's tokenizers, by the names its configurations use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleaning {
    /// Repairs the text, collapses white space and makes lower case (CLIP).
    Lower,
    /// Repairs the text and collapses white space.
    Whitespace,
    /// Repairs the text, drops ASCII punctuation and makes lower case (SigLIP).
    Canonicalize,
}

impl Cleaning {
    /// Returns the function of this name in open_clip's `tokenizer_kwargs.clean`, or `None` if the name is not known.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        [Self::Lower, Self::Whitespace, Self::Canonicalize].into_iter().find(|c| c.name() == name)
    }

    /// Returns the name in open_clip's configurations.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Whitespace => "whitespace",
            Self::Canonicalize => "canonicalize",
        }
    }

    /// Cleans `text`.
    #[cfg(test)]
    fn apply(self, text: &str) -> String {
        self.finish(&Repaired::new(text).collect::<String>())
    }

    /// Cleans a text that is [`Repaired`].
    ///
    /// If a text is cut before white space, the result is that of the two parts with a blank between them. No HTML
    /// reference contains white space, and the form of a final sigma does not depend on letters beyond it.
    pub(super) fn finish(self, repaired: &str) -> String {
        let text = html::unescape(&html::unescape(repaired));
        match self {
            Self::Lower => collapse(&text).to_lowercase(),
            Self::Whitespace => collapse(&text),
            Self::Canonicalize => {
                let kept: String =
                    text.replace('_', " ").chars().filter(|c| !c.is_ascii_punctuation()).collect();
                collapse(&kept.to_lowercase())
            }
        }
    }
}

/// Joins the words of a text by single spaces. Words are split where Python's `str.split` splits them.
fn collapse(text: &str) -> String {
    let is_space = |c: char| c.is_whitespace() || matches!(c, '\x1c'..='\x1f');
    text.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Number of characters of a long line that ftfy repairs at a time (`TextFixerConfig.max_decode_length`).
const MAX_PIECE: usize = 1_000_000;

/// Repairs a text like `ftfy.fix_text` 6.3.1 with its default configuration, piece by piece. A piece is a line, or
/// the next part of a line that is longer than ftfy repairs at a time.
pub(super) struct Repaired<'t> {
    rest: &'t str,
    tags_seen: bool,
}

impl<'t> Repaired<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text, tags_seen: false }
    }
}

impl<'t> Iterator for Repaired<'t> {
    type Item = Cow<'t, str>;

    fn next(&mut self) -> Option<Cow<'t, str>> {
        if self.rest.is_empty() {
            return None;
        }
        // No character has more than four bytes, so a piece ends within these.
        let near = &self.rest.as_bytes()[..self.rest.len().min(4 * MAX_PIECE)];
        let line = near.iter().position(|byte| *byte == b'\n').map_or(near.len(), |end| end + 1);
        let end = match line {
            ..=MAX_PIECE => line,
            _ => self.rest.char_indices().nth(MAX_PIECE).map_or(line, |(end, _)| end.min(line)),
        };
        let (piece, rest) = self.rest.split_at(end);
        self.rest = rest;
        // Text with tags is HTML, in which references are meant to stay: in this piece, and in all that follow.
        self.tags_seen |= piece.contains('<');
        // Visible ASCII without a reference is never changed. Nearly every caption is such a text.
        if piece.bytes().all(|b| matches!(b, b' '..=b'~' | b'\n') && b != b'&') {
            return Some(Cow::Borrowed(piece));
        }
        Some(Cow::Owned(fix_line(piece, !self.tags_seen)))
    }
}

fn fix_line(line: &str, references: bool) -> String {
    let mut text = line.to_owned();
    for _ in 0..MAX_ROUNDS {
        let before = text.clone();
        if references {
            text = html::unescape_unambiguous(&text);
        }
        text = replace_c1(&repair(&text));
        text = text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
            widen_or_split(c, &mut out);
            out
        });
        text = text.chars().map(uncurl).collect();
        text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}', '\u{85}'], "\n");
        text = TERMINAL_ESCAPE.replace_all(&text, "").into_owned();
        text.retain(|c| !is_invisible_control(c));
        text = NormalizedString::from(text).nfc().get().to_owned();
        if text == before {
            break;
        }
    }
    text
}

static TERMINAL_ESCAPE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\x1b\[[\d;]*[a-zA-Z]").expect("a constant pattern"));

/// Appends a character to `out`: a ligature or digraph of Latin letters as its letters, a half- or full-width form as
/// its usual form.
fn widen_or_split(c: char, out: &mut String) {
    let letters = match c {
        '\u{132}' => "IJ",
        '\u{133}' => "ij",
        // `uncurl` then makes this "'n".
        '\u{149}' => "\u{2bc}n",
        '\u{1f1}' => "DZ",
        '\u{1f2}' => "Dz",
        '\u{1f3}' => "dz",
        '\u{1c4}' => "D\u{17d}",
        '\u{1c5}' => "D\u{17e}",
        '\u{1c6}' => "d\u{17e}",
        '\u{1c7}' => "LJ",
        '\u{1c8}' => "Lj",
        '\u{1c9}' => "lj",
        '\u{1ca}' => "NJ",
        '\u{1cb}' => "Nj",
        '\u{1cc}' => "nj",
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{fb05}' => "\u{17f}t",
        '\u{fb06}' => "st",
        '\u{3000}' => " ",
        '\u{ff01}'..='\u{ffef}' => {
            out.push_str(NormalizedString::from(String::from(c)).nfkc().get());
            return;
        }
        _ => {
            out.push(c);
            return;
        }
    };
    out.push_str(letters);
}

/// Returns the straight form of a curly quotation mark, or any other character as it is.
fn uncurl(c: char) -> char {
    match c {
        '\u{201c}'..='\u{201f}' => '"',
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => '\'',
        _ => c,
    }
}

/// Tells whether ftfy lists a character as a control character without a displayed effect.
fn is_invisible_control(c: char) -> bool {
    matches!(
        c,
        '\0'..='\x08' | '\x0b' | '\x0e'..='\x1f' | '\x7f' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(text: &str) -> String {
        Repaired::new(text).collect()
    }

    #[test]
    fn lines_are_pieces_and_long_lines_are_cut_where_ftfy_cuts_them() {
        let lengths = |text: &str| Repaired::new(text).map(|piece| piece.chars().count()).collect::<Vec<_>>();
        assert_eq!(lengths("ab\n\nc"), [3, 1, 1]);
        assert_eq!(lengths(&"\u{e9}".repeat(MAX_PIECE + 2)), [MAX_PIECE, 2]);
        assert_eq!(lengths(&format!("{}\nb", "a".repeat(MAX_PIECE - 1))), [MAX_PIECE, 1]);
        assert_eq!(lengths(&format!("{}\nb", "\u{1f602}".repeat(MAX_PIECE + 1))), [MAX_PIECE, 2, 1]);
        assert_eq!(repaired(&"ab &lt; <b>\n&lt;".repeat(2)), "ab &lt; <b>\n&lt;".repeat(2));
        // Like in ftfy 6.3.1, a misread letter stays misread if the cut goes through it.
        for (before, repaired_end) in
            [(MAX_PIECE - 1, "a\u{c3}\u{a9} \u{e9}"), (MAX_PIECE - 2, "a\u{e9} \u{e9}")]
        {
            let text = format!("{}\u{c3}\u{a9} \u{c3}\u{a9}", "a".repeat(before));
            assert!(repaired(&text).ends_with(repaired_end), "{before}");
        }
    }

    // These are the examples of ftfy's documentation.
    #[test]
    fn documented_repairs() {
        for (text, fixed) in [
            ("\u{e2}\u{153}\u{201d} No problems", "\u{2714} No problems"),
            ("&macr;\\_(\u{e3}\u{83}\u{84})_/&macr;", "\u{af}\\_(\u{30c4})_/\u{af}"),
            (
                "Broken text&hellip; it&#x2019;s \u{fb02}ubberi\u{fb01}c!",
                "Broken text\u{2026} it's flubberific!",
            ),
            ("voil\u{c3} le travail", "voil\u{e0} le travail"),
            ("\u{ff2c}\u{ff2f}\u{ff35}\u{ff24}\u{3000}\u{ff2e}", "LOUD N"),
            ("\x1b[36;44mI'm blue\x1b[0m", "I'm blue"),
            ("<b>&amp;</b>\n&amp;", "<b>&amp;</b>\n&amp;"),
        ] {
            assert_eq!(repaired(text), fixed);
        }
    }

    #[test]
    fn cleanings_differ_as_named() {
        let text = "  A&amp;B_c \u{201c}D\u{201d}\t ";
        assert_eq!(Cleaning::Lower.apply(text), "a&b_c \"d\"");
        assert_eq!(Cleaning::Whitespace.apply(text), "A&B_c \"D\"");
        assert_eq!(Cleaning::Canonicalize.apply(text), "ab c d");
    }

    #[test]
    fn hostile_nesting_ends() {
        let text = format!("&{};", "amp;".repeat(5_000));
        assert!(repaired(&text).len() < text.len());
    }
}
