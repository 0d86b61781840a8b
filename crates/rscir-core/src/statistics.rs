/// Count, mean and standard deviation of a list of scores.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ScoreStatistics {
    /// Number of scores.
    pub count: usize,
    /// Mean of the scores.
    pub mean: f64,
    /// Standard deviation of the scores, with `n - 1`. 0 for fewer than two scores.
    pub std_dev: f64,
}

impl ScoreStatistics {
    /// Computes the statistics of a list in two passes, in `f64`. The order of summation is fixed, so that
    /// the result is always the same.
    pub fn of(scores: &[f32]) -> Self {
        let count = scores.len();
        if count == 0 {
            return Self::default();
        }
        let mean = lane_sum(scores, |s| s) / count as f64;
        let squares = lane_sum(scores, |s| (s - mean) * (s - mean));
        let std_dev = if count < 2 { 0.0 } else { (squares / (count - 1) as f64).sqrt() };
        Self { count, mean, std_dev }
    }

    /// Returns the z-score of a score: `(score - mean) / std_dev`, or 0 where all scores are equal.
    pub fn z_score(&self, score: f32) -> f64 {
        if self.std_dev > 0.0 { (f64::from(score) - self.mean) / self.std_dev } else { 0.0 }
    }
}

/// Sums in independent lanes, so that the compiler may use vector instructions without changing the order.
/// `rscir_kernels::mean_and_std_dev` sums in the same order and gives the same bits.
fn lane_sum(scores: &[f32], term: impl Fn(f64) -> f64) -> f64 {
    const LANES: usize = 64;
    let mut lanes = [0.0f64; LANES];
    let (chunks, rest) = scores.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] += term(f64::from(chunk[i]));
        }
    }
    for (lane, &s) in lanes.iter_mut().zip(rest) {
        *lane += term(f64::from(s));
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_have_no_deviation_and_z_zero() {
        let s = ScoreStatistics::of(&[0.25; 7]);
        assert_eq!((s.mean, s.std_dev, s.z_score(0.25)), (0.25, 0.0, 0.0));
        assert_eq!(ScoreStatistics::of(&[]), ScoreStatistics::default());
        assert_eq!(ScoreStatistics::of(&[3.0]).std_dev, 0.0);
    }

    #[test]
    fn statistics_use_n_minus_one() {
        let s = ScoreStatistics::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(s.mean, 2.5);
        assert!((s.std_dev - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
    }
}
