use std::borrow::Cow;

/// Escapes the characters that a terminal or a table obeys instead of showing: control characters (C0, DEL, C1) and
/// characters that change the direction of text, break its lines or have no width. They become `\n`, `\u{1b}` and
/// so on; all other characters stay as they are.
///
/// A file name or a key may hold any of these characters. Printed raw, it could set the title of the terminal,
/// overwrite the line above or look like another name.
///
/// ```
/// use rscir_core::printable;
///
/// assert_eq!(printable("\u{1b}[2Jfélin.png"), r"\u{1b}[2Jfélin.png");
/// assert_eq!(printable("a\nb"), r"a\nb");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.contains(is_unprintable) {
        let escape = |c: char| if is_unprintable(c) { c.escape_default().to_string() } else { c.to_string() };
        text.chars().map(escape).collect::<String>().into()
    } else {
        text.into()
    }
}

/// Tells whether [`printable`] escapes a character.
pub fn is_unprintable(c: char) -> bool {
    // `is_control` covers C0, DEL and C1, the general category Cc. The other ranges are of the categories Cf,
    // Zl and Zp of Unicode 16, without the visible ones: the signs that span Arabic, Syriac and Kaithi
    // numbers, and the Egyptian joiners.
    c.is_control()
        || matches!(c,
            '\u{ad}' // soft hyphen
            | '\u{61c}' // Arabic letter mark
            | '\u{180e}' // Mongolian vowel separator
            | '\u{200b}'..='\u{200f}' // of no width, and marks of direction
            | '\u{2028}'..='\u{202e}' // separators of lines and paragraphs; embeddings and overrides of direction
            | '\u{2060}'..='\u{206f}' // invisible operators, isolates of direction, deprecated controls
            | '\u{feff}' // byte order mark
            | '\u{fff9}'..='\u{fffb}' // interlinear annotation
            | '\u{1bca0}'..='\u{1bca3}' // shorthand
            | '\u{1d173}'..='\u{1d17a}' // musical
            | '\u{e0000}'..='\u{e007f}' // tags
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_escaped_and_letters_are_not() {
        for (raw, shown) in [
            ("\u{1b}]0;title\u{7}", r"\u{1b}]0;title\u{7}"),
            ("a\r\tb\n", r"a\r\tb\n"),
            ("\u{7f}\u{9b}2J", r"\u{7f}\u{9b}2J"),
            ("gnp.\u{202e}evil", r"gnp.\u{202e}evil"),
            ("\u{2066}x\u{2069}\u{feff}", r"\u{2066}x\u{2069}\u{feff}"),
        ] {
            assert_eq!(printable(raw), shown);
        }
        for plain in ["", "harbor 07.png", "Köln/東京 \"ش\"\\n", "\u{1f6f0}\u{fe0f}"] {
            assert!(matches!(printable(plain), Cow::Borrowed(text) if text == plain));
        }
    }
}
