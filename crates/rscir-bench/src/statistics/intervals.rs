use rscir_core::MethodInfo;

use super::bootstrap::{Bootstrap, Interval};
use super::sample::Sample;
use crate::report::text::{csv_cell, csv_failed, into_text, markdown_cell};
use crate::{Convention, Evaluation, Result};

/// Mean average precisions of methods by groups, in percent, with their confidence intervals.
#[derive(Debug, Clone, PartialEq)]
pub struct Intervals {
    /// Names of the groups.
    pub groups: Vec<String>,
    /// Number of queries of each group.
    pub queries: Vec<usize>,
    /// One row for each method.
    pub rows: Vec<IntervalRow>,
    /// How the intervals were made.
    pub bootstrap: Bootstrap,
}

/// The intervals of one method.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalRow {
    /// The method.
    pub method: MethodInfo,
    /// One interval for each group.
    pub groups: Vec<Interval>,
    /// Interval of the unweighted mean over the groups that have queries.
    pub average: Interval,
}

impl Intervals {
    /// Computes the intervals of all methods and groups of an evaluation, unrounded.
    ///
    /// # Errors
    /// The errors of [`Bootstrap::intervals`].
    pub fn of(evaluation: &Evaluation, convention: Convention, bootstrap: Bootstrap) -> Result<Self> {
        let rows = evaluation.methods.iter().enumerate().map(|(m, method)| {
            let (groups, average) = bootstrap.intervals(&Sample::of(evaluation, m, convention)?)?;
            Ok(IntervalRow { method: method.clone(), groups, average })
        });
        Ok(Self {
            rows: rows.collect::<Result<_>>()?,
            groups: evaluation.groups.iter().map(|group| group.name.clone()).collect(),
            queries: evaluation.groups.iter().map(|group| group.queries.len()).collect(),
            bootstrap,
        })
    }

    /// Returns a Markdown table like [`Table::to_markdown`](crate::Table::to_markdown), with the bounds after
    /// each figure.
    pub fn to_markdown(&self) -> String {
        let names: Vec<String> = self.groups.iter().map(|name| markdown_cell(name)).collect();
        let mut out = format!(
            "| mAP (%), {} % intervals | {} | Avg |\n|---|",
            100.0 * self.bootstrap.level,
            names.join(" | ")
        );
        out += &"---:|".repeat(self.groups.len() + 1);
        out.push('\n');
        for row in &self.rows {
            out += &format!("| {} |", markdown_cell(&row.method.label));
            for Interval { estimate, low, high } in row.groups.iter().chain([&row.average]) {
                out += &format!(" {estimate:.2} [{low:.2}, {high:.2}] |");
            }
            out.push('\n');
        }
        out
    }

    /// Returns a CSV file with a row for each method and group: `method,attribute,queries,mAP,low,high`. The
    /// last attribute of each method is `avg`.
    ///
    /// # Errors
    /// No input causes an error.
    pub fn to_csv(&self) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["method", "attribute", "queries", "mAP", "low", "high"]).map_err(csv_failed)?;
        let all: usize = self.queries.iter().sum();
        for row in &self.rows {
            let groups = self.groups.iter().map(String::as_str).zip(&self.queries).zip(&row.groups);
            for ((name, queries), interval) in groups.chain([(("avg", &all), &row.average)]) {
                let [map, low, high] =
                    [interval.estimate, interval.low, interval.high].map(|value| format!("{value:.4}"));
                let (method, name) = (csv_cell(&row.method.label), csv_cell(name));
                let record = [&method, &name, &queries.to_string(), &map, &low, &high];
                writer.write_record(record).map_err(csv_failed)?;
            }
        }
        into_text(writer)
    }
}
