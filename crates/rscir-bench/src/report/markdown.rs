//! Writes `summary.md`: the table of mAP, and what the run was.

use rscir_core::printable;

use super::RunDescription;
use super::text::markdown_cell;
use crate::{DatasetReport, Finding, Table};

impl Table {
    /// Returns the mAP of methods by groups as a Markdown table.
    pub fn to_markdown(&self) -> String {
        let names: Vec<String> = self.groups.iter().map(|name| markdown_cell(name)).collect();
        let mut out = format!("| mAP (%) | {} | Avg |\n|---|", names.join(" | "));
        out += &"---:|".repeat(self.groups.len() + 1);
        out.push('\n');
        for row in &self.rows {
            out += &format!("| {} |", markdown_cell(&row.method.label));
            for figures in row.figures.iter().chain([&row.average]) {
                out += &format!(" {:.2} |", figures.map);
            }
            out.push('\n');
        }
        out
    }
}

/// Returns the content of `summary.md`: the table of mAP, and what the run was.
pub fn summary_markdown(table: &Table, run: &RunDescription) -> String {
    let queries: usize = table.rows.first().map_or(0, |row| row.average.queries);
    let known = |text: Option<&str>| printable(text.unwrap_or("unknown")).into_owned();
    let mut out = format!("# {}\n\n{}\n", printable(&run.dataset), table.to_markdown());
    out += &format!(
        "{queries} queries on {} images. Model {}, weights {}, activation {}, precision {}.\n\n",
        run.archive_rows,
        known(run.spec.model.as_deref()),
        known(run.spec.weights_sha256.as_deref()),
        known(run.spec.activation.as_ref().map(ToString::to_string).as_deref()),
        run.spec.precision,
    );
    out += &findings_text(&run.findings);
    out
}

/// Returns what was found in the dataset, one finding a line. Empty if nothing was found. Names are written
/// by [`printable`].
pub fn findings_text(report: &DatasetReport) -> String {
    let mut out = String::new();
    let mut list = |what: &str, findings: &[Finding]| {
        if !findings.is_empty() {
            out += &format!("{} {what}:\n", findings.len());
            for f in findings {
                let [file, name, value] = [&f.file, &f.name, &f.value].map(|text| printable(text));
                out += &format!("- {file}:{} {name}, {value}\n", f.line);
            }
        }
    };
    list("rows whose image the archive lacks", &report.missing);
    list("rows whose image an earlier row names", &report.duplicates);
    list("rows without a query, their category has no other value", &report.without_queries);
    list("queries left out, the archive lacks every image that would answer", &report.unanswered);
    for header in &report.headers {
        out += &format!("header skipped: {}:{}\n", printable(&header.file), header.line);
    }
    if !report.ambiguous.is_empty() {
        out += &format!(
            "{} base names stand for several images: {}\n",
            report.ambiguous.len(),
            printable(&report.ambiguous.join(", "))
        );
    }
    out
}
