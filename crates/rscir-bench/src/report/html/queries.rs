//! Shows the best and the worst queries, with what each part and the composition find.

use std::cmp::Ordering;

use rscir_core::{Html, Scored};

use super::tiles::Tiles;
use super::{GROUPS, HtmlReport};
use crate::{Query, QueryOutcome};

/// A query on the page.
struct Example<'a> {
    group: &'a str,
    query: Query,
    outcomes: &'a [QueryOutcome],
}

impl HtmlReport<'_> {
    pub(super) fn write_queries(&self, html: &mut Html, tiles: &mut Tiles<'_>) {
        let ranked = |outcomes: &Vec<Vec<QueryOutcome>>| outcomes.iter().flatten().any(|o| !o.top.is_empty());
        if self.examples == 0 || !self.evaluation.groups.iter().any(|group| ranked(&group.queries)) {
            return;
        }
        html.raw("<section aria-labelledby=\"queries\">\n<h2 id=\"queries\">Best and worst queries</h2>\n<p>Of each group, by the average precision (AP) of ");
        html.text(self.composition_label());
        html.raw(
            "; of equals those where it gains most, or loses most, against its parts come first. \
             <span class=\"key hit\">✓</span> relevant by the labels, <span class=\"key self\">Q</span> the query tile itself, \
             which stays in the archive.</p>\n",
        );
        for g in 0..self.queries.groups.len().min(GROUPS) {
            let examples = self.ordered(g);
            let count = self.examples.min(examples.len());
            for example in &examples[..count] {
                self.write_query(html, tiles, "best", example);
            }
            for example in examples[count..].iter().rev().take(count) {
                self.write_query(html, tiles, "worst", example);
            }
        }
        html.raw("</section>\n");
    }

    /// Returns the queries of group `g`, best first.
    fn ordered(&self, g: usize) -> Vec<Example<'_>> {
        let (Some(group), Some(outcomes)) = (self.queries.groups.get(g), self.evaluation.groups.get(g))
        else {
            return Vec::new();
        };
        let mut examples: Vec<Example<'_>> = group
            .queries
            .iter()
            .zip(&outcomes.queries)
            .map(|(query, outcomes)| Example { group: &group.name, query: *query, outcomes })
            .collect();
        let ap = |e: &Example<'_>, m: Option<usize>| {
            m.and_then(|m| e.outcomes.get(m)).map_or(0.0, |outcome| outcome.average_precision)
        };
        let (image, text) = (self.family("image"), self.family("text"));
        let composed = |e: &Example<'_>| ap(e, Some(self.composition));
        let gain = |e: &Example<'_>| composed(e) - ap(e, image).max(ap(e, text));
        // The sort is stable: equal queries stay in their order.
        examples.sort_by(|a, b| -> Ordering {
            composed(b).total_cmp(&composed(a)).then(gain(b).total_cmp(&gain(a)))
        });
        examples
    }

    fn write_query(&self, html: &mut Html, tiles: &mut Tiles<'_>, rank: &str, example: &Example<'_>) {
        let Query { image, text, relevant } = example.query;
        let (image, text) = (&self.queries.images[image], &self.queries.texts[text]);
        let key = image.key();
        let relevant = &self.queries.relevant[relevant];
        let own_row = image.row_in(self.archive);
        html.raw("<article>\n<h3>")
            .text(example.group)
            .raw(", ")
            .raw(rank)
            .raw(": this tile, but “")
            .text(text);
        html.raw("”</h3>\n<div class=\"query\">");
        if let Some(row) = own_row {
            tiles.show(row, &format!("query tile {key}"), html);
        }
        html.raw("<p><span class=\"words\">+ “").text(text).raw("”</span><code>").text(key);
        html.raw(&format!(
            "</code>{} relevant</p></div>\n<div class=\"rankings\">\n",
            count(relevant.len(), "tile")
        ));
        let methods = [self.family("image"), self.family("text"), Some(self.composition)];
        let mut seen = Vec::new();
        for m in methods.into_iter().flatten() {
            let (Some(method), Some(outcome)) = (self.evaluation.methods.get(m), example.outcomes.get(m))
            else {
                continue;
            };
            if seen.contains(&m) {
                continue;
            }
            seen.push(m);
            let hits =
                outcome.top.iter().filter(|scored| relevant.binary_search(&scored.row).is_ok()).count();
            html.raw("<section><h4>").text(&method.label);
            html.raw(&format!(
                " <span>AP {:.1} %, {hits} of the first {} relevant</span></h4>\n<ol>",
                100.0 * outcome.average_precision,
                outcome.top.len()
            ));
            for (place, Scored { row, .. }) in outcome.top.iter().enumerate() {
                let hit = relevant.binary_search(row).is_ok();
                let own = own_row == Some(*row);
                let (class, mark, words) = match (hit, own) {
                    (true, _) => ("hit", "✓", ", relevant"),
                    (false, true) => ("self", "Q", ", the query tile"),
                    (false, false) => ("other", "", ""),
                };
                html.raw(&format!("<li class=\"{class}\">"));
                tiles.show(*row, &format!("{}: {}{words}", place + 1, self.archive.key(*row)), html);
                if !mark.is_empty() {
                    html.raw(&format!("<span class=\"key {class}\" aria-hidden=\"true\">{mark}</span>"));
                }
                html.raw("</li>\n");
            }
            html.raw("</ol></section>\n");
        }
        html.raw("</div>\n</article>\n");
    }
}

/// Returns `1 tile`, `2 tiles`.
fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
