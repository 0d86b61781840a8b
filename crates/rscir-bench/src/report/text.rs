//! Names and numbers as the formats of a report hold them.

use rscir_core::printable;

use crate::{Error, Result};

/// Plain text in a cell of a Markdown table: line breaks as blanks, other characters that are obeyed rather than shown as
/// [`printable`] writes them.
pub(crate) fn markdown_cell(text: &str) -> String {
    printable(&text.replace(['\n', '\r'], " ")).replace('|', "\\|")
}

/// A name in a cell of a csv file: characters that are obeyed rather than shown, line breaks among them, as [`printable`]
/// writes them. The csv writer quotes what is left. A cell may begin with `=`, `+`, `-` or `@`, which some spreadsheets take
/// for a formula: numbers do too.
pub(crate) fn csv_cell(text: &str) -> String {
    printable(text).into_owned()
}

pub(crate) fn into_text(writer: csv::Writer<Vec<u8>>) -> Result<String> {
    let bytes = writer.into_inner().map_err(|error| csv_failed(error.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn csv_failed(error: csv::Error) -> Error {
    rscir_core::Error::from_source("writing a csv table in memory", error).into()
}
