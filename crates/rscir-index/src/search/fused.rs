use rayon::prelude::*;
use rscir_core::{Archive, ComposedQuery, Method, Queries, Scored, TopK};

use super::answer;
use super::lists::{Buffers, Lists, Plan, Question, Scorer};
use super::options::{Allowed, Answer, Candidates, SearchOptions};
use crate::Result;

/// Largest number of similarities held at once, `[lists, rows]`: 256 MB, the lists of 33 composed queries on a
/// million rows. Up to about 16 queries, reading the archive takes most of a pass; with more, the products do, so
/// that longer passes gain little.
const LIST_VALUES: usize = 256 * 1024 * 1024 / 4;

/// Rows that one task ranks.
const RANGE: usize = 16 * 1024;

/// Rows that are normalized, combined and compared at once. Three blocks of this size fit a first-level cache.
const BLOCK: usize = 1024;

/// Answers all queries. The plan is that of the method.
pub(super) fn rank(
    archive: &dyn Archive,
    method: (&dyn Method, Plan<'_>),
    queries: &[ComposedQuery],
    options: &SearchOptions<'_>,
    allowed: &Allowed<'_>,
) -> Result<Vec<Answer>> {
    rank_in_passes(archive, method, queries, options, allowed, LIST_VALUES)
}

/// Answers like [`rank`] and holds at most `list_values` similarities at once, or those of one query if these are
/// more.
fn rank_in_passes(
    archive: &dyn Archive,
    (method, plan): (&dyn Method, Plan<'_>),
    queries: &[ComposedQuery],
    options: &SearchOptions<'_>,
    allowed: &Allowed<'_>,
    list_values: usize,
) -> Result<Vec<Answer>> {
    let (rows, dim) = (archive.len(), archive.dim());
    let per_query = rows.saturating_mul(plan.most_lists(queries)).max(1);
    let per_pass = (list_values / per_query).clamp(1, queries.len().max(1));
    let mut values = Vec::new();
    let mut answers = Vec::with_capacity(queries.len());
    for queries in queries.chunks(per_pass) {
        let questions = plan.ask(archive, queries)?;
        let vectors: Vec<f32> =
            questions.iter().flat_map(|question| question.vectors.iter().copied()).collect();
        let count = vectors.len() / dim.max(1) * rows;
        // The threads of the product are the first to touch the pages of a fresh vector of zeros. `resize` would
        // write all of them on this thread before.
        if values.len() < count {
            drop(std::mem::take(&mut values));
            values = vec![0.0; count];
        }
        let values = &mut values[..count];
        archive.similarities(Queries::new(dim, &vectors)?, values)?;
        let mut rest = &*values;
        let lists_of = |question: &Question| {
            let (own, others) = rest.split_at(question.lists(dim) * rows);
            rest = others;
            Lists::new(own, rows)
        };
        let lists: Vec<Lists<'_>> = questions.iter().map(lists_of).collect();
        let ranked =
            queries.par_iter().zip(questions.par_iter().zip(&lists)).map(|(query, (question, lists))| {
                let scorer = plan.scorer(archive, question, *lists, options.statistics)?;
                let candidates = allowed.candidates(archive, query);
                let ranking = rank_lists(&scorer, *lists, &candidates, options.k);
                answer(archive, method, query, &ranking, Some(&scorer))
            });
        answers.extend(ranked.collect::<Result<Vec<_>>>()?);
    }
    Ok(answers)
}

/// Ranks rows by their similarities, on all cores.
fn rank_lists(scorer: &Scorer<'_>, lists: Lists<'_>, candidates: &Candidates<'_>, k: usize) -> Vec<Scored> {
    let rows = lists.rows();
    let ranges = (0..rows.div_ceil(RANGE)).into_par_iter().map(|range| {
        let mut top = TopK::new(k);
        let mut buffers = Buffers::default();
        let mut scores = [0.0; BLOCK];
        for first in (range * RANGE..rows.min((range + 1) * RANGE)).step_by(BLOCK) {
            let scores = &mut scores[..BLOCK.min(rows - first)];
            scorer.score(lists.slice(first, scores.len()), &mut buffers, scores);
            best_of(first, scores, candidates, &mut top);
        }
        top
    });
    // The kept rows do not depend on the order of merging.
    let merge = |mut a: TopK, b| {
        a.merge(b);
        a
    };
    ranges.reduce(|| TopK::new(k), merge).into_ranking()
}

/// Offers to `top` the candidates among the rows from `first` on whose scores can still enter the ranking.
pub(super) fn best_of(first: usize, scores: &[f32], candidates: &Candidates<'_>, top: &mut TopK) {
    let worst_score = |top: &TopK| top.threshold().map_or(f32::NEG_INFINITY, |worst| worst.score);
    let mut worst = worst_score(top);
    for (row, &score) in (first..).zip(scores) {
        // A NaN compares as not behind, so the ranking decides its place.
        let behind = score < worst;
        if !behind && candidates.contain(row) {
            top.offer(row, score);
            worst = worst_score(top);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryArchive;
    use rscir_core::EncoderSpec;
    use rscir_core::testing::{unit_rows, unit_vector};

    #[test]
    fn more_passes_change_nothing() {
        let spec = EncoderSpec::unknown(6);
        let keys = (0..40).map(|row| row.to_string()).collect();
        let archive = MemoryArchive::new(spec.clone(), keys, unit_rows(40, 6, 1)).unwrap();
        let query = |seed| {
            let query = ComposedQuery::new(spec.clone()).with_image(unit_vector(6, seed)).unwrap();
            query.with_text(unit_vector(6, seed + 100)).unwrap()
        };
        let queries: Vec<_> = (10..17).map(query).collect();
        let (fusion, options) = (rscir_weicom::WeiCom::default(), SearchOptions::top(5));
        let allowed = options.allowed(&archive).unwrap();
        let rank = |values| {
            rank_in_passes(&archive, (&fusion, Plan::Fusion(&fusion)), &queries, &options, &allowed, values)
                .unwrap()
        };
        for values in [0, 79, 80, 160, 170, 559, 560] {
            assert_eq!(rank(values), rank(usize::MAX), "{values} similarities at once");
        }
    }
}
