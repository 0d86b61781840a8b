//! Draws the curve of mean average precision over lambda, with one line for each group.

use rscir_core::Html;

use super::{GROUPS, HtmlReport};
use crate::{Rounding, Table};

/// Frame of the plot in units of the picture: left, top, right, bottom.
const FRAME: [f64; 4] = [60.0, 12.0, 700.0, 340.0];
/// Width and height of the picture.
const SIZE: [f64; 2] = [720.0, 396.0];
/// Number of lines with different colors. Further lines repeat the colors, dashed. The style sheet defines
/// the colors.
const COLORS: usize = 7;

impl HtmlReport<'_> {
    pub(super) fn write_curve(&self, html: &mut Html) {
        let sweep = self.sweep();
        if sweep.is_empty() {
            return;
        }
        let table = Table::of(self.evaluation, Rounding::None);
        let row_of = |m: usize| table.rows.get(m);
        let curve = |group: usize| -> Vec<(f64, f64)> {
            let point = |(lambda, m): &(f64, usize)| row_of(*m)?.figures.get(group).map(|f| (*lambda, f.map));
            sweep.iter().filter_map(point).collect()
        };
        let mean = sweep.iter().filter_map(|(lambda, m)| row_of(*m).map(|row| (*lambda, row.average.map)));
        let mut lines: Vec<(&str, Vec<(f64, f64)>)> =
            table.groups.iter().take(GROUPS).enumerate().map(|(g, name)| (name.as_str(), curve(g))).collect();
        lines.push(("mean", mean.collect()));

        html.raw("<section aria-labelledby=\"lambda\">\n<h2 id=\"lambda\">WeiCom over lambda</h2>\n");
        html.raw("<p>0 is the image alone, 1 the text alone. The largest mark of each line is its best lambda.</p>\n");
        html.raw("<figure class=\"curve\">\n");
        write_plot(html, &lines);
        html.raw("<figcaption><ul class=\"legend\">\n");
        for (i, (name, points)) in lines.iter().enumerate() {
            html.raw("<li><svg viewBox=\"0 0 44 14\" width=\"44\" height=\"14\" aria-hidden=\"true\">");
            html.raw(&format!("<g class=\"{}\"><path d=\"M2 7H42\"/>", class(i, lines.len())));
            mark(html, i, 22.0, 7.0, 4.0);
            html.raw("</g></svg> ").text(name);
            if let Some((lambda, map)) = peak(points) {
                html.raw(&format!(" <span class=\"peak\">{map:.2} at {lambda}</span>"));
            }
            html.raw("</li>\n");
        }
        html.raw("</ul></figcaption>\n</figure>\n<details><summary>The curve as a table</summary>\n");
        let methods: Vec<usize> = sweep.iter().map(|(_, m)| *m).collect();
        self.write_map_table(html, &table, &methods, "Mean average precision in percent by lambda");
        html.raw("</details>\n</section>\n");
    }
}

/// Returns the style of line `i`. The last of `of` lines is the mean.
fn class(i: usize, of: usize) -> String {
    if i + 1 == of {
        return "line mean".into();
    }
    let dashed = if i / COLORS % 2 == 1 { " dashed" } else { "" };
    format!("line c{}{dashed}", i % COLORS)
}

/// Returns the best point, and the first of equal ones.
fn peak(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    points.iter().copied().rev().max_by(|a, b| a.1.total_cmp(&b.1))
}

fn write_plot(html: &mut Html, lines: &[(&str, Vec<(f64, f64)>)]) {
    let [left, top, right, bottom] = FRAME;
    let highest = lines.iter().flat_map(|(_, points)| points).map(|(_, map)| *map).fold(0.0, f64::max);
    let step = if highest > 50.0 {
        20.0
    } else if highest > 20.0 {
        10.0
    } else {
        5.0
    };
    let ceiling = ((highest / step).ceil() * step).max(step);
    let x = |lambda: f64| left + (right - left) * lambda;
    let y = |map: f64| bottom - (bottom - top) * map / ceiling;

    html.raw(&format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"plot\">\n",
        SIZE[0], SIZE[1]
    ));
    html.raw("<title id=\"plot\">Mean average precision over lambda, a line for each group; the table below has its values</title>\n");
    html.raw("<g class=\"axis\">\n");
    let ticks = (ceiling / step).round() as usize;
    for tick in 0..=ticks {
        let (map, at) = (tick as f64 * step, y(tick as f64 * step));
        html.raw(&format!("<path d=\"M{left:.1} {at:.1}H{right:.1}\"/>"));
        html.raw(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{map}</text>\n",
            left - 8.0,
            at + 5.0
        ));
    }
    for tenth in 0..=10 {
        let at = x(f64::from(tenth) / 10.0);
        html.raw(&format!("<path d=\"M{at:.1} {bottom:.1}v5\"/>"));
        let label = f64::from(tenth) / 10.0;
        // A narrow screen leaves out every other label.
        let class = if tenth % 2 == 1 { " class=\"odd\"" } else { "" };
        html.raw(&format!(
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\"{class}>{label}</text>\n",
            bottom + 22.0
        ));
    }
    html.raw(&format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">lambda, the weight of the text</text>\n",
        f64::midpoint(left, right),
        SIZE[1] - 8.0
    ));
    html.raw(&format!(
        "<text transform=\"translate(18 {:.1}) rotate(-90)\" text-anchor=\"middle\">mAP (%)</text>\n</g>\n",
        f64::midpoint(top, bottom)
    ));
    for (i, (_, points)) in lines.iter().enumerate() {
        html.raw(&format!("<g class=\"{}\"><path d=\"", class(i, lines.len())));
        for (p, (lambda, map)) in points.iter().enumerate() {
            html.raw(&format!("{}{:.1} {:.1}", if p == 0 { 'M' } else { 'L' }, x(*lambda), y(*map)));
        }
        html.raw("\"/>");
        let best = peak(points);
        for point in points {
            let size = if best == Some(*point) { 6.5 } else { 3.5 };
            mark(html, i, x(point.0), y(point.1), size);
        }
        html.raw("</g>\n");
    }
    html.raw("</svg>\n");
}

/// Writes the mark of line `i`, whose form tells lines apart without their color.
fn mark(html: &mut Html, i: usize, x: f64, y: f64, size: f64) {
    let s = size;
    let path = match i % 5 {
        0 => format!("m{s:.1} 0a{s:.1} {s:.1} 0 1 0 -{d:.1} 0a{s:.1} {s:.1} 0 1 0 {d:.1} 0", d = 2.0 * s),
        1 => format!("m-{s:.1} -{s:.1}h{d:.1}v{d:.1}h-{d:.1}z", d = 2.0 * s),
        2 => format!("m0 -{s:.1}l{s:.1} {d:.1}h-{d:.1}z", d = 2.0 * s),
        3 => format!("m0 -{s:.1}l{s:.1} {s:.1}l-{s:.1} {s:.1}l-{s:.1} -{s:.1}z"),
        _ => format!("m0 {s:.1}l{s:.1} -{d:.1}h-{d:.1}z", d = 2.0 * s),
    };
    html.raw(&format!("<path class=\"mark\" d=\"M{x:.1} {y:.1}{path}\"/>"));
}
