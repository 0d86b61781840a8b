//! Names and messages as they may be printed: no byte of a name is obeyed by a terminal.

use rscir::core::is_unprintable;
pub use rscir::core::printable;

/// Lines as they are, each [`printable`].
pub fn lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// A message that may have some lines, such as an error with its causes. All after the first are indented, so that none of
/// them, be it a part of a name, passes for a message of its own.
pub fn message(text: &str) -> String {
    lines(text.trim_end()).replace('\n', "\n  ")
}

/// JSON with every character escaped that [`printable`] escapes; `serde_json` does so with the first 32 alone.
pub fn json(value: &serde_json::Value) -> String {
    let mut printed = String::new();
    for c in format!("{value:#}").chars() {
        // A line break is one of the layout: those in strings are escaped already, and the layout has nothing else.
        if c != '\n' && is_unprintable(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| printed += &format!("\\u{unit:04x}"));
        } else {
            printed.push(c);
        }
    }
    printed
}

/// What is shown of a value within a line, such as a path: a line break in it is none of the line's.
pub fn shown(value: impl std::fmt::Display) -> String {
    printable(&value.to_string()).into_owned()
}
