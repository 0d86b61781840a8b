//! Escapes names and messages for printing, so that a terminal obeys none of their bytes.

use rscir::core::is_unprintable;
pub use rscir::core::printable;

/// Escapes each line of a text, and keeps the line breaks.
pub fn lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Escapes a message that may have several lines, such as an error with its causes. The lines after the first are
/// indented, so that none of them looks like a message of its own, even if it is a part of a name.
pub fn message(text: &str) -> String {
    lines(text.trim_end()).replace('\n', "\n  ")
}

/// Writes JSON, with every character escaped that [`printable`] escapes. `serde_json` escapes only the first 32.
pub fn json(value: &serde_json::Value) -> String {
    let mut printed = String::new();
    for c in format!("{value:#}").chars() {
        // A line break belongs to the layout, because `serde_json` has escaped those in strings.
        if c != '\n' && is_unprintable(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| printed += &format!("\\u{unit:04x}"));
        } else {
            printed.push(c);
        }
    }
    printed
}

/// Escapes a value that is printed within a line, such as a path, including its line breaks.
pub fn shown(value: impl std::fmt::Display) -> String {
    printable(&value.to_string()).into_owned()
}
