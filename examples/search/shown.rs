//! Prints an answer.

use rscir::core::PartKind;
use rscir::index::Answer;
use rscir::prelude::*;
use serde_json::json;

use crate::args::Cli;
use crate::asked::Asked;
use crate::common::out::{self, note, say};
use crate::common::text;

/// Prints a line for each hit: rank, score, key, and the probability of each part if the method computes it.
pub(crate) fn lines(answer: &Answer, asked: &Asked) {
    for (i, hit) in answer.hits.iter().enumerate() {
        let parts = answer.probabilities.get(i).map_or(String::new(), |probabilities| {
            let parts = asked.names.iter().zip(probabilities);
            let parts: Vec<String> = parts.map(|(name, p)| format!("{name} {:.0} %", 100.0 * p)).collect();
            format!("  ({})", parts.join(", "))
        });
        say!("{:>3}  {:.4}  {}{}", i + 1, hit.score, text::printable(&hit.key), text::printable(&parts));
    }
}

/// Says what the method learned: the weight of the texts, doubts, and the tiles that define an image.
pub(crate) fn say_learned(answer: &Answer, asked: &Asked, archive: &dyn Archive, method: &dyn Method) {
    let Some(explanation) = &answer.explanation else { return };
    let has = |kind| explanation.parts.iter().any(|part| part.kind == kind);
    if let Some(lambda) = explanation.lambda().filter(|_| has(PartKind::Image) && has(PartKind::Text)) {
        note!("{}: lambda {lambda:.2}; --lambda sets another weight of the texts", method.label());
    }
    for (part, name) in explanation.parts.iter().zip(&asked.names) {
        if let Some(share) = part.fit.share {
            note!("{}: fits {:.0} % of the archive", text::printable(name), 100.0 * share);
        }
        for doubt in part.fit.doubts() {
            note!("warning: {}: {doubt}", text::printable(name));
        }
        if !part.neighbors.is_empty() {
            let keys: Vec<_> = part.neighbors.iter().map(|&row| text::printable(archive.key(row))).collect();
            note!("{}: defined by {}; --not-near KEY leaves one out", text::printable(name), keys.join(", "));
        }
    }
}

/// Prints the hits as a JSON list.
pub(crate) fn json(answer: &Answer, asked: &Asked, archive: &dyn Archive, method: &dyn Method) {
    out::json(&json!(hits(answer, asked, archive, method)));
}

/// Makes the JSON of all hits.
pub(crate) fn hits(
    answer: &Answer,
    asked: &Asked,
    archive: &dyn Archive,
    method: &dyn Method,
) -> Vec<serde_json::Value> {
    (0..answer.hits.len()).map(|i| to_json(i, answer, asked, archive, method)).collect()
}

/// Returns why there is no hit.
pub(crate) fn nothing_found(cli: &Cli, archive: &dyn Archive) -> String {
    if archive.is_empty() {
        "no tile found: the archive has no rows".into()
    } else if cli.top == 0 {
        "no tile found: --top 0 asks for none".into()
    } else {
        let options = match (&cli.filter, &cli.places.within) {
            (Some(_), Some(_)) => "--where and --within say",
            (None, Some(_)) => "--within says",
            _ => "--where says",
        };
        format!("no tile found: none of the {} rows is as {options}", archive.len())
    }
}

/// Makes the JSON of the hit at a place of the answer.
fn to_json(
    place: usize,
    answer: &Answer,
    asked: &Asked,
    archive: &dyn Archive,
    method: &dyn Method,
) -> serde_json::Value {
    let hit = &answer.hits[place];
    let columns: serde_json::Map<_, _> = archive
        .columns()
        .into_iter()
        .filter_map(|(name, _)| Some((name.to_string(), json!(archive.value(name, hit.row)?))))
        .collect();
    let normalized = |kind: PartKind| {
        let of_fusion = match kind {
            PartKind::Image => hit.image,
            PartKind::Text => hit.text,
        };
        of_fusion.and_then(|part| part.normalized).or_else(|| only_probability(answer, place, kind))
    };
    json!({
        "rank": place + 1,
        "row": hit.row,
        "key": hit.key,
        "score": hit.score,
        "method": method.label(),
        "lambda": lambda(answer, method),
        "similarities": {
            "image": hit.image.map(|part| part.similarity),
            "text": hit.text.map(|part| part.similarity),
        },
        "normalized": { "image": normalized(PartKind::Image), "text": normalized(PartKind::Text) },
        "parts": parts(answer, place, asked, archive),
        "columns": columns,
    })
}

/// Returns the probability that a hit matches the only part of a kind, or `None` if there are several.
fn only_probability(answer: &Answer, place: usize, kind: PartKind) -> Option<f32> {
    let parts = &answer.explanation.as_ref()?.parts;
    let mut of_kind =
        parts.iter().zip(answer.probabilities.get(place)?).filter(|(part, _)| part.kind == kind);
    let (_, &probability) = of_kind.next()?;
    of_kind.next().is_none().then_some(probability)
}

/// Returns the weight of the texts: the one that was found, or else the method's.
fn lambda(answer: &Answer, method: &dyn Method) -> Option<f64> {
    let found = answer.explanation.as_ref().and_then(|explanation| explanation.lambda());
    found.or_else(|| method.info().number("lambda"))
}

/// Makes the JSON of what each part of the query contributes to a hit, and of what was learned about the part.
fn parts(answer: &Answer, place: usize, asked: &Asked, archive: &dyn Archive) -> Vec<serde_json::Value> {
    let (Some(explanation), Some(probabilities)) = (&answer.explanation, answer.probabilities.get(place))
    else {
        return Vec::new();
    };
    let parts = explanation.parts.iter().zip(probabilities).zip(&asked.names);
    let part = |((part, probability), name): ((&rscir::core::PartExplanation, &f32), &String)| {
        json!({
            "part": name,
            "kind": if part.kind == PartKind::Image { "image" } else { "text" },
            "against": part.against,
            "weight": part.weight,
            "probability": probability,
            "share": part.fit.share,
            "slope": part.fit.slope,
            "threshold": part.fit.threshold,
            "warnings": part.fit.doubts().map(|doubt| doubt.to_string()).collect::<Vec<_>>(),
            "neighbors": part.neighbors.iter().map(|&row| archive.key(row)).collect::<Vec<_>>(),
        })
    };
    parts.map(part).collect()
}
