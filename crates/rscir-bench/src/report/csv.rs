//! Writes `metrics.csv`: every figure of a table.

use super::text::{csv_cell, csv_failed, into_text};
use crate::{Result, Table};

/// Returns the content of `metrics.csv`: method, attribute, number of queries and every figure in percent.
/// The last attribute of each method is `avg`.
///
/// # Errors
/// No input causes an error.
pub fn metrics_csv(table: &Table) -> Result<String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut header: Vec<String> = ["method", "attribute", "queries", "mAP"].map(String::from).into();
    header.extend(table.cutoffs.iter().map(|k| format!("P@{k}")));
    header.extend(table.cutoffs.iter().map(|k| format!("R@{k}")));
    let mut records = vec![header];
    for row in &table.rows {
        let named = table.groups.iter().map(String::as_str).zip(&row.figures).chain([("avg", &row.average)]);
        for (name, figures) in named {
            let mut record = vec![csv_cell(&row.method.label), csv_cell(name), figures.queries.to_string()];
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
