//! Writes `rows.tex`: the table of mAP as the paper prints it.

use rscir_core::printable;

use crate::Table;

/// Returns the rows of a LaTeX table of mAP as the paper prints it: a head `Method & color & ... & Avg`, then
/// one row for each method with two decimals, each row ending in `\\\\`. Names are escaped.
pub fn latex_rows(table: &Table) -> String {
    let head = table.groups.iter().map(String::as_str).chain(["Avg"]).map(latex_text);
    let mut out = format!("Method & {} \\\\\n", head.collect::<Vec<_>>().join(" & "));
    for row in &table.rows {
        let figures = row.figures.iter().chain([&row.average]).map(|figures| format!("{:.2}", figures.map));
        let figures: Vec<String> = figures.collect();
        out += &format!("{} & {} \\\\\n", latex_text(&row.method.label), figures.join(" & "));
    }
    out
}

/// Escapes text so that LaTeX prints it unchanged: its ten special characters are escaped, line breaks become
/// blanks, and other characters that are obeyed instead of shown are written by [`printable`].
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
