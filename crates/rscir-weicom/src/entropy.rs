use rscir_core::{
    Archive, ComposedQuery, Error as CoreError, Method, MethodInfo, Queries, Result as CoreResult,
    ScoreStatistics, top_k,
};

use crate::{Error, Normalization, Result};

/// Weights from the entropy of both lists (J. R. Perez et al., *Entropy-Based Dynamic Hybrid Retrieval for
/// Adaptive Query Weighting in RAG Pipelines*, VecDB 2025, openreview.net/forum?id=bwGaZOVo0c).
///
/// The `k` best scores of each list are divided by their sum. Their normalized Shannon entropy `H`, from 0 to
/// 1, says how unsure the list is, and the weights are `1 - H`, divided by their sum. The paper repeats this
/// for several rounds; since each list stays the same, so do its entropy and the weights, and one round is
/// enough. No program of the authors was found. It is this crate's choice to scale scores from 0 to 1 over
/// the archive first, because similarities may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntropyWeights {
    best: usize,
}

impl EntropyWeights {
    /// Makes the method with the `best` scores of each list.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if `best` is below 2, because a single score has no entropy.
    pub fn new(best: usize) -> Result<Self> {
        if best >= 2 {
            return Ok(Self { best });
        }
        let (parameter, value) = ("k", best.to_string());
        Err(Error::BadParameter { method: "entropy", parameter, value, expected: "at least 2" })
    }

    /// Returns how sure a list is: one minus the normalized entropy of its best scores.
    fn certainty(self, scaled: &[f32]) -> f64 {
        let best = top_k(scaled, self.best);
        let total: f64 = best.iter().map(|scored| f64::from(scored.score)).sum();
        if total <= 0.0 || best.len() < 2 {
            return 0.0;
        }
        let term = |score: f32| {
            let p = f64::from(score) / total;
            if p > 0.0 { -p * p.ln() } else { 0.0 }
        };
        let entropy: f64 = best.iter().map(|scored| term(scored.score)).sum();
        (1.0 - entropy / (best.len() as f64).ln()).max(0.0)
    }
}

impl Default for EntropyWeights {
    /// Makes the method with the hundred best scores.
    fn default() -> Self {
        Self { best: 100 }
    }
}

impl Method for EntropyWeights {
    fn info(&self) -> MethodInfo {
        let info = MethodInfo::new("entropy").parameter("k", self.best);
        if *self == Self::default() { info } else { info.labeled(format!("entropy(k={})", self.best)) }
    }

    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> CoreResult<()> {
        let rows = archive.len();
        CoreError::check_length("scores (one per archive row)", rows, scores.len())?;
        archive.spec().check(query.spec())?;
        let label = self.label();
        let vectors = [&**query.require_image(&label)?, &**query.require_text(&label)?].concat();
        let mut similarities = vec![0.0; 2 * rows];
        archive.similarities(Queries::new(archive.dim(), &vectors)?, &mut similarities)?;
        let mut scaled = vec![0.0; 2 * rows];
        let (image, text) = scaled.split_at_mut(rows);
        // Scaling from 0 to 1 needs no statistics.
        let none = ScoreStatistics::default();
        Normalization::MinMax.apply(&similarities[..rows], &none, image);
        Normalization::MinMax.apply(&similarities[rows..], &none, text);
        let (i, t) = (self.certainty(image), self.certainty(text));
        let lambda = if i + t > 0.0 { t / (i + t) } else { 0.5 };
        rscir_kernels::weighted_sum(image, text, [(1.0 - lambda) as f32, lambda as f32], scores);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_surer_the_fewer_tiles_stand_out() {
        let method = EntropyWeights::default();
        let mut one = [0.0; 50];
        one[3] = 1.0;
        let mut two = one;
        two[7] = 1.0;
        assert_eq!(method.certainty(&one), 1.0);
        // Two equal ones of fifty: 1 - ln 2 / ln 50.
        assert!((method.certainty(&two) - (1.0 - 2f64.ln() / 50f64.ln())).abs() < 1e-12);
        assert!(method.certainty(&[1.0; 50]) < 1e-12);
        assert_eq!(method.certainty(&[0.0; 50]), 0.0);
    }
}
