use rscir_core::{Fusion, Queries, ScoreStatistics};

use super::found::FoundRows;
use crate::Result;

/// Scores rows by a fusion, with the statistics of the whole table's lists. The scores are bit for bit those by
/// which a search of the whole archive ranks, before [`Method::display_score`](rscir_core::Method::display_score).
pub(super) fn scores(
    fusion: &dyn Fusion,
    rows: &FoundRows,
    vectors: [Option<&[f32]>; 2],
    statistics: [Option<ScoreStatistics>; 2],
) -> Result<Vec<f32>> {
    use rscir_core::Archive;
    let mut lists = [Vec::new(), Vec::new()];
    for ((list, vector), statistics) in lists.iter_mut().zip(vectors).zip(statistics) {
        let (Some(vector), Some(statistics)) = (vector, statistics) else { continue };
        let mut similarities = vec![0.0; rows.len()];
        rows.similarities(Queries::new(rows.dim(), vector)?, &mut similarities)?;
        list.resize(rows.len(), 0.0);
        fusion.normalize(&similarities, &statistics, list);
    }
    let mut scores = vec![0.0; rows.len()];
    fusion.combine(&lists[0], &lists[1], &mut scores);
    Ok(scores)
}
