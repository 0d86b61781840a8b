//! Names and messages as they may be printed: no byte of a name is obeyed by a terminal.

use rscir::core::is_unprintable;
pub use rscir::core::printable;

/// A message of some lines, such as an error with its causes: as [`printable`], but its lines stay lines. All after the
/// first are indented, so that none of them, be it part of a name, passes for a message of its own.
pub fn message(text: &str) -> String {
    text.trim_end().lines().map(printable).collect::<Vec<_>>().join("\n  ")
}

/// JSON as it may be printed. `serde_json` escapes the first 32 control characters and no others.
pub fn json(value: &serde_json::Value) -> String {
    let mut printed = String::new();
    for c in format!("{value:#}").chars() {
        // Outside of strings there are none but line breaks, and those in strings are escaped already.
        if c != '\n' && is_unprintable(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| printed += &format!("\\u{unit:04x}"));
        } else {
            printed.push(c);
        }
    }
    printed
}
