mod fused;
mod lists;
mod options;

pub use options::{Answer, Hit, PartScore, RowFilter, SearchOptions, Statistics};

use rayon::prelude::*;
use rscir_core::{Archive, ComposedQuery, Method, Queries, Scored, TopK, UnitVector, top_k};

use fused::best_of;
pub(crate) use lists::{Buffers, Lists, Plan, Question, Scorer};
pub(crate) use options::{Allowed, Candidates};

use crate::Result;

/// Returns the best rows for a query, best first. The search is exact under any method.
///
/// `k` is the largest number of rows. If two rows have equal scores, the one with the lower number comes first.
///
/// A monotone fusion (image, text, sum, product, WeiCom) or a method by evidence (conjunction, posterior) reads
/// the archive once for all parts of the query: one matrix product gives the similarities, their statistics are
/// taken from the lists, and all cores normalize, combine and rank range by range. The scores equal those of
/// [`Method::score`] to the bit. Other methods score all rows themselves.
///
/// Statistics are those of the whole archive. [`SearchOptions`] exclude rows only from the ranking, and change no
/// score.
///
/// The [crate](crate) begins with an example.
///
/// # Errors
/// The errors of [`Method::score`]; [`Error::SegmentKey`](crate::Error::SegmentKey) if the key of a found row is
/// damaged.
pub fn search(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    k: usize,
) -> Result<Vec<Hit>> {
    search_with(archive, method, query, &SearchOptions::top(k))
}

/// Searches like [`search`], with a filter and other options.
///
/// # Errors
/// The errors of [`search`], and those of [`Filter::select`](crate::Filter::select) for the filter of the
/// options.
pub fn search_with(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    options: &SearchOptions<'_>,
) -> Result<Vec<Hit>> {
    let mut hits = search_batch(archive, method, std::slice::from_ref(query), options)?;
    Ok(hits.pop().unwrap_or_default())
}

/// Searches like [`search_with`] for many queries. The answers are the same; the archive is read once for many of
/// them.
///
/// Queries share one matrix product as long as their lists of similarities take at most 256 MB together.
///
/// # Errors
/// The errors of [`search_with`] for the first query that fails; then no query has an answer.
pub fn search_batch(
    archive: &dyn Archive,
    method: &dyn Method,
    queries: &[ComposedQuery],
    options: &SearchOptions<'_>,
) -> Result<Vec<Vec<Hit>>> {
    let answers = answer_batch(archive, method, queries, options)?;
    Ok(answers.into_iter().map(|answer| answer.hits).collect())
}

/// Searches like [`search_batch`], and returns with each answer what the method learned for it.
///
/// # Errors
/// The errors of [`search_batch`].
pub fn answer_batch(
    archive: &dyn Archive,
    method: &dyn Method,
    queries: &[ComposedQuery],
    options: &SearchOptions<'_>,
) -> Result<Vec<Answer>> {
    let allowed = options.allowed(archive)?;
    match Plan::of(method) {
        Some(plan) => fused::rank(archive, (method, plan), queries, options, &allowed),
        None => queries.iter().map(|query| score_all(archive, method, query, options, &allowed)).collect(),
    }
}

/// Computes [`Archive::nearest`] on all cores. Queries share one product as long as their similarities take at
/// most 64 MB together.
pub(crate) fn nearest(
    archive: &dyn Archive,
    queries: Queries<'_>,
    k: usize,
) -> rscir_core::Result<Vec<Vec<Scored>>> {
    const VALUES: usize = 16 << 20;
    let (rows, dim) = (archive.len(), archive.dim());
    queries.check(dim, 0, &[])?;
    if rows == 0 {
        return Ok(vec![Vec::new(); queries.len()]);
    }
    let mut nearest = Vec::with_capacity(queries.len());
    let mut scores = Vec::new();
    for block in queries.as_slice().chunks((VALUES / rows).max(1) * dim) {
        scores.resize(block.len() / dim * rows, 0.0);
        archive.similarities(Queries::new(dim, block)?, &mut scores)?;
        nearest.par_extend(scores.par_chunks_exact(rows).map(|scores| top_k(scores, k)));
    }
    Ok(nearest)
}

/// Ranks all rows by the scores that the method computes itself.
fn score_all(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    options: &SearchOptions<'_>,
    allowed: &Allowed<'_>,
) -> Result<Answer> {
    let mut scores = vec![0.0; archive.len()];
    method.score(query, archive, &mut scores)?;
    let mut top = TopK::new(options.k);
    best_of(0, &scores, &allowed.candidates(archive, query), &mut top);
    answer(archive, method, query, &top.into_ranking(), None)
}

/// Makes the answer of a ranking: keys, scores as the method presents them, and what each part of the query
/// contributes. With `scorer`, the contributions are also normalized.
///
/// # Errors
/// The errors of [`Archive::checked_key`] if the key of a row is damaged.
pub(crate) fn answer(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    ranking: &[Scored],
    scorer: Option<&Scorer<'_>>,
) -> Result<Answer> {
    let mut buffers = Buffers::default();
    let hit = |scored: &Scored| {
        let stored = archive.vector(scored.row);
        // A method outside this workspace may accept queries of another width.
        let similarity = |part: Option<&UnitVector>| {
            part.filter(|part| part.len() == stored.len()).map(|part| rscir_kernels::dot(part, &stored))
        };
        let (image, text) = (similarity(query.image()), similarity(query.text()));
        let [image_value, text_value] =
            scorer.map_or([None; 2], |scorer| scorer.normalized([image, text], &mut buffers));
        let part = |similarity: Option<f32>, normalized: Option<f32>| {
            similarity.map(|similarity| PartScore {
                similarity,
                normalized: normalized.map(|value| method.display_score(value)),
            })
        };
        Ok(Hit {
            row: scored.row,
            key: archive.checked_key(scored.row)?.into(),
            score: method.display_score(scored.score),
            image: part(image, image_value),
            text: part(text, text_value),
        })
    };
    let hits = ranking.iter().map(hit).collect::<Result<_>>()?;
    let explanation = scorer.and_then(Scorer::explanation);
    let probabilities = |scorer: &Scorer<'_>| {
        ranking.iter().map(|scored| scorer.probabilities(&archive.vector(scored.row))).collect()
    };
    let by_parts = scorer.filter(|_| explanation.is_some());
    Ok(Answer { hits, probabilities: by_parts.map(probabilities).unwrap_or_default(), explanation })
}
