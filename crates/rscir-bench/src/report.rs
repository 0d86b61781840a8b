//! The files an evaluation leaves.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rscir_core::files::{self, FileError};
use rscir_core::{EncoderSpec, printable};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::outcome::CUTOFFS;
use crate::protocol::{DatasetReport, Finding};
use crate::table::PATTERNCOM_CUTOFFS;
use crate::{Error, Figures, Result, Table};

/// What a report says beside the figures.
#[derive(Debug, Clone)]
pub struct RunDescription {
    /// Name of the dataset, or its folder's.
    pub dataset: String,
    /// The encoder.
    pub spec: EncoderSpec,
    /// Rows of the archive.
    pub archive_rows: usize,
    /// Every option of the run, as the program that ran it names them.
    pub options: Value,
    /// What the dataset held that the protocol does not expect.
    pub findings: DatasetReport,
}

/// `metrics.csv`: method, attribute, queries and every figure in percent; a last attribute `avg` for each method.
pub fn metrics_csv(table: &Table) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header: Vec<String> = ["method", "attribute", "queries", "mAP"].map(String::from).into();
    header.extend(table.cutoffs.iter().map(|k| format!("P@{k}")));
    header.extend(table.cutoffs.iter().map(|k| format!("R@{k}")));
    let mut records = vec![header];
    for row in &table.rows {
        let named = table.groups.iter().map(String::as_str).zip(&row.figures).chain([("avg", &row.average)]);
        for (name, figures) in named {
            let mut record = vec![csv_cell(&row.method), csv_cell(name), figures.queries.to_string()];
            let values = [figures.precision, figures.recall];
            record.push(format!("{:.4}", figures.map));
            for values in &values {
                record.extend(table.shown(values).map(|(_, value)| format!("{value:.4}")));
            }
            records.push(record);
        }
    }
    for record in records {
        writer.write_record(record).map_err(csv_failed)?;
    }
    into_text(writer)
}

/// The rows of a LaTeX table of mAP, as the paper prints it: a head `Method & color & ... & Avg`, then one row a method, two
/// decimals, each ending in `\\\\`. Names are escaped.
pub fn latex_rows(table: &Table) -> String {
    let head = table.groups.iter().map(String::as_str).chain(["Avg"]).map(latex_text);
    let mut out = format!("Method & {} \\\\\n", head.collect::<Vec<_>>().join(" & "));
    for row in &table.rows {
        let figures = row.figures.iter().chain([&row.average]).map(|figures| format!("{:.2}", figures.map));
        let figures: Vec<String> = figures.collect();
        out += &format!("{} & {} \\\\\n", latex_text(&row.method), figures.join(" & "));
    }
    out
}

/// Plain text as LaTeX prints it unchanged: its ten special characters escaped, line breaks as blanks, other characters that
/// are obeyed rather than shown as [`printable`] writes them.
fn latex_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(&text.replace(['\n', '\r'], " ")).chars() {
        match c {
            '\\' => out += "\\textbackslash{}",
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

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

/// One of the reference's own files: a row per method, all figures of one attribute, two decimals as Python prints them.
/// `rows` are the reference's names of the methods with their figures.
pub fn reference_csv(rows: &[(&str, &Figures)]) -> Result<String> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let mut header = vec!["Method".to_string()];
    header.extend(PATTERNCOM_CUTOFFS.map(|k| format!("R@{k}")));
    header.extend(PATTERNCOM_CUTOFFS.map(|k| format!("P@{k}")));
    header.push("AP".into());
    writer.write_record(&header).map_err(csv_failed)?;
    let at = |values: &[f64; CUTOFFS.len()]| {
        let counted = CUTOFFS.into_iter().zip(*values);
        counted.filter(|(k, _)| PATTERNCOM_CUTOFFS.contains(k)).map(|(_, value)| value)
    };
    for (name, figures) in rows {
        let mut record = vec![(*name).to_string()];
        let values = at(&figures.recall).chain(at(&figures.precision)).chain([figures.map]);
        record.extend(values.map(|value| format!("{:?}", crate::metrics::round2(value))));
        writer.write_record(&record).map_err(csv_failed)?;
    }
    into_text(writer)
}

/// The reference's name of a method, if it has one. WeiCom of any lambda has one name; the lambda is in the file's.
pub fn reference_name(label: &str) -> Option<&'static str> {
    match label {
        "image" => Some("Image only"),
        "text" => Some("Text only"),
        "sum" => Some("Average Similarities"),
        _ => reference_lambda(label).map(|_| "Weighted Similarities Norm"),
    }
}

