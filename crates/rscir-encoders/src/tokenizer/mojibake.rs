//! Repair of text whose UTF-8 bytes were read in another encoding ("schÃ¶n").
//!
//! The heuristic is that of ftfy 6.3.1 (Robyn Speer, Apache-2.0), so that tokens equal open_clip's: its character
//! classes ([`tables`](super::tables)), its list of unlikely neighbors, and the order in which it tries encodings.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use regex::bytes::Regex as BytesRegex;

use super::tables::*;

/// Largest depth to which pieces of misread text are looked for within each other. Real text has one.
const MAX_DEPTH: usize = 8;
/// Largest number of times that a text is taken to be misread in a row. ftfy has no limit, and real text shows up to
/// four.
const MAX_ROUNDS: usize = 32;

/// A single-byte encoding.
struct CodePage {
    /// Characters of the bytes 0x80..=0xff.
    upper: Vec<char>,
    /// True for ftfy's sloppy encodings, which write U+FFFD as the byte 0x1a: a lost byte whose place is known.
    sloppy: bool,
    /// True if a space may be a lost no-break space. In MacRoman an en dash before a space would look like one.
    restores_spaces: bool,
}

/// Encodings that are tried, in ftfy's order.
static CODE_PAGES: LazyLock<Vec<CodePage>> = LazyLock::new(|| {
    let latin_1: String = ('\u{80}'..='\u{ff}').collect();
    [
        (latin_1.as_str(), false, true),
        (WINDOWS_1252, true, true),
        (WINDOWS_1251, true, true),
        (WINDOWS_1250, true, true),
        (WINDOWS_1253, true, true),
        (WINDOWS_1254, true, true),
        (WINDOWS_1257, true, true),
        (ISO_8859_2, false, true),
        (MACROMAN, false, false),
        (CP437, false, true),
    ]
    .map(|(upper, sloppy, restores_spaces)| CodePage {
        upper: upper.chars().collect(),
        sloppy,
        restores_spaces,
    })
    .into()
});

impl CodePage {
    /// Returns the bytes that this encoding reads as `text`, or `None` if there are none.
    fn encode(&self, text: &str) -> Option<Vec<u8>> {
        text.chars()
            .map(|c| match c {
                '\u{1a}' if self.sloppy => None,
                '\u{fffd}' if self.sloppy => Some(0x1a),
                '\0'..='\x7f' => Some(c as u8),
                _ => self.upper.iter().position(|&u| u == c).map(|i| 0x80 + i as u8),
            })
            .collect()
    }
}

/// Character sequences that hardly occur except in misread text. `{name}` stands for a class of `tables`.
static UNLIKELY: LazyLock<Regex> = LazyLock::new(|| {
    const SEQUENCES: &[&str] = &[
        "[{c1}]",
        "[{bad}{lower}{upper}{box}{start}{end}{currency}{numeric}{law}][{bad}]",
        "[a-zA-Z][{lower_common}{upper_common}][{bad}]",
        "[{bad}][{lower}{upper}{box}{start}{end}{currency}{numeric}{law}]",
        "[{lower}{lower_common}{box}{end}{currency}{numeric}][{upper}]",
        "[{box}{end}{currency}{numeric}][{lower}]",
        "[{lower}{box}{end}][{currency}]",
        "{s}[{upper}][{currency}]",
        "[{upper}{box}][{numeric}{law}]",
        "[{lower}{upper}{box}{currency}{end}][{start}][{numeric}]",
        "[{lower}{upper}{currency}{numeric}{box}{law}][{end}][{start}]",
        "[{currency}{numeric}{box}][{start}]",
        "[a-z][{upper}][{start}{currency}]",
        "[{box}][{kaomoji}]",
        "[{lower}{upper}{currency}{numeric}{start}{end}{law}][{box}]",
        "[{box}][{end}]",
        r"[{lower}{upper}][{start}{end}][\p{L}\p{N}_]",
        "[Œœ][^A-Za-z]",
        "[{upper}]°",
        // Windows-1252 and Latin-1.
        "[ÂÃÎÐ][€œŠš¢£Ÿž\u{a0}\u{ad}®©°·»{start}{end}–—´]",
        "×[²³]",
        // Arabic in Windows-1252: four characters, since each pair alone is common.
        "[ØÙ][{common}{currency}{bad}{numeric}{start}ŸŠ®°µ»][ØÙ][{common}{currency}{bad}{numeric}{start}ŸŠ®°µ»]",
        // South Asian scripts in Windows-1252.
        "à[²µ¹¼½¾]",
        // MacRoman.
        "√[±∂†≠®™´≤≥¥µø]",
        "≈[°¢]",
        "‚Ä[ìîïòôúùû†°¢π]",
        "‚[âó][àä°ê]",
        // Windows-1251: punctuation, then Latin-1 letters and Cyrillic.
        "вЂ",
        "[ВГРС][{c1}{bad}{start}{end}{currency}°µ][ВГРС]",
        "ГўВЂВ.[A-Za-z ]",
        // Windows-1252 of "à", "á" and of the no-break space.
        "Ã[\u{a0}¡]",
        "[a-z]{s}?[ÃÂ] ",
        "^[ÃÂ] ",
        "[a-z.,?!{end}]Â[ {start}{end}]",
        // Windows-1253 and Windows-1257.
        "β€[™\u{a0}Ά\u{ad}®°]",
        "[ΒΓΞΟ][{c1}{bad}{start}{end}{currency}°][ΒΓΞΟ]",
        "ā€",
    ];
    let classes = [
        ("{s}", r"[\s\x1c-\x1f]"),
        ("{common}", COMMON),
        ("{c1}", C1),
        ("{bad}", BAD),
        ("{law}", LAW),
        ("{currency}", CURRENCY),
        ("{start}", START_PUNCTUATION),
        ("{end}", END_PUNCTUATION),
        ("{numeric}", NUMERIC),
        ("{kaomoji}", KAOMOJI),
        ("{upper}", UPPER_ACCENTED),
        ("{lower}", LOWER_ACCENTED),
        ("{upper_common}", UPPER_COMMON),
        ("{lower_common}", LOWER_COMMON),
        ("{box}", BOX),
    ];
    let pattern = SEQUENCES.join("|");
    let pattern = classes.iter().fold(pattern, |pattern, (name, class)| pattern.replace(name, class));
    Regex::new(&pattern).expect("a constant pattern")
});

