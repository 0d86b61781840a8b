//! Reads the textual arguments of protocol 0.

/// Decodes Python's `raw-unicode-escape`: Latin-1, with `\uXXXX` and `\UXXXXXXXX` for all other characters.
/// `None` if it is malformed.
pub(crate) fn raw_unicode(line: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut rest = line;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = match (byte, tail.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(byte));
                rest = tail;
                continue;
            }
        };
        let code = hexadecimal(tail.get(1..1 + digits)?)?;
        text.push(char::from_u32(code)?);
        rest = tail.get(1 + digits..)?;
    }
    Some(text)
}

/// Decodes the `repr` of a Python 2 string, which is the argument of `STRING`. `None` if it is malformed.
pub(crate) fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let (&quote, rest) = line.split_first()?;
    let (&last, mut rest) = rest.split_last()?;
    if !matches!(quote, b'\'' | b'"') || last != quote {
        return None;
    }
    let mut bytes = Vec::new();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&escape, tail) = rest.split_first()?;
        rest = tail;
        bytes.push(match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' | b'\'' | b'"' => escape,
            b'x' => {
                let code = hexadecimal(rest.get(..2)?)?;
                rest = rest.get(2..)?;
                u8::try_from(code).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |code, &digit| Some((code << 4) | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_unicode_reads_latin1_and_escapes() {
        assert_eq!(
            raw_unicode(b"caf\xe9 \\u005c \\U0001f600 \\d").as_deref(),
            Some("caf\u{e9} \\ \u{1f600} \\d")
        );
        assert_eq!(raw_unicode(b"\\u12"), None);
        assert_eq!(raw_unicode(b"\\ud800"), None);
    }

    #[test]
    fn quoted_reads_what_repr_writes() {
        assert_eq!(quoted(br"'a\n\\\x00\'b'").as_deref(), Some(&b"a\n\\\0'b"[..]));
        for malformed in [&b"'"[..], b"'a", b"a'", b"'\\'", br"'\x1'", br"'\q'", b""] {
            assert_eq!(quoted(malformed), None);
        }
    }
}
