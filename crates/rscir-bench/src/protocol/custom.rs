use std::collections::BTreeSet;
use std::path::Path;

use rscir_core::Archive;

use super::lines::{field_problem, file_name, read_csv};
use super::set_builder::SetBuilder;
use super::{DatasetReport, Finding, Protocol};
use crate::{Error, QuerySet, Result};

/// A user's own queries, from a CSV file of query image, text, and the keys of the relevant images with `|`
/// or `;` between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomQueries {
    rows: Vec<(u64, [String; 3])>,
    file: String,
}

impl CustomQueries {
    /// Reads rows `image,text,relevant`. If the first row has these names, it is a header.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Line`] for a row of another form.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        const COLUMNS: [&str; 3] = ["image", "text", "relevant"];
        let path = path.as_ref();
        let mut rows = Vec::new();
        for (place, record) in read_csv(path)?.enumerate() {
            let record = record?;
            let bad = |problem| Error::Line { path: path.into(), line: record.line, problem };
            if place == 0 && record.fields == COLUMNS {
                continue;
            }
            let got = record.count;
            let fields: [String; 3] = record.fields.try_into().map_err(|_| {
                bad(format!("expected 3 columns (image,text,relevant keys between | or ;), got {got}"))
            })?;
            for (what, field) in COLUMNS.into_iter().take(2).zip(&fields) {
                if let Some(problem) = field_problem(what, field) {
                    return Err(bad(problem));
                }
            }
            if fields[2].split(['|', ';']).any(|key| key.trim().is_empty()) {
                return Err(bad("a relevant key is empty: fill it in, or take its | or ; away".into()));
            }
            rows.push((record.line, fields));
        }
        Ok(Self { rows, file: file_name(path) })
    }
}

impl Protocol for CustomQueries {
    fn name(&self) -> &'static str {
        "own queries"
    }

    /// Makes the queries. Relevant images that the archive lacks are reported, and the query keeps the
    /// others. A query without any relevant image in the archive is left out and reported as unanswered.
    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, DatasetReport)> {
        let mut builder = SetBuilder::new(archive);
        for (line, [key, text, relevant]) in &self.rows {
            let keys = relevant.split(['|', ';']).map(str::trim);
            let rows: BTreeSet<usize> =
                keys.filter_map(|key| builder.row(key, &self.file, *line, text)).collect();
            if let Some(image) = builder.row(key, &self.file, *line, text) {
                if rows.is_empty() {
                    let (file, name, value) = (self.file.clone(), key.clone(), text.clone());
                    builder.report.unanswered.push(Finding { file, line: *line, name, value });
                    continue;
                }
                builder.add("all", image, text, rows);
            }
        }
        builder.finish()
    }
}