/// Runs of characters that UTF-8 becomes if another encoding reads it.
static UTF8_LIKE: LazyLock<Regex> = LazyLock::new(|| {
    let (two, three, four, next) = (UTF8_FIRST_OF_2, UTF8_FIRST_OF_3, UTF8_FIRST_OF_4, UTF8_CONTINUATION);
    Regex::new(&format!("(?:[{two}][{next}]|[{three}][{next}]{{2}}|[{four}][{next}]{{3}})+"))
        .expect("a constant pattern")
});

/// A character that must not precede a match of [`UTF8_LIKE`], because the match may then be the end of a longer
/// garble.
static UTF8_INSIDE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("[{UTF8_CONTINUATION_STRICT}]")).expect("a constant pattern"));

/// UTF-8 sequences with a space in place of the byte 0xa0 that are likely characters with that byte.
static SPACED_UTF8: LazyLock<BytesRegex> = LazyLock::new(|| {
    BytesRegex::new(
        r"(?-u)[\xc2\xc3\xc5\xce\xd0\xd9] |[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] |\xf0 [\x80-\xbf][\x80-\xbf]|\xf0[\x80-\xbf] [\x80-\xbf]|\xf0[\x80-\xbf][\x80-\xbf] ",
    )
    .expect("a constant pattern")
});

/// UTF-8 and CESU-8 sequences with lost bytes, which have become 0x1a or a question mark.
static LOSSY_UTF8: LazyLock<BytesRegex> = LazyLock::new(|| {
    BytesRegex::new(
        r"(?-u)[\xc2-\xdf]\x1a|[\xc2-\xc3]\?|\xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]|\xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]|[\xe0-\xef][\x1a?][\x1a\x80-\xbf]|[\xe0-\xef][\x1a\x80-\xbf][\x1a?]|[\xf0-\xf4][\x1a?][\x1a\x80-\xbf][\x1a\x80-\xbf]|[\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]|[\xf0-\xf4][\x1a\x80-\xbf][\x1a\x80-\xbf][\x1a?]|\x1a",
    )
    .expect("a constant pattern")
});

/// Reads misread text again, as many times as it was misread.
pub(super) fn repair(text: &str) -> Cow<'_, str> {
    repair_within(text, MAX_DEPTH)
}

fn repair_within(text: &str, depth: usize) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..MAX_ROUNDS {
        match repair_once(&text, depth) {
            Some(repaired) if repaired != text => text = Cow::Owned(repaired),
            _ => break,
        }
    }
    text
}

/// Undoes one misreading. Returns `None` if the text does not look misread.
fn repair_once(text: &str, depth: usize) -> Option<String> {
    if text.is_ascii() || !UNLIKELY.is_match(text) {
        return None;
    }
    if let Some(read) = CODE_PAGES.iter().find_map(|page| read_again(text, page)) {
        return Some(read);
    }
    if let Some(mended) = repair_pieces(text, depth) {
        return Some(mended);
    }
    let latin_1 = CODE_PAGES.first().and_then(|page| page.encode(text));
    if let Some(read) = latin_1.and_then(|bytes| windows_1252(&bytes)).filter(|read| read != text) {
        return Some(read);
    }
    Some(replace_c1(text))
}

