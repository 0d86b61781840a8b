//! `rows.tex`: the table of mAP as the paper prints it.

use rscir_core::printable;

use crate::Table;

/// Writes the rows of a LaTeX table of mAP, as the paper prints it: a head `Method & color & ... & Avg`, then one row a method, two
/// decimals, each ending in `\\\\`. Names are escaped.
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
