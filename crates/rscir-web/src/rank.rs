//! Rankings: by the kept lists where the method is a fusion of them, or else by the library.

use std::borrow::Cow;
use std::sync::Arc;

use rayon::prelude::*;
use rscir_core::{Archive, Fusion, Kind, Method, PartKind, Scored, TopK};
use rscir_index::{SearchOptions, answer_fastest};
use rscir_weicom::{ImageOnly, TextOnly, WeiCom};

use crate::digest::key_of;
use crate::lists::{List, Lists};
use crate::problem::Problem;
use crate::request::{Narrowing, Query, Ranking, check_method};
use crate::source::Snapshot;
use crate::state::State;
use crate::vectors::Encoded;

/// Rows that one task ranks.
const RANGE: usize = 16 * 1024;

/// Rows that are combined and compared at once: such blocks fit a first-level cache.
const BLOCK: usize = 1024;

/// A ranking, from its first place to the last that is asked for.
#[derive(Clone)]
pub(crate) struct Ranked {
    /// Rows with their scores as people see them.
    pub(crate) rows: Vec<(usize, f32)>,
    /// The method's label.
    pub(crate) method: String,
    /// The weight of the text, where there is one.
    pub(crate) lambda: Option<f64>,
    /// What was learned on the way, or was not as it was asked for.
    pub(crate) notes: Vec<String>,
}

/// The rows that may be in an answer.
pub(crate) struct Allowed {
    /// Those that filter and bounds leave; all without.
    chosen: Option<Arc<Vec<bool>>>,
    /// Those that are asked with, in order.
    asked: Vec<usize>,
    /// How many may be in it.
    pub(crate) matching: usize,
}

impl Allowed {
    pub(crate) fn contains(&self, row: usize) -> bool {
        self.chosen.as_ref().is_none_or(|chosen| chosen.get(row) == Some(&true))
            && self.asked.binary_search(&row).is_err()
    }
}

/// Chooses the rows that a query leaves.
pub(crate) fn allowed(
    state: &State,
    snapshot: &Snapshot,
    narrowing: &Narrowing,
    asked: &[usize],
) -> Result<Allowed, Problem> {
    let archive = &*snapshot.archive;
    let chosen = if narrowing.condition.is_none() && narrowing.within.is_none() {
        None
    } else {
        let key = key_of(&(&snapshot.version, narrowing));
        let chosen = state.chosen.try_get_with(key, || choose(state, archive, narrowing));
        Some(chosen.map_err(|problem| (*problem).clone())?)
    };
    let left = chosen.as_ref().map_or(archive.len(), |chosen| chosen.iter().filter(|&&is_in| is_in).count());
    let is_chosen = |row: &&usize| chosen.as_ref().is_none_or(|chosen| chosen.get(**row) == Some(&true));
    let matching = left - asked.iter().filter(is_chosen).count();
    Ok(Allowed { chosen, asked: asked.to_vec(), matching })
}

fn choose(state: &State, archive: &dyn Archive, narrowing: &Narrowing) -> Result<Arc<Vec<bool>>, Problem> {
    let mut chosen = match &narrowing.condition {
        Some((_, filter)) => {
            let rows = filter.select(archive).map_err(|error| Problem::field("where", error.to_string()))?;
            (0..archive.len()).map(|row| rows.contains(row)).collect()
        }
        None => vec![true; archive.len()],
    };
    if let Some(bounds) = narrowing.within {
        let places = state.places.as_ref();
        let places = places
            .ok_or_else(|| Problem::field("within", "this server knows no places of the archive's rows"))?;
        let within = places.within(archive, bounds).map_err(|reason| Problem::field("within", reason))?;
        chosen
            .iter_mut()
            .zip(within.iter().chain(std::iter::repeat(&false)))
            .for_each(|(chosen, within)| *chosen &= within);
    }
    Ok(Arc::new(chosen))
}

/// Ranks the rows that are left.
pub(crate) fn rank(
    state: &State,
    snapshot: &Snapshot,
    query: &Query,
    encoded: &Encoded,
    lists: &Lists,
    allowed: &Allowed,
) -> Result<Ranked, Problem> {
    let depth = query.offset + query.top;
    let mut notes = Vec::new();
    let method = method(state, query, lists, &mut notes)?;
    if let Kind::Fusion(fusion) = method.kind() {
        let rows = fuse(fusion, lists, encoded, allowed, snapshot.archive.len(), depth)?;
        let rows = rows.into_iter().map(|scored| (scored.row, method.display_score(scored.score))).collect();
        return Ok(Ranked { rows, method: method.label(), lambda: method.info().number("lambda"), notes });
    }
    let key = key_of(&(&snapshot.version, encoded.identity, &query.ranking, &query.narrowing, depth));
    let search = || search(&*method, snapshot, encoded, allowed, depth).map(Arc::new);
    let ranked = state.ranked.try_get_with(key, search);
    ranked.map(|ranked| (*ranked).clone()).map_err(|problem| (*problem).clone())
}