/// The lambda in the label of a WeiCom with the normal CDF, as Python prints it.
pub fn reference_lambda(label: &str) -> Option<&str> {
    let lambda = label.strip_prefix("weicom(lambda=")?.strip_suffix(')')?;
    lambda.parse::<f64>().ok().map(|_| lambda)
}

/// `summary.json`: everything that decides the figures, and the figures.
pub fn summary_json(table: &Table, run: &RunDescription) -> Value {
    let findings = |list: &[Finding]| -> Vec<Value> {
        list.iter()
            .map(|f| json!({"file": f.file, "line": f.line, "name": f.name, "value": f.value}))
            .collect()
    };
    let at = |values: &[f64]| -> serde_json::Map<String, Value> {
        table.shown(values).map(|(k, value)| (k.to_string(), json!(value))).collect()
    };
    let figures =
        |f: &Figures| json!({"queries": f.queries, "mAP": f.map, "P": at(&f.precision), "R": at(&f.recall)});
    let methods: Vec<Value> = table
        .rows
        .iter()
        .map(|row| {
            let groups: serde_json::Map<String, Value> =
                table.groups.iter().cloned().zip(row.figures.iter().map(figures)).collect();
            json!({"method": row.method, "attributes": groups, "avg": figures(&row.average)})
        })
        .collect();
    let report = &run.findings;
    json!({
        "dataset": run.dataset,
        "encoder": run.spec,
        "archive_rows": run.archive_rows,
        "options": run.options,
        "counts": {
            "missing": report.missing.len(),
            "duplicates": report.duplicates.len(),
            "without_queries": report.without_queries.len(),
            "unanswered": report.unanswered.len(),
            "headers": report.headers.len(),
            "ambiguous_names": report.ambiguous.len(),
        },
        "missing": findings(&report.missing),
        "duplicates": findings(&report.duplicates),
        "without_queries": findings(&report.without_queries),
        "unanswered": findings(&report.unanswered),
        "results": methods,
    })
}

/// `summary.md`: the table of mAP, and what the run was.
pub fn summary_markdown(table: &Table, run: &RunDescription) -> String {
    let queries: usize = table.rows.first().map_or(0, |row| row.average.queries);
    let known = |text: &str| printable(if text.is_empty() { "unknown" } else { text }).into_owned();
    let mut out = format!("# {}\n\n{}\n", printable(&run.dataset), table.to_markdown());
    out += &format!(
        "{queries} queries on {} images. Model {}, weights {}, activation {}, precision {}.\n\n",
        run.archive_rows,
        known(&run.spec.model),
        known(&run.spec.weights_sha256),
        known(&run.spec.activation),
        run.spec.precision,
    );
    out += &findings_text(&run.findings);
    out
}

/// What was met in the dataset, a line each; empty if nothing was. Names are as [`printable`] writes them.
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

