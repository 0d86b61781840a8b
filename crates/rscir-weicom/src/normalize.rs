use std::fmt;

use rscir_core::{NormalizationKey, ScoreStatistics};

/// Normalization that makes a similarity list comparable with another before the two are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Normalization {
    /// The normal CDF of the z-score, which is WeiCom's (arXiv 2405.15587, section 3).
    ///
    /// It is written as `Phi(z) - 1 = -Q(z)`, from -1 to 0. Near its upper end `Phi` itself rounds to 1 in
    /// `f32` from z = 5.4, and the best matches would tie; `-Q` keeps their order up to z = 13.
    #[default]
    Cdf,
    /// The normal CDF as the reference program rounds it: `0.5 (1 + erf)` in `f32`, which is exactly 1 from z
    /// = 5.4, so that the best matches tie. Use it only to reproduce the reference's figures. Labels name it
    /// like [`Normalization::Cdf`].
    ReferenceCdf,
    /// The z-score.
    ZScore,
    /// A linear map from the least similarity to 0 and the greatest to 1. 0 if all are equal.
    MinMax,
    /// The similarity, unchanged.
    None,
}

impl Normalization {
    /// Returns the name: `cdf`, `reference`, `zscore`, `minmax` or `none`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cdf => "cdf",
            Self::ReferenceCdf => "reference",
            Self::ZScore => "zscore",
            Self::MinMax => "minmax",
            Self::None => "none",
        }
    }

    /// Returns the key of this normalization for fusions that use it. All fusions with this key share lists.
    pub fn key(self) -> NormalizationKey {
        // A private type, so that no other crate can make one of these keys.
        struct Shared;
        let place = match self {
            Self::Cdf => 0.0,
            Self::ReferenceCdf => 1.0,
            Self::ZScore => 2.0,
            Self::MinMax => 3.0,
            Self::None => 4.0,
        };
        NormalizationKey::of::<Shared>().with(place)
    }

    /// Returns the normalization with this name, or `None` if the name is unknown.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Cdf, Self::ReferenceCdf, Self::ZScore, Self::MinMax, Self::None];
        all.into_iter().find(|n| n.as_str() == name)
    }

    /// Tells whether a value depends on its own similarity and the statistics alone, and never falls as the
    /// similarity rises.
    pub fn is_monotone(self) -> bool {
        self != Self::MinMax
    }

    /// Normalizes `similarities` into `normalized`, which has the same length. If all similarities are
    /// equal, the z-score is 0.
    ///
    /// `statistics` are those of the whole list. [`Normalization::MinMax`] needs the whole list in
    /// `similarities`.
    pub fn apply(self, similarities: &[f32], statistics: &ScoreStatistics, normalized: &mut [f32]) {
        match self {
            Self::Cdf if statistics.std_dev > 0.0 => {
                survival(similarities, statistics, normalized);
                normalized.iter_mut().for_each(|q| *q = -*q);
            }
            Self::Cdf => normalized.fill(-0.5),
            Self::ReferenceCdf if statistics.std_dev > 0.0 => {
                survival(similarities, statistics, normalized);
                for v in normalized {
                    let erf = (1.0 - 2.0 * f64::from(*v)) as f32;
                    *v = 0.5 * (1.0 + erf);
                }
            }
            Self::ReferenceCdf => normalized.fill(0.5),
            Self::ZScore => {
                for (z, &s) in normalized.iter_mut().zip(similarities) {
                    *z = statistics.z_score(s) as f32;
                }
            }
            Self::MinMax => {
                let (min, max) = similarities
                    .iter()
                    .fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), &s| (min.min(s), max.max(s)));
                let scale = if max > min { 1.0 / (max - min) } else { 0.0 };
                for (v, &s) in normalized.iter_mut().zip(similarities) {
                    *v = (s - min) * scale;
                }
            }
            Self::None => normalized.copy_from_slice(similarities),
        }
    }
}

/// Computes `Q(z)` of each similarity.
fn survival(similarities: &[f32], statistics: &ScoreStatistics, out: &mut [f32]) {
    rscir_kernels::survival_of_scores(similarities, statistics.mean, statistics.std_dev, out);
}

impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(n: Normalization, similarities: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; similarities.len()];
        n.apply(similarities, &ScoreStatistics::of(similarities), &mut out);
        out
    }

    #[test]
    fn known_values() {
        // z = -1, 0, 1 exactly: mean 0.5, standard deviation (n - 1) 0.25.
        let s = [0.25, 0.5, 0.75];
        assert_eq!(normalized(Normalization::ZScore, &s), [-1.0, 0.0, 1.0]);
        assert_eq!(normalized(Normalization::MinMax, &s), [0.0, 0.5, 1.0]);
        assert_eq!(normalized(Normalization::None, &s), s);
        // Phi(1) = 0.841344746068543 (Abramowitz and Stegun, table 26.1).
        let expected = [0.158_655_254_f64 - 1.0, -0.5, 0.841_344_746 - 1.0];
        for (got, want) in normalized(Normalization::Cdf, &s).iter().zip(expected) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "{got} {want}");
        }
    }

    #[test]
    fn equal_similarities_are_equal_afterwards() {
        for n in [Normalization::Cdf, Normalization::ZScore, Normalization::MinMax, Normalization::None] {
            let out = normalized(n, &[0.3; 5]);
            assert!(out.iter().all(|v| v.is_finite() && *v == out[0]), "{n}");
        }
    }

    #[test]
    fn the_upper_tail_keeps_its_order() {
        let mut s: Vec<f32> = (0..30_000).map(|i| (i % 100) as f32 / 100.0).collect();
        s.extend([3.0, 3.1]);
        let out = normalized(Normalization::Cdf, &s);
        assert!(out[30_000] < out[30_001], "z near 9 and 9.3 must not tie");
        let reference = normalized(Normalization::ReferenceCdf, &s);
        assert_eq!((reference[30_000], reference[30_001]), (1.0, 1.0));
        assert!(out.iter().zip(&reference).all(|(a, b)| (1.0 + a - b).abs() < 2e-7));
    }

    #[test]
    fn names_read_back() {
        for n in [
            Normalization::Cdf,
            Normalization::ReferenceCdf,
            Normalization::ZScore,
            Normalization::MinMax,
            Normalization::None,
        ] {
            assert_eq!(Normalization::from_name(n.as_str()), Some(n));
        }
        assert_eq!(Normalization::from_name("softmax"), None);
    }
}
