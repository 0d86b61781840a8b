use rscir_core::{Fusion, MethodInfo, Modality, NormalizationKey, ScoreStatistics};

use crate::Normalization;
use crate::fusion::fusion_method;

/// The lesser of the two normalized scores, so that a tile must match both parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Min {
    /// Normalization of the lists. Default: the CDF, as in WeiCom.
    pub normalization: Normalization,
}

fusion_method!(
    Min,
    |m| {
        let info = MethodInfo::new("min").parameter("normalization", m.normalization.as_str());
        match m.normalization {
            Normalization::Cdf => info,
            other => info.labeled(format!("min(norm={other})")),
        }
    },
    display_score: |m, score| if m.normalization == Normalization::Cdf { 1.0 + score } else { score }
);

impl Fusion for Min {
    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn normalization(&self) -> NormalizationKey {
        self.normalization.key()
    }

    fn is_monotone(&self) -> bool {
        self.normalization.is_monotone()
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
