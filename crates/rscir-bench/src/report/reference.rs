//! Writes the files of the reference program, with its names.

use rscir_core::MethodInfo;

use super::text::{csv_failed, into_text};
use crate::outcome::CUTOFFS;
use crate::{Figures, PATTERNCOM_CUTOFFS, Result, Table};

/// Returns the content of one of the reference program's files: a row for each method, with all figures of
/// one attribute and two decimals as Python prints them. `rows` are the reference's names of the methods with
/// their figures.
///
/// # Errors
/// No input causes an error.
pub fn reference_csv(rows: &[(&str, &Figures)]) -> Result<String> {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
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

/// Returns the name of a method in the reference program's files, or `None` if that program lacks the method.
/// WeiCom has one name for every lambda; the lambda is in the name of the file.
pub fn reference_name(method: &MethodInfo) -> Option<&'static str> {
    match method.family.as_ref() {
        "image" => Some("Image only"),
        "text" => Some("Text only"),
        "sum" => Some("Average Similarities"),
        _ => reference_lambda(method).map(|_| "Weighted Similarities Norm"),
    }
}

/// Returns the lambda of a WeiCom with the normal CDF, which is the only one in the reference program. `None`
/// for other methods.
pub fn reference_lambda(method: &MethodInfo) -> Option<f64> {
    let has_cdf = matches!(method.choice("normalization"), Some("cdf" | "reference"));
    if method.family == "weicom" && has_cdf { method.number("lambda") } else { None }
}

/// Returns a name as part of a file name.
fn file_part(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

/// Returns the files of the reference program: for each lambda and attribute, the methods without a lambda
/// and WeiCom with that lambda.
pub(super) fn reference_files(table: &Table, model: Option<&str>) -> Result<Vec<(String, String)>> {
    let model = model.map_or_else(|| "unknown".into(), file_part);
    let mut lambdas: Vec<f64> = Vec::new();
    for lambda in table.rows.iter().filter_map(|row| reference_lambda(&row.method)) {
        // A method that was given twice has two rows in one file.
        if !lambdas.contains(&lambda) {
            lambdas.push(lambda);
        }
    }
    if lambdas.is_empty() {
        // Without WeiCom, the reference program still names its default lambda.
        lambdas.push(0.5);
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
                    format!("patternnet_metrics_{model}_lambda{lambda:?}_{}.csv", file_part(group)),
                    reference_csv(&rows)?,
                ));
            }
        }
    }
    Ok(files)
}
