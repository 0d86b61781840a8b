//! Measures of one ranking, as pure functions of the ranks of the relevant images.
//!
//! `ranks` are in ascending order and begin at 1. All measures are fractions of 1.

/// Returns the average precision: the mean, over the relevant images, of the precision at their ranks. 0 if
/// there are none.
pub fn average_precision(ranks: &[usize]) -> f64 {
    if ranks.is_empty() {
        return 0.0;
    }
    let sum: f64 = ranks.iter().enumerate().map(|(i, &rank)| (i + 1) as f64 / rank as f64).sum();
    sum / ranks.len() as f64
}

/// Returns the average precision by the trapezoid rule, which the domain-conversion and i-CIR benchmarks use:
/// the mean, over the relevant images, of the precision before and at their ranks (`compute_ap` of github
/// billpsomas/icir, from the evaluation of the Oxford buildings). 0 if there are none.
pub fn trapezoid_precision(ranks: &[usize]) -> f64 {
    // Keeps the denominator of the reference program from 0.
    const EPSILON: f64 = 1e-5;
    let steps = ranks.iter().enumerate().map(|(hits, &rank)| {
        let before = if rank <= 1 { 1.0 } else { hits as f64 / (rank - 1) as f64 };
        (before + (hits + 1) as f64 / rank as f64) / 2.0
    });
    steps.sum::<f64>() / (ranks.len() as f64 + EPSILON)
}

/// Returns the share of the first `k` images that is relevant.
pub fn precision_at(ranks: &[usize], k: usize) -> f64 {
    if k == 0 { 0.0 } else { hits(ranks, k) as f64 / k as f64 }
}

/// Returns the share of the relevant images that is among the first `k`. 0 if none is relevant.
pub fn recall_at(ranks: &[usize], k: usize) -> f64 {
    if ranks.is_empty() { 0.0 } else { hits(ranks, k) as f64 / ranks.len() as f64 }
}

/// Returns the number of relevant images among the first `k`.
pub fn hits(ranks: &[usize], k: usize) -> usize {
    ranks.partition_point(|&rank| rank <= k)
}

/// Returns a fraction as a percentage with two decimals, like Python's `round(100 * x, 2)`: the exact binary
/// value is rounded to the nearest decimal, halves (which only exact binary fractions have) to even.
pub fn percent_rounded(fraction: f64) -> f64 {
    round2(fraction * 100.0)
}

/// Rounds like Python's `round(x, 2)`.
pub fn round2(x: f64) -> f64 {
    // Formatting rounds the exact binary value to the nearest decimal, halves to even, which is what Python's
    // round does.
    format!("{x:.2}").parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let ranks = [1, 3, 6];
        assert!((average_precision(&ranks) - (1.0 + 2.0 / 3.0 + 0.5) / 3.0).abs() < 1e-15);
        let trapezoid = ((1.0 + 1.0) + (0.5 + 2.0 / 3.0) + (0.4 + 0.5)) / 2.0 / 3.00001;
        assert!((trapezoid_precision(&ranks) - trapezoid).abs() < 1e-15);
        assert_eq!(precision_at(&ranks, 5), 0.4);
        assert_eq!(recall_at(&ranks, 5), 2.0 / 3.0);
        assert_eq!(trapezoid_precision(&[]), 0.0);
        assert_eq!((average_precision(&[]), recall_at(&[], 5), precision_at(&[], 5)), (0.0, 0.0, 0.0));
    }

    #[test]
    fn rounds_as_python() {
        for (x, expected) in [(0.125, 0.12), (0.375, 0.38), (2.675, 2.67), (1.005, 1.0), (33.333_333, 33.33)]
        {
            assert_eq!(round2(x), expected);
        }
    }
}
