mod fused;
mod options;

pub use options::{Hit, RowFilter, SearchOptions, Statistics};

use rscir_core::{Archive, ComposedQuery, Method, Scored, TopK};

use fused::best_of;
pub(crate) use fused::{Buffers, ByPart, Parts, Scorer};
pub(crate) use options::Candidates;

use crate::Result;

/// The `k` best rows for one query, best first: exact, under any method.
///
/// A pointwise fusion (image, text, sum, product, WeiCom) reads the archive once for both parts of the query: the
/// similarities are one matrix product, their statistics are taken from the lists, and normalising, combining and
/// keeping the best happens range by range on all cores. The scores are those of [`Method::score`] to the bit. Other
/// methods score all rows themselves.
///
/// Statistics are those of the whole archive. What [`SearchOptions`] leave out is left out of the ranking alone and
/// changes no score.
///
/// The [crate](crate) begins with an example.
///
/// # Errors
/// As [`Method::score`].
pub fn search(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    k: usize,
) -> Result<Vec<Hit>> {
    search_with(archive, method, query, &SearchOptions::top(k))
}

/// [`search`] with a filter and other options.
///
/// # Errors
/// As [`Method::score`].
pub fn search_with(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    options: &SearchOptions<'_>,
) -> Result<Vec<Hit>> {
    let mut hits = search_batch(archive, method, std::slice::from_ref(query), options)?;
    Ok(hits.pop().unwrap_or_default())
}

/// [`search_with`] for many queries: the answers are the same, the archive is read once for all of them.
///
/// As many queries share one matrix product as have lists of similarities of 256 MB in all.
///
/// # Errors
/// As [`Method::score`] for the first query that fails; then there is no answer to any.
pub fn search_batch(
    archive: &dyn Archive,
    method: &dyn Method,
    queries: &[ComposedQuery],
    options: &SearchOptions<'_>,
) -> Result<Vec<Vec<Hit>>> {
    let rankings = match method.as_fusion() {
        Some(fusion) if fusion.is_pointwise() => fused::rank(archive, fusion, queries, options)?,
        _ => queries.iter().map(|query| score_all(archive, method, query, options)).collect::<Result<_>>()?,
    };
    Ok(rankings.into_iter().map(|ranking| hits(archive, method, &ranking)).collect())
}

/// Ranks with the method's own scores of all rows.
fn score_all(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    options: &SearchOptions<'_>,
) -> Result<Vec<Scored>> {
    let mut scores = vec![0.0; archive.len()];
    method.score(query, archive, &mut scores)?;
    let mut top = TopK::new(options.k);
    best_of(0, &scores, &options.candidates(archive, query), &mut top);
    Ok(top.into_ranking())
}

/// A ranking with keys, its scores as the method presents them.
pub(crate) fn hits(archive: &dyn Archive, method: &dyn Method, ranking: &[Scored]) -> Vec<Hit> {
    let hit = |scored: &Scored| Hit {
        row: scored.row,
        key: archive.key(scored.row).into(),
        score: method.present(scored.score),
    };
    ranking.iter().map(hit).collect()
}