/// Makes the method that a query asks for, and notes where it is another.
fn method(
    state: &State,
    query: &Query,
    lists: &Lists,
    notes: &mut Vec<String>,
) -> Result<Box<dyn Method>, Problem> {
    match &query.ranking {
        Ranking::Lambda(lambda, is_asked) => {
            let only: Option<(Box<dyn Method>, &str)> = match (&lists.image, &lists.text) {
                (Some(_), Some(_)) => None,
                (Some(_), None) => {
                    Some((Box::new(ImageOnly), "There is no text to weigh: ranked by the image alone."))
                }
                (None, _) => {
                    Some((Box::new(TextOnly), "There is no image to weigh: ranked by the text alone."))
                }
            };
            if let Some((method, note)) = only {
                notes.extend(is_asked.then(|| note.into()));
                return Ok(method);
            }
            let method = WeiCom::new(*lambda).map_err(|error| Problem::field("lambda", error.to_string()))?;
            Ok(Box::new(method))
        }
        Ranking::Method(spec) => {
            let method =
                spec.build(&state.resources).map_err(|error| Problem::field("method", error.to_string()))?;
            check_method(&*method)?;
            Ok(method)
        }
    }
}

/// Returns a list as a fusion has it; an empty one where it reads none.
fn normalized<'a>(fusion: &dyn Fusion, list: Option<&'a List>) -> Cow<'a, [f32]> {
    list.map(|list| list.normalized(fusion)).unwrap_or_default()
}

/// Ranks by the kept lists, on all cores.
fn fuse(
    fusion: &dyn Fusion,
    lists: &Lists,
    encoded: &Encoded,
    allowed: &Allowed,
    rows: usize,
    depth: usize,
) -> Result<Vec<Scored>, Problem> {
    let label = fusion.label();
    let missing = |error: rscir_core::Error| Problem::of_query(&error, error.kind());
    let modality = fusion.modality();
    if modality.reads_image() {
        encoded.query.require_image(&label).map_err(missing)?;
    }
    if modality.reads_text() {
        encoded.query.require_text(&label).map_err(missing)?;
    }
    let image = normalized(fusion, lists.image.as_ref().filter(|_| modality.reads_image()));
    let text = normalized(fusion, lists.text.as_ref().filter(|_| modality.reads_text()));
    let block_of = |list: &[f32], first: usize, len: usize| -> std::ops::Range<usize> {
        if list.is_empty() { 0..0 } else { first..first + len }
    };
    let ranges = (0..rows.div_ceil(RANGE)).into_par_iter().map(|range| {
        let mut top = TopK::new(depth);
        let mut scores = [0.0; BLOCK];
        for first in (range * RANGE..rows.min((range + 1) * RANGE)).step_by(BLOCK) {
            let scores = &mut scores[..BLOCK.min(rows - first)];
            let len = scores.len();
            fusion.combine(&image[block_of(&image, first, len)], &text[block_of(&text, first, len)], scores);
            let worst_score = |top: &TopK| top.threshold().map_or(f32::NEG_INFINITY, |worst| worst.score);
            let mut worst = worst_score(&top);
            for (row, &score) in (first..).zip(&*scores) {
                // What is not a number is not behind: the ranking puts it in its place.
                let is_behind = score < worst;
                if !is_behind && allowed.contains(row) {
                    top.offer(row, score);
                    worst = worst_score(&top);
                }
            }
        }
        top
    });
    let merge = |mut a: TopK, b| {
        a.merge(b);
        a
    };
    Ok(ranges.reduce(|| TopK::new(depth), merge).into_ranking())
}

/// Ranks by the library.
fn search(
    method: &dyn Method,
    snapshot: &Snapshot,
    encoded: &Encoded,
    allowed: &Allowed,
    depth: usize,
) -> Result<Ranked, Problem> {
    let is_allowed = |row: usize| allowed.contains(row);
    let options = SearchOptions::top(depth).filter(&is_allowed);
    let (answer, _) = answer_fastest(&*snapshot.archive, method, &encoded.query, &options)
        .map_err(|error| Problem::of_query(&error, error.kind()))?;
    let mut notes = Vec::new();
    let explanation = answer.explanation.as_ref();
    for part in explanation.iter().flat_map(|explanation| &explanation.parts) {
        let kind = if part.kind == PartKind::Image { "An image" } else { "A text" };
        notes.extend(part.fit.doubts().map(|doubt| format!("{kind} of the query: {doubt}.")));
    }
    let found = explanation.and_then(|explanation| explanation.lambda());
    Ok(Ranked {
        rows: answer.hits.iter().map(|hit| (hit.row, hit.score)).collect(),
        method: method.label(),
        lambda: found.or_else(|| method.info().number("lambda")),
        notes,
    })
}