/// Writes all files of a run into `folder`: `metrics.csv`, `summary.md`, `summary.json`, `rows.tex` and, for the methods that the
/// reference has, `patternnet_metrics_<model>_lambda<l>_<attribute>.csv`. Returns their paths.
///
/// They replace those of an older run together or, on an error, not at all. `summary.json` lists the SHA-256 of the others
/// under `files`, see [`check_report`].
///
/// # Errors
/// [`Error::Io`] with the file; [`Error::File`] for a path that a file cannot have.
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
    files.extend(reference_files(table, &run.spec.model)?);
    let digests = files.iter().map(|(name, text)| (name.clone(), json!(digest(text.as_bytes()))));
    let mut summary = summary_json(table, run);
    summary[FILES] = Value::Object(digests.collect());
    let summary = serde_json::to_string_pretty(&summary).unwrap_or_default() + "\n";
    // Last, so that it is in its place first: whoever looks before the others are sees that they do not fit.
    files.push((SUMMARY.into(), summary));
    let files: Vec<(PathBuf, String)> =
        files.into_iter().map(|(name, text)| (folder.join(name), text)).collect();
    files::replace_together(files.iter().map(|(path, text)| (path, text)))?;
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// The file that knows the others of a report.
const SUMMARY: &str = "summary.json";

/// Where it lists them.
const FILES: &str = "files";

/// Bytes of a report's file that are read at most: a table of ten thousand methods by ten thousand groups.
const LARGEST_PART: u64 = 1 << 30;

/// Compares the files of a report in `folder` with what its `summary.json` says of them. Gives the paths of those that are
/// missing or are of another run, which a process that was killed while it wrote can leave; none if all belong together.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`] if a file cannot be read; [`Error::Line`] if `summary.json` is none of a report.
pub fn check_report(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let folder = folder.as_ref();
    let path = folder.join(SUMMARY);
    let bad = |line, problem| Error::Line { path: path.clone(), line, problem };
    let summary: Value = serde_json::from_str(&files::read_text(&path, LARGEST_PART)?)
        .map_err(|error| bad(error.line() as u64, format!("{error}: write the report anew")))?;
    let listed = summary[FILES].as_object();
    let listed = listed.ok_or_else(|| bad(1, "no files are listed: write the report anew".into()))?;
    let mut others = Vec::new();
    for (name, expected) in listed {
        // A summary that someone else made could name any file.
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Err(bad(1, format!("the file {name:?} is in another folder: write the report anew")));
        }
        let file = folder.join(name);
        match files::read_bounded(&file, LARGEST_PART) {
            Ok(bytes) if expected.as_str() == Some(&digest(&bytes)) => {}
            Ok(_) => others.push(file),
            Err(FileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => others.push(file),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(others)
}

/// A SHA-256 checksum in hexadecimal digits.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name as a part of a file's name.
fn file_part(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

/// The reference's files: for each lambda and attribute, the methods without a lambda and WeiCom of that one.
fn reference_files(table: &Table, model: &str) -> Result<Vec<(String, String)>> {
    let model = if model.is_empty() { "unknown".into() } else { file_part(model) };
    let mut lambdas: Vec<&str> = Vec::new();
    for lambda in table.rows.iter().filter_map(|row| reference_lambda(&row.method)) {
        // A method that was asked for twice has two rows in one file.
        if !lambdas.contains(&lambda) {
            lambdas.push(lambda);
        }
    }
    if lambdas.is_empty() {
        // Without WeiCom the reference still names its default lambda.
        lambdas.push("0.5");
    }
    let mut files = Vec::new();
    for lambda in lambdas {
        for (g, group) in table.groups.iter().enumerate() {
            let rows: Vec<(&str, &Figures)> = table
                .rows
                .iter()
                .filter(|row| reference_lambda(&row.method).is_none_or(|own| own == lambda))
                .filter_map(|row| reference_name(&row.method).map(|name| (name, &row.figures[g])))
                .collect();
            if !rows.is_empty() {
                files.push((
                    format!("patternnet_metrics_{model}_lambda{lambda}_{}.csv", file_part(group)),
                    reference_csv(&rows)?,
                ));
            }
        }
    }
    Ok(files)
}

pub(crate) fn into_text(writer: csv::Writer<Vec<u8>>) -> Result<String> {
    let bytes = writer.into_inner().map_err(|error| csv_failed(error.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn csv_failed(error: csv::Error) -> Error {
    rscir_core::Error::from_source("writing a csv table in memory", error).into()
}
