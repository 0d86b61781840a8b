//! Measures of one ranking, as pure functions of the ranks at which relevant images stand.
//!
//! `ranks` are those of the relevant images, from 1, ascending. All measures are fractions of 1.

/// Average precision: the mean, over the relevant images, of the precision at their ranks. 0 without any.
pub fn average_precision(ranks: &[usize]) -> f64 {
    if ranks.is_empty() {
        return 0.0;
    }
    let sum: f64 = ranks.iter().enumerate().map(|(i, &rank)| (i + 1) as f64 / rank as f64).sum();
    sum / ranks.len() as f64
}

/// Average precision by the trapezoid rule, as the domain-conversion and i-CIR benchmarks have it: the mean, over the
/// relevant images, of the precision before and at their ranks (`compute_ap` of github billpsomas/icir, from the Oxford
/// buildings' evaluation).
pub fn trapezoid_precision(ranks: &[usize]) -> f64 {
    // Keeps their denominator from 0.
    const EPSILON: f64 = 1e-5;
    let steps = ranks.iter().enumerate().map(|(hits, &rank)| {
        let before = if rank <= 1 { 1.0 } else { hits as f64 / (rank - 1) as f64 };
        (before + (hits + 1) as f64 / rank as f64) / 2.0
    });
    steps.sum::<f64>() / (ranks.len() as f64 + EPSILON)
}

/// Share of the first `k` that is relevant.
pub fn precision_at(ranks: &[usize], k: usize) -> f64 {
    if k == 0 { 0.0 } else { hits(ranks, k) as f64 / k as f64 }
}

/// Share of the relevant that is within the first `k`. 0 if nothing is relevant.
pub fn recall_at(ranks: &[usize], k: usize) -> f64 {
    if ranks.is_empty() { 0.0 } else { hits(ranks, k) as f64 / ranks.len() as f64 }
}

/// Relevant images within the first `k`.
pub fn hits(ranks: &[usize], k: usize) -> usize {
    ranks.partition_point(|&rank| rank <= k)
}

/// A fraction as a percentage with two decimals, as Python's `round(100 * x, 2)` gives it: to the nearest, of the decimal
/// expansion of the binary number, halves (which only exact binary fractions have) to even.
pub fn percent_rounded(fraction: f64) -> f64 {
    round2(fraction * 100.0)
}

/// Python's `round(x, 2)`.
pub fn round2(x: f64) -> f64 {
    // Formatting rounds the exact binary value to the nearest decimal, halves to even, as Python's round does.
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
