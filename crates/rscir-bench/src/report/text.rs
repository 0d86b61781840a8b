//! Writes names and numbers in the formats of a report.

use rscir_core::printable;

use crate::{Error, Result};

/// Returns text for a cell of a Markdown table: line breaks become blanks, and other characters that are
/// obeyed instead of shown are written by [`printable`].
pub(crate) fn markdown_cell(text: &str) -> String {
    printable(&text.replace(['\n', '\r'], " ")).replace('|', "\\|")
}

/// Returns a name for a cell of a CSV file: characters that are obeyed instead of shown, including line
/// breaks, are written by [`printable`]. The CSV writer quotes the rest. A cell may begin with `=`, `+`, `-`
/// or `@`, which some spreadsheets take for a formula, because numbers do, too.
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
