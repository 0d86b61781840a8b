use rscir_core::{Fusion, MethodInfo, Modality, NormalizationKey, ScoreStatistics};

use crate::Normalization;
use crate::fusion::fusion_method;

/// Stouffer's combination of tests: the sum of both z-scores, divided by the square root of 2 (S. Stouffer et
/// al., *The American Soldier*, volume 1, 1949, page 45).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stouffer;

fusion_method!(Stouffer, |_m| MethodInfo::new("stouffer"));

impl Fusion for Stouffer {
    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn normalization(&self) -> NormalizationKey {
        Normalization::ZScore.key()
    }

    fn is_monotone(&self) -> bool {
        true
    }

    fn normalize(&self, similarities: &[f32], statistics: &ScoreStatistics, normalized: &mut [f32]) {
        Normalization::ZScore.apply(similarities, statistics, normalized);
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        for ((score, i), t) in scores.iter_mut().zip(image).zip(text) {
            *score = (i + t) * std::f32::consts::FRAC_1_SQRT_2;
        }
    }
}
