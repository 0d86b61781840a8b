//! The files an evaluation leaves.

use std::path::{Path, PathBuf};

use rscir_core::EncoderSpec;
use serde_json::{Value, json};

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
            let mut record = vec![row.method.clone(), name.into(), figures.queries.to_string()];
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

/// Plain text as LaTeX prints it unchanged: its ten special characters escaped, line breaks as blanks.
fn latex_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out += "\\textbackslash{}",
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '\n' | '\r' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}

/// Plain text in a cell of a Markdown table.
pub(crate) fn markdown_cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
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
            "headers": report.headers.len(),
            "ambiguous_names": report.ambiguous.len(),
        },
        "missing": findings(&report.missing),
        "duplicates": findings(&report.duplicates),
        "without_queries": findings(&report.without_queries),
        "results": methods,
    })
}

/// `summary.md`: the table of mAP, and what the run was.
pub fn summary_markdown(table: &Table, run: &RunDescription) -> String {
    let queries: usize = table.rows.first().map_or(0, |row| row.average.queries);
    let known = |text: &str| if text.is_empty() { "unknown".to_string() } else { text.to_string() };
    let mut out = format!("# {}\n\n{}\n", run.dataset, table.to_markdown());
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

/// What was met in the dataset, a line each; empty if nothing was.
pub fn findings_text(report: &DatasetReport) -> String {
    let mut out = String::new();
    let mut list = |what: &str, findings: &[Finding]| {
        if !findings.is_empty() {
            out += &format!("{} {what}:\n", findings.len());
            for f in findings {
                out += &format!("- {}:{} {}, {}\n", f.file, f.line, f.name, f.value);
            }
        }
    };
    list("rows whose image the archive lacks", &report.missing);
    list("rows whose image an earlier row names", &report.duplicates);
    list("rows without a query, their category has no other value", &report.without_queries);
    for header in &report.headers {
        out += &format!("header skipped: {}:{}\n", header.file, header.line);
    }
    if !report.ambiguous.is_empty() {
        out += &format!(
            "{} base names stand for several images: {}\n",
            report.ambiguous.len(),
            report.ambiguous.join(", ")
        );
    }
    out
}

/// Writes all files of a run into `folder`: `metrics.csv`, `summary.md`, `summary.json`, `rows.tex` and, for the methods that the
/// reference has, `patternnet_metrics_<model>_lambda<l>_<attribute>.csv`. Returns their paths.
///
/// # Errors
/// [`Error::Io`] with the file.
pub fn write_report(folder: impl AsRef<Path>, table: &Table, run: &RunDescription) -> Result<Vec<PathBuf>> {
    let folder = folder.as_ref();
    std::fs::create_dir_all(folder).map_err(|source| Error::Io {
        action: "write",
        path: folder.into(),
        source,
    })?;
    let json = serde_json::to_string_pretty(&summary_json(table, run)).unwrap_or_default();
    let mut files = vec![
        ("metrics.csv".to_string(), metrics_csv(table)?),
        ("summary.md".to_string(), summary_markdown(table, run)),
        ("summary.json".to_string(), json + "\n"),
        ("rows.tex".to_string(), latex_rows(table)),
    ];
    files.extend(reference_files(table, &run.spec.model)?);
    let write = |(name, text): (String, String)| {
        let path = folder.join(name);
        match std::fs::write(&path, text) {
            Ok(()) => Ok(path),
            Err(source) => Err(Error::Io { action: "write", path, source }),
        }
    };
    files.into_iter().map(write).collect()
}

/// The reference's files: for each lambda and attribute, the methods without a lambda and WeiCom of that one.
fn reference_files(table: &Table, model: &str) -> Result<Vec<(String, String)>> {
    let model: String =
        model.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    let model = if model.is_empty() { "unknown" } else { &model };
    let mut lambdas: Vec<&str> = table.rows.iter().filter_map(|row| reference_lambda(&row.method)).collect();
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
                    format!("patternnet_metrics_{model}_lambda{lambda}_{group}.csv"),
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
