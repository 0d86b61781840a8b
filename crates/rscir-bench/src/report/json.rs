//! Writes `summary.json`: everything that decides the figures, and the figures.

use serde_json::{Value, json};

use super::RunDescription;
use crate::{Figures, Finding, Table};

/// Returns the content of `summary.json`: everything that decides the figures, and the figures.
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
            json!({"method": row.method.label, "attributes": groups, "avg": figures(&row.average)})
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
