use std::borrow::Cow;

use rscir_core::{Fusion, Modality, ScoreStatistics, Scored};

use crate::fusion::fusion_method;
use crate::{Error, Normalization, Result};

/// The lesser of the two normalised scores: a tile must match both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Min {
    /// How the lists are made comparable; the CDF by default, as in WeiCom.
    pub normalization: Normalization,
}

fusion_method!(
    Min,
    |m| match m.normalization {
        Normalization::Cdf => "min".into(),
        other => format!("min(norm={other})"),
    },
    present: |m, score| if m.normalization == Normalization::Cdf { 1.0 + score } else { score }
);

impl Fusion for Min {
    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn normalization(&self) -> Cow<'static, str> {
        self.normalization.as_str().into()
    }

    fn is_pointwise(&self) -> bool {
        self.normalization.is_pointwise()
    }

    fn normalize(&self, similarities: &[f32], statistics: &ScoreStatistics, normalized: &mut [f32]) {
        self.normalization.apply(similarities, statistics, normalized);
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        for ((score, &i), &t) in scores.iter_mut().zip(image).zip(text) {
            *score = i.min(t);
        }
    }
}

/// Reciprocal rank fusion: the sum over both lists of `weight / (k + rank)`, ranks from 1 (Cormack, Clarke and
/// Buettcher, *Reciprocal rank fusion outperforms Condorcet and individual rank learning methods*, SIGIR 2009).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rrf {
    k: f32,
    weights: [f32; 2],
}

impl Rrf {
    /// With the constant `k` and the weights of the image's and the text's list.
    ///
    /// # Errors
    /// [`Error::BadParameter`] unless `k` is positive and the weights are finite and not negative.
    pub fn new(k: f32, image_weight: f32, text_weight: f32) -> Result<Self> {
        let bad = |parameter, value: f32, expected| {
            Err(Error::BadParameter { method: "rrf", parameter, value: value.to_string(), expected })
        };
        if !(k.is_finite() && k > 0.0) {
            return bad("k", k, "a positive number");
        }
        for weight in [image_weight, text_weight] {
            if !(weight.is_finite() && weight >= 0.0) {
                return bad("weight", weight, "a number from 0");
            }
        }
        Ok(Self { k, weights: [image_weight, text_weight] })
    }
}

impl Default for Rrf {
    /// `k` = 60, the value of the paper; equal weights.
    fn default() -> Self {
        Self { k: 60.0, weights: [1.0, 1.0] }
    }
}

fusion_method!(Rrf, |m| {
    let [image, text] = m.weights;
    if image == text {
        format!("rrf(k={})", m.k)
    } else {
        format!("rrf(k={},image={image},text={text})", m.k)
    }
});

impl Fusion for Rrf {
    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn normalization(&self) -> Cow<'static, str> {
        format!("reciprocal rank(k={})", self.k).into()
    }

    fn is_pointwise(&self) -> bool {
        false
    }

    fn normalize(&self, similarities: &[f32], _statistics: &ScoreStatistics, normalized: &mut [f32]) {
        let mut ranking: Vec<Scored> =
            similarities.iter().enumerate().map(|(row, &score)| Scored { row, score }).collect();
        ranking.sort_unstable_by(Scored::rank_cmp);
        for (position, scored) in ranking.iter().enumerate() {
            normalized[scored.row] = 1.0 / (self.k + (position + 1) as f32);
        }
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        rscir_kernels::weighted_sum(image, text, self.weights, scores);
    }
}

/// Distribution-based score fusion: each list maps `mean - 3 deviation .. mean + 3 deviation` to 0..1, unclamped, and the
/// two are added; a list without spread gives 0.5 (M. Mazzeschi, *Distribution-Based Score Fusion*, 2023).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dbsf;

fusion_method!(Dbsf, |_m| "dbsf".into());

impl Fusion for Dbsf {
    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn normalization(&self) -> Cow<'static, str> {
        "dbsf".into()
    }

    fn is_pointwise(&self) -> bool {
        true
    }

    fn normalize(&self, similarities: &[f32], statistics: &ScoreStatistics, normalized: &mut [f32]) {
        for (v, &s) in normalized.iter_mut().zip(similarities) {
            // (s - (mean - 3 deviation)) / (6 deviation) = z / 6 + 1/2, and z is 0 without spread.
            *v = (statistics.z_score(s) / 6.0 + 0.5) as f32;
        }
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        for ((score, i), t) in scores.iter_mut().zip(image).zip(text) {
            *score = i + t;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rrf_follows_its_formula_with_ties_to_the_lower_row() {
        let rrf = Rrf::new(60.0, 1.0, 2.0).unwrap();
        let (mut image, mut text, mut scores) = ([0.0; 4], [0.0; 4], [0.0; 4]);
        let statistics = ScoreStatistics::default();
        rrf.normalize(&[0.1, 0.9, 0.9, 0.5], &statistics, &mut image); // ranks 4 1 2 3
        rrf.normalize(&[0.4, 0.3, 0.2, 0.1], &statistics, &mut text); // ranks 1 2 3 4
        rrf.combine(&image, &text, &mut scores);
        for (score, (i, t)) in scores.iter().zip([(4.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0f32)]) {
            let expected = 1.0 / (60.0 + i) + 2.0 / (60.0 + t);
            assert!((score - expected).abs() < 1e-7);
        }
        assert!(Rrf::new(0.0, 1.0, 1.0).is_err());
        assert!(Rrf::new(60.0, -1.0, 1.0).is_err());
    }

    #[test]
    fn dbsf_maps_three_deviations_to_the_unit_interval() {
        let statistics = ScoreStatistics { count: 9, mean: 0.2, deviation: 0.1 };
        let mut out = [0.0; 3];
        Dbsf.normalize(&[-0.1, 0.2, 0.5], &statistics, &mut out);
        for (got, want) in out.iter().zip([0.0, 0.5, 1.0]) {
            assert!((got - want).abs() < 1e-6);
        }
        Dbsf.normalize(&[0.2; 3], &ScoreStatistics { deviation: 0.0, ..statistics }, &mut out);
        assert_eq!(out, [0.5; 3]);
    }
}
