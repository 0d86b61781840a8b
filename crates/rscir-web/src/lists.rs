//! The similarities of all rows to a query, kept for as long as its lambda is played with.

use std::sync::Arc;

use moka::sync::Cache;
use rayon::prelude::*;
use rscir_core::{Archive, ComposedQuery, Fusion, Queries, ScoreStatistics, UnitVector};
use rscir_weicom::Normalization;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::state::State;

/// Bins of a histogram: some pixels each on a phone.
const BINS: usize = 64;

/// Rows that one task normalizes.
const RANGE: usize = 16 * 1024;

/// What the similarities of all rows are like.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Distribution {
    /// Their mean.
    mean: f64,
    /// Their standard deviation, with n - 1.
    std_dev: f64,
    /// The smallest; null in an archive without rows.
    min: Option<f32>,
    /// The greatest.
    max: Option<f32>,
    /// How many lie in each of 64 bins of equal width from the smallest to the greatest.
    counts: Vec<u32>,
}

/// The similarities of all rows to one part of a query.
pub(crate) struct List {
    pub(crate) similarities: Vec<f32>,
    statistics: ScoreStatistics,
    /// The similarities normalized as WeiCom has them.
    cdf: Vec<f32>,
    pub(crate) distribution: Distribution,
}

/// The lists of a query: of its image and of its text.
pub(crate) struct Lists {
    pub(crate) image: Option<List>,
    pub(crate) text: Option<List>,
}

/// The lists of the last queries.
pub(crate) type ListCache = Cache<[u8; 32], Arc<Lists>>;

/// Makes a cache of lists that takes so many bytes.
pub(crate) fn cache(bytes: u64) -> ListCache {
    let size = |lists: &Lists| {
        let values: usize =
            [&lists.image, &lists.text].into_iter().flatten().map(|list| list.cdf.len()).sum();
        // Similarities and what they are normalized to, and the histograms.
        u32::try_from(8 * values + 4096).unwrap_or(u32::MAX)
    };
    Cache::builder().max_capacity(bytes).weigher(move |_: &[u8; 32], lists: &Arc<Lists>| size(lists)).build()
}

impl Lists {
    /// Multiplies the archive by the query.
    pub(crate) fn new(archive: &dyn Archive, query: &ComposedQuery) -> Result<Self, Problem> {
        let failed = |error: rscir_core::Error| Problem::of_query(&error, error.kind());
        archive.spec().check(query.spec()).map_err(|error| failed(error.into()))?;
        let (rows, dim) = (archive.len(), archive.dim());
        let parts = [query.image(), query.text()];
        // The archive is read once for both: reading it is what takes the time.
        let vectors: Vec<f32> = parts.iter().flatten().flat_map(|part| part.iter().copied()).collect();
        let mut similarities = vec![0.0; parts.iter().flatten().count() * rows];
        let queries = Queries::new(dim, &vectors).map_err(failed)?;
        archive.similarities(queries, &mut similarities).map_err(failed)?;
        let mut list = |part: Option<&UnitVector>| {
            part.map(|_| {
                let others = similarities.split_off(rows);
                List::new(std::mem::replace(&mut similarities, others))
            })
        };
        let [image, text] = parts;
        Ok(Self { image: list(image), text: list(text) })
    }
}

impl State {
    /// Returns the lists under a key, made once for all who ask for them at once.
    pub(crate) fn lists_of(
        &self,
        key: [u8; 32],
        make: impl FnOnce() -> Result<Lists, Problem>,
    ) -> Result<Arc<Lists>, Problem> {
        let mut is_made = false;
        let lists = self.lists.try_get_with(key, || {
            is_made = true;
            make().map(Arc::new)
        });
        if is_made {
            // The cache lets go of others when it finds the time: of such large ones, now.
            self.lists.run_pending_tasks();
        }
        lists.map_err(|problem| (*problem).clone())
    }
}

impl List {
    fn new(similarities: Vec<f32>) -> Self {
        let statistics = ScoreStatistics::of(&similarities);
        let mut cdf = vec![0.0; similarities.len()];
        cdf.par_chunks_mut(RANGE)
            .zip(similarities.par_chunks(RANGE))
            .for_each(|(cdf, similarities)| Normalization::Cdf.apply(similarities, &statistics, cdf));
        let distribution = distribution(&similarities, &statistics);
        Self { similarities, statistics, cdf, distribution }
    }

    /// Returns the normal CDF of a row's similarity, from 0 to 1.
    pub(crate) fn cdf(&self, row: usize) -> Option<f64> {
        self.cdf.get(row).map(|&below_one| 1.0 + f64::from(below_one))
    }

    /// Returns the list as a fusion has it: kept, or made for it.
    pub(crate) fn normalized(&self, fusion: &dyn Fusion) -> std::borrow::Cow<'_, [f32]> {
        let key = fusion.normalization();
        if key == Normalization::Cdf.key() {
            (&self.cdf[..]).into()
        } else if key == Normalization::None.key() {
            (&self.similarities[..]).into()
        } else {
            let mut normalized = vec![0.0; self.similarities.len()];
            fusion.normalize(&self.similarities, &self.statistics, &mut normalized);
            normalized.into()
        }
    }
}

fn distribution(similarities: &[f32], statistics: &ScoreStatistics) -> Distribution {
    let finite = || similarities.iter().copied().filter(|value| value.is_finite());
    let (min, max) = (finite().reduce(f32::min), finite().reduce(f32::max));
    let mut counts = vec![0_u32; BINS];
    if let (Some(min), Some(max)) = (min, max) {
        let width = f64::from(max) - f64::from(min);
        let scale = if width > 0.0 { BINS as f64 / width } else { 0.0 };
        for value in finite() {
            let bin = ((f64::from(value) - f64::from(min)) * scale) as usize;
            if let Some(count) = counts.get_mut(bin.min(BINS - 1)) {
                *count += 1;
            }
        }
    }
    Distribution { mean: statistics.mean, std_dev: statistics.std_dev, min, max, counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_a_bin_and_the_greatest_in_the_last() {
        let similarities: Vec<f32> = (0..=640).map(|i| i as f32 / 640.0).collect();
        let distribution = distribution(&similarities, &ScoreStatistics::of(&similarities));
        assert_eq!(distribution.counts.iter().sum::<u32>(), 641);
        assert_eq!((distribution.counts[0], distribution.counts[63]), (10, 11));
        assert_eq!((distribution.min, distribution.max), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn equal_similarities_and_none_have_a_distribution_too() {
        let of = |similarities: &[f32]| distribution(similarities, &ScoreStatistics::of(similarities));
        assert_eq!(of(&[0.5; 7]).counts[0], 7);
        let none = of(&[]);
        assert_eq!((none.min, none.max, none.counts.iter().sum::<u32>()), (None, None, 0));
    }
}
