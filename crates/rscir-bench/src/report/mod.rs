//! Writes the files of an evaluation, with one module for each format.

mod csv;
mod html;
mod json;
mod latex;
mod markdown;
mod reference;
pub(crate) mod text;

pub use html::{HtmlReport, TileData, TileSource};

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rscir_core::EncoderSpec;
use rscir_core::files::{self, FileError};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{DatasetReport, Error, Result, Table};

pub use csv::metrics_csv;
pub use json::summary_json;
pub use latex::latex_rows;
pub use markdown::{findings_text, summary_markdown};
use reference::reference_files;
pub use reference::{reference_csv, reference_lambda, reference_name};

/// What a report says beside the figures.
#[derive(Debug, Clone)]
pub struct RunDescription {
    /// Name of the dataset, or of its folder.
    pub dataset: String,
    /// Record of the encoder.
    pub spec: EncoderSpec,
    /// Number of rows of the archive.
    pub archive_rows: usize,
    /// Every option of the run, with the names of the program that ran it.
    pub options: Value,
    /// Everything in the dataset that the protocol does not expect.
    pub findings: DatasetReport,
}

/// Writes all files of a run into `folder`: `metrics.csv`, `summary.md`, `summary.json`, `rows.tex` and, for
/// the methods of the reference program, `patternnet_metrics_<model>_lambda<l>_<attribute>.csv`. Returns
/// their paths.
///
/// The files replace those of an older run together or, on an error, not at all. `summary.json` lists the
/// SHA-256 of the other files under `files`; see [`check_report`].
///
/// # Errors
/// [`Error::Io`] with the file that cannot be written; [`Error::File`] if a path cannot be that of a file.
pub fn write_report(folder: impl AsRef<Path>, table: &Table, run: &RunDescription) -> Result<Vec<PathBuf>> {
    let folder = folder.as_ref();
    std::fs::create_dir_all(folder).map_err(|source| Error::Io {
        action: "write",
        path: folder.into(),
        source,
    })?;
    let mut files = vec![
        ("metrics.csv".to_string(), metrics_csv(table)?),
        ("summary.md".to_string(), summary_markdown(table, run)),
        ("rows.tex".to_string(), latex_rows(table)),
    ];
    files.extend(reference_files(table, run.spec.model.as_deref())?);
    let digests = files.iter().map(|(name, text)| (name.clone(), json!(digest(text.as_bytes()))));
    let mut summary = summary_json(table, run);
    summary[FILES] = Value::Object(digests.collect());
    let summary = serde_json::to_string_pretty(&summary).unwrap_or_default() + "\n";
    // The summary is pushed last, so that it is renamed first: whoever looks before the other files are in
    // place sees that they do not fit.
    files.push((SUMMARY.into(), summary));
    let files: Vec<(PathBuf, String)> =
        files.into_iter().map(|(name, text)| (folder.join(name), text)).collect();
    files::replace_together(files.iter().map(|(path, text)| (path, text)))?;
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// Name of the file that lists the others of a report.
const SUMMARY: &str = "summary.json";

/// Name of the list in that file.
const FILES: &str = "files";

/// Greatest length in bytes of a report's file that is read: a table of ten thousand methods by ten thousand
/// groups.
const MAX_PART_BYTES: u64 = 1 << 30;

/// Compares the files of a report in `folder` with the list in its `summary.json`. Returns the paths of files
/// that are missing or belong to another run, which a process that was killed while writing can leave. Empty
/// if all files belong together.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`] if a file cannot be read; [`Error::Line`] if `summary.json` is not that
/// of a report.
pub fn check_report(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let folder = folder.as_ref();
    let path = folder.join(SUMMARY);
    let bad = |line, problem| Error::Line { path: path.clone(), line, problem };
    let summary: Value = serde_json::from_str(&files::read_text(&path, MAX_PART_BYTES)?)
        .map_err(|error| bad(error.line() as u64, format!("{error}: write the report anew")))?;
    let listed = summary[FILES].as_object();
    let listed = listed.ok_or_else(|| bad(1, "no files are listed: write the report anew".into()))?;
    let mut others = Vec::new();
    for (name, expected) in listed {
        // A summary made by someone else could name any file.
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Err(bad(1, format!("the file {name:?} is in another folder: write the report anew")));
        }
        let file = folder.join(name);
        match files::read_bounded(&file, MAX_PART_BYTES) {
            Ok(bytes) if expected.as_str() == Some(&digest(&bytes)) => {}
            Ok(_) => others.push(file),
            Err(FileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => others.push(file),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(others)
}

/// Returns a SHA-256 checksum in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
