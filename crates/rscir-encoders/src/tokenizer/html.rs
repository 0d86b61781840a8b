//! HTML character references, resolved as Python's `html.unescape` and ftfy's stricter `unescape_html` resolve them.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::tables::WINDOWS_1252;

/// Names of references, with their semicolon if they have one, and their texts. The list is WHATWG's, from Python's
/// `html.entities.html5`.
static ENTITIES: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    let code = |hex| u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
    include_str!("../../data/html5_entities.txt")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, codes)| (name, codes.split(' ').filter_map(code).collect()))
        .collect()
});

/// Resolves every reference, also without a semicolon, by the rules of HTML 5 as Python applies them.
pub(super) fn unescape(text: &str) -> String {
    replace_references(text, |rest| if rest.starts_with('#') { numeric(rest) } else { named(rest) })
}

/// Resolves text that is certainly a reference, like ftfy's `unescape_html`. A semicolon is required, and names in
/// capitals (`&EACUTE;`) are read too.
pub(super) fn unescape_unambiguous(text: &str) -> String {
    replace_references(text, |rest| {
        let digits = usize::from(rest.starts_with('#'));
        let body = rest[digits..].bytes().take(25).take_while(u8::is_ascii_alphanumeric).count();
        // ftfy's pattern: `&#?[0-9A-Za-z]{1,24};`
        if !(1..=24).contains(&body) || !rest[digits + body..].starts_with(';') {
            return None;
        }
        let reference = &rest[..digits + body + 1];
        let value = if digits == 1 {
            numeric(reference).filter(|(value, length)| *length == reference.len() && value != ";")?.0
        } else {
            ENTITIES.get(reference).cloned().or_else(|| capitals(reference))?
        };
        Some((value, reference.len()))
    })
}

/// Returns the value of an entity with a lower-case name that is written in capitals, in capitals. `None` if the name
/// in capitals has a meaning of its own.
fn capitals(reference: &str) -> Option<String> {
    let lower = reference.to_ascii_lowercase();
    let value = ENTITIES.get(lower.as_str())?;
    let is_capitals = lower.to_ascii_uppercase() == reference;
    (is_capitals && named(reference).is_none()).then(|| value.to_uppercase())
}

/// Calls `resolve` with the text after every `&`. It returns a value and the number of bytes that the value replaces,
/// or `None` to leave the text.
fn replace_references(text: &str, resolve: impl Fn(&str) -> Option<(String, usize)>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match resolve(rest) {
            Some((value, length)) => {
                out.push_str(&value);
                rest = &rest[length..];
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

/// Resolves `#...` with an optional semicolon.
fn numeric(rest: &str) -> Option<(String, usize)> {
    let hexadecimal = rest[1..].starts_with(['x', 'X']);
    let (start, radix) = if hexadecimal { (2, 16) } else { (1, 10) };
    let digits = rest[start..].bytes().take_while(|b| char::from(*b).is_digit(radix)).count();
    if digits == 0 {
        return None;
    }
    // A number that does not fit is not a character, like any number above 0x10ffff.
    let number = u32::from_str_radix(&rest[start..start + digits], radix).unwrap_or(u32::MAX);
    let end = start + digits;
    Some((character(number), end + usize::from(rest[end..].starts_with(';'))))
}

/// Returns the text of a numeric reference, with the exceptions of the WHATWG standard as Python applies them.
fn character(number: u32) -> String {
    match number {
        0 => "\u{fffd}".into(),
        0x80..=0x9f => WINDOWS_1252.chars().nth(number as usize - 0x80).map(String::from).unwrap_or_default(),
        0x1..=0x8 | 0xb | 0xe..=0x1f | 0x7f | 0xfdd0..=0xfdef => String::new(),
        _ if number & 0xfffe == 0xfffe && number <= 0x10_ffff => String::new(),
        _ => char::from_u32(number).unwrap_or('\u{fffd}').into(),
    }
}

/// Resolves a name: the whole run of characters of a name, or the longest beginning of the run that is a name.
fn named(rest: &str) -> Option<(String, usize)> {
    // Python's pattern: `[^\t\n\f <&#;]{1,32};?`
    let ends = |c: char| matches!(c, '\t' | '\n' | '\x0c' | ' ' | '<' | '&' | '#' | ';');
    let run: usize = rest.chars().take(32).take_while(|c| !ends(*c)).map(char::len_utf8).sum();
    let whole = run + usize::from(rest[run..].starts_with(';'));
    if let Some(value) = ENTITIES.get(&rest[..whole]) {
        return Some((value.clone(), whole));
    }
    (2..whole).rev().find_map(|end| Some((ENTITIES.get(rest.get(..end)?)?.clone(), end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_as_python_reads_them() {
        for (text, expected) in [
            ("&amp &ampx &copy;&notit; &notin;", "& &x \u{a9}\u{ac}it; \u{2209}"),
            (
                "&#0;&#128;&#x99&#xd800;&#x110000;&#99999999999;",
                "\u{fffd}\u{20ac}\u{2122}\u{fffd}\u{fffd}\u{fffd}",
            ),
            ("&#11;&#xfdd0;&#x1ffff;&#13;", "\r"),
            ("&; &# &#; &#x; &unknown; & &", "&; &# &#; &#x; &unknown; & &"),
            ("&NotEqualTilde;", "\u{2242}\u{338}"),
        ] {
            assert_eq!(unescape(text), expected, "{text}");
        }
    }

    #[test]
    fn doubtful_references_stay() {
        for (text, expected) in [
            ("this&not that &amp", "this&not that &amp"),
            ("&NTILDE; &Ntilde; &nTILDE; BUNDESSTRA&SZLIG;E", "\u{d1} \u{d1} &nTILDE; BUNDESSTRASSE"),
            ("&#x2019;&#59;&#zz;", "\u{2019}&#59;&#zz;"),
            ("&#12abc;", "&#12abc;"),
        ] {
            assert_eq!(unescape_unambiguous(text), expected, "{text}");
        }
    }
}
