//! Writes the tables of a page.

use rscir_core::{Html, MethodInfo};

use super::HtmlReport;
use crate::report::reference_lambda;
use crate::{Bootstrap, Convention, Figures, Interval, Rounding, Table, TableRow};

/// Lambda of the WeiCom that is shown as the composition: the paper's default (section 3 of arXiv
/// 2405.15587), not the lambda that is best on the queries shown.
const LAMBDA: f64 = 0.5;

/// Returns the index of the method that is shown as the composition by default: the WeiCom whose lambda is
/// nearest the paper's or, without one, the first method that is not the image or the text alone.
pub(super) fn default_composition(methods: &[MethodInfo]) -> usize {
    let distance = |method: &MethodInfo| Some((reference_lambda(method)? - LAMBDA).abs());
    let weicoms = methods.iter().enumerate().filter_map(|(m, method)| distance(method).map(|d| (m, d)));
    let nearest = weicoms.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(m, _)| m);
    let composes = |method: &MethodInfo| method.family != "image" && method.family != "text";
    nearest.or_else(|| methods.iter().position(composes)).unwrap_or(0)
}

impl HtmlReport<'_> {
    /// Returns the methods of the curve: WeiCom by lambda, ascending. Empty if there are fewer than two.
    pub(super) fn sweep(&self) -> Vec<(f64, usize)> {
        let methods = self.evaluation.methods.iter().enumerate();
        let mut sweep: Vec<(f64, usize)> =
            methods.filter_map(|(m, method)| reference_lambda(method).map(|lambda| (lambda, m))).collect();
        sweep.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        if sweep.len() < 2 { Vec::new() } else { sweep }
    }

    /// Writes the mean average precision of methods by groups, and what the composition adds to its parts.
    pub(super) fn write_tables(&self, html: &mut Html) {
        let table = Table::of(self.evaluation, Rounding::None);
        let sweep = self.sweep();
        // The table shows only that method of a sweep whose rankings the page shows; the others are below the
        // curve.
        let shown = |m: &usize| *m == self.composition || sweep.iter().all(|(_, of_sweep)| of_sweep != m);
        let rows: Vec<usize> = (0..table.rows.len()).filter(shown).collect();
        html.raw("<section aria-labelledby=\"methods\">\n<h2 id=\"methods\">Methods</h2>\n");
        let mut caption = "Mean average precision in percent; the best of each column is bold".to_string();
        if let Some(intervals) = self.intervals {
            let Bootstrap { level, resamples, .. } = intervals.bootstrap;
            caption += &format!(
                "; below each its {} % interval by {resamples} resamples of the queries",
                100.0 * level
            );
        }
        self.write_map_table(html, &table, &rows, &caption);
        self.write_shortcuts(html);
        html.raw("</section>\n");
    }

    /// Writes a table of the methods `rows` by groups.
    pub(super) fn write_map_table(&self, html: &mut Html, table: &Table, rows: &[usize], caption: &str) {
        let rows: Vec<(usize, &TableRow)> =
            rows.iter().filter_map(|m| table.rows.get(*m).map(|row| (*m, row))).collect();
        let columns = table.groups.len() + 1;
        let figures =
            |row: &TableRow, column: usize| -> Figures { *row.figures.get(column).unwrap_or(&row.average) };
        let best: Vec<f64> = (0..columns)
            .map(|column| rows.iter().map(|(_, row)| shown(figures(row, column).map)).fold(0.0, f64::max))
            .collect();
        open_table(html, caption);
        html.raw("<thead><tr><th scope=\"col\">method</th>");
        for (column, group) in table.groups.iter().map(String::as_str).chain(["mean"]).enumerate() {
            let queries = table.rows.first().map_or(0, |row| figures(row, column).queries);
            html.raw("<th scope=\"col\">").text(group);
            html.raw("<small>").raw(&format!("{queries} queries</small></th>"));
        }
        html.raw("</tr></thead>\n<tbody>\n");
        for (m, row) in rows {
            html.raw("<tr><th scope=\"row\">").text(&row.method.label).raw("</th>");
            for (column, best) in best.iter().enumerate() {
                let map = figures(row, column).map;
                let figure = format!("{map:.2}");
                html.raw("<td>");
                if shown(map) == *best {
                    html.raw("<strong>").raw(&figure).raw("</strong>");
                } else {
                    html.raw(&figure);
                }
                if let Some(Interval { low, high, .. }) = self.interval(m, column) {
                    html.raw(&format!("<small>[{low:.1}, {high:.1}]</small>"));
                }
                html.raw("</td>");
            }
            html.raw("</tr>\n");
        }
        close_table(html);
    }

    /// Returns the interval of a method in a column of the table: a group, or the mean after them.
    fn interval(&self, method: usize, column: usize) -> Option<&Interval> {
        let row = self.intervals?.rows.get(method)?;
        Some(row.groups.get(column).unwrap_or(&row.average))
    }

    /// Writes how often the composition beats both of its parts. If it does not, a query may be answered
    /// by one part alone.
    fn write_shortcuts(&self, html: &mut Html) {
        let (Some(image), Some(text)) = (self.family("image"), self.family("text")) else { return };
        if [image, text].contains(&self.composition) {
            return;
        }
        let caption = format!(
            "Unimodal shortcuts: queries by whether {} ranks better (in average precision) than the image and the text alone",
            self.composition_label()
        );
        open_table(html, &caption);
        html.raw("<thead><tr><th scope=\"col\">group</th>");
        for name in
            ["better than both", "the text alone does as well", "the image alone does as well", "either does"]
        {
            html.raw("<th scope=\"col\">").raw(name).raw("</th>");
        }
        html.raw("</tr></thead>\n<tbody>\n");
        for group in &self.evaluation.groups {
            let mut counts = [0_usize; 4];
            for outcomes in &group.queries {
                let ap =
                    |m: usize| outcomes.get(m).map_or(0.0, |o| Convention::Standard.average_precision(o));
                let composed = ap(self.composition);
                let (by_text, by_image) = (ap(text) >= composed, ap(image) >= composed);
                counts[usize::from(by_text) + 2 * usize::from(by_image)] += 1;
            }
            html.raw("<tr><th scope=\"row\">").text(&group.name).raw("</th>");
            for count in counts {
                let percent = 100.0 * count as f64 / group.queries.len().max(1) as f64;
                html.raw(&format!("<td>{percent:.0} %<small>{count}</small></td>"));
            }
            html.raw("</tr>\n");
        }
        close_table(html);
    }
}

/// Rounds a figure like the table does, so that figures that look equal are equal.
fn shown(map: f64) -> f64 {
    (map * 100.0).round()
}

fn open_table(html: &mut Html, caption: &str) {
    // Wide tables scroll in a box of their own, also by keyboard.
    html.raw("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"").text(caption);
    html.raw("\"><table>\n<caption>").text(caption).raw("</caption>\n");
}

fn close_table(html: &mut Html) {
    html.raw("</tbody></table></div>\n");
}
