use rscir_core::{Fusion, MethodInfo, Modality, NormalizationKey, ScoreStatistics, Scored};

use crate::fusion::fusion_method;
use crate::{Error, Result};

/// Reciprocal rank fusion: the sum over both lists of `weight / (k + rank)`, with ranks from 1 (Cormack,
/// Clarke and Buettcher, *Reciprocal rank fusion outperforms Condorcet and individual rank learning methods*,
/// SIGIR 2009).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rrf {
    k: f32,
    weights: [f32; 2],
}

impl Rrf {
    /// Makes the method with the constant `k` and the weights of the image's and the text's list.
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
    /// Makes the method with `k` = 60, the value of the paper, and equal weights.
    fn default() -> Self {
        Self { k: 60.0, weights: [1.0, 1.0] }
    }
}

fusion_method!(Rrf, |m| {
    let [image, text] = m.weights;
    let label = if image == text {
        format!("rrf(k={})", m.k)
    } else {
        format!("rrf(k={},image={image},text={text})", m.k)
    };
    let numbers = [("k", m.k), ("image", image), ("text", text)];
    let info = MethodInfo::new("rrf").labeled(label);
    numbers.into_iter().fold(info, |info, (name, value)| info.parameter(name, f64::from(value)))
});

impl Fusion for Rrf {
    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn normalization(&self) -> NormalizationKey {
        NormalizationKey::of::<Self>().with(f64::from(self.k))
    }

    fn is_monotone(&self) -> bool {
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
}