/// Reads `text` again as UTF-8 that was misread as `page`. Returns `None` if its bytes are not UTF-8.
fn read_again(text: &str, page: &CodePage) -> Option<String> {
    let mut bytes = page.encode(text)?;
    if page.restores_spaces && SPACED_UTF8.is_match(&bytes) {
        bytes = restore_spaces(&bytes);
    }
    if page.sloppy {
        bytes = LOSSY_UTF8.replace_all(&bytes, "\u{fffd}".as_bytes()).into_owned();
    }
    decode_variants(bytes)
}

/// Puts the byte 0xa0 back where a space stands in a UTF-8 sequence.
fn restore_spaces(bytes: &[u8]) -> Vec<u8> {
    // The word "Ã" is "à" and the space after it, except in the Portuguese "às", "àquele", "àquela" and "àquilo".
    const A_GRAVE: [u8; 2] = [0xc3, b' '];
    let inside = [&b" "[..], b"quele", b"quela", b"quilo", b"s "];
    let mut words = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        match rest.strip_prefix(&A_GRAVE) {
            Some(behind) if !inside.iter().any(|word| behind.starts_with(word)) => {
                words.extend([0xc3, 0xa0, b' ']);
                rest = behind;
            }
            _ => {
                words.push(*first);
                rest = tail;
            }
        }
    }
    let restore = |found: &regex::bytes::Captures<'_>| -> Vec<u8> {
        found[0].iter().map(|&b| if b == b' ' { 0xa0 } else { b }).collect()
    };
    SPACED_UTF8.replace_all(&words, restore).into_owned()
}

/// Decodes UTF-8 and its variants CESU-8 (surrogate pairs in three bytes each) and Java's two-byte NUL. Returns
/// `None` for other bytes.
fn decode_variants(bytes: Vec<u8>) -> Option<String> {
    if !bytes.iter().any(|b| matches!(b, 0xed | 0xc0)) {
        return String::from_utf8(bytes).ok();
    }
    let mut standard = Vec::with_capacity(bytes.len());
    let mut rest = &bytes[..];
    while let [first, tail @ ..] = rest {
        rest = match rest {
            [0xc0, 0x80, tail @ ..] => {
                standard.push(0);
                tail
            }
            &[
                0xed,
                a @ 0xa0..=0xaf,
                b @ 0x80..=0xbf,
                0xed,
                c @ 0xb0..=0xbf,
                d @ 0x80..=0xbf,
                ref tail @ ..,
            ] => {
                let bits = |byte: u8, mask, shift: u32| u32::from(byte & mask) << shift;
                let code = bits(a, 0x0f, 16) + bits(b, 0x3f, 10) + bits(c, 0x0f, 6) + bits(d, 0x3f, 0);
                let pair = char::from_u32(code + 0x1_0000)?;
                standard.extend_from_slice(pair.encode_utf8(&mut [0; 4]).as_bytes());
                tail
            }
            _ => {
                standard.push(*first);
                tail
            }
        };
    }
    String::from_utf8(standard).ok()
}

/// Repairs pieces that look misread within a text that does not. Returns `None` if nothing changes.
fn repair_pieces(text: &str, depth: usize) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let (mut copied, mut from) = (0, 0);
    while let Some(found) = UTF8_LIKE.find_at(text, from) {
        let piece = found.as_str();
        let before = text[..found.start()].chars().next_back();
        if before.is_some_and(|c| UTF8_INSIDE.is_match(c.encode_utf8(&mut [0; 4]))) {
            from = found.start() + piece.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        from = found.end();
        if depth > 0 && piece.len() < text.len() && UNLIKELY.is_match(piece) {
            out.push_str(&text[copied..found.start()]);
            out.push_str(&repair_within(piece, depth - 1));
            copied = found.end();
        }
    }
    out.push_str(&text[copied..]);
    (out != text).then_some(out)
}

/// Decodes bytes as Windows-1252. Returns `None` if one of them is unassigned.
fn windows_1252(bytes: &[u8]) -> Option<String> {
    let upper: Vec<char> = WINDOWS_1252.chars().collect();
    bytes
        .iter()
        .map(|&b| match b {
            0..0x80 => Some(char::from(b)),
            _ => upper.get(usize::from(b) - 0x80).copied().filter(|c| !is_c1(*c)),
        })
        .collect()
}

/// Reads C1 control characters as the Windows-1252 characters of their bytes, as browsers do.
pub(super) fn replace_c1(text: &str) -> String {
    let upper = |c: char| WINDOWS_1252.chars().nth(c as usize - 0x80).unwrap_or(c);
    text.chars().map(|c| if is_c1(c) { upper(c) } else { c }).collect()
}

fn is_c1(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}')
}
