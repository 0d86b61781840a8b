use rscir_core::{Fusion, MethodInfo, Modality, NormalizationKey, ScoreStatistics};

use crate::fusion::{add, fusion_method};

/// Distribution-based score fusion: each list maps `mean - 3 std_dev .. mean + 3 std_dev` to 0..1, unclamped,
/// and the two are added. A list whose values are all equal gives 0.5 (M. Mazzeschi, *Distribution-Based
/// Score Fusion*, 2023).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dbsf;

fusion_method!(Dbsf, |_m| MethodInfo::new("dbsf"));

impl Fusion for Dbsf {
    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn normalization(&self) -> NormalizationKey {
        NormalizationKey::of::<Self>()
    }

    fn is_monotone(&self) -> bool {
        true
    }

    fn normalize(&self, similarities: &[f32], statistics: &ScoreStatistics, normalized: &mut [f32]) {
        for (v, &s) in normalized.iter_mut().zip(similarities) {
            // (s - (mean - 3 std_dev)) / (6 std_dev) = z / 6 + 1/2, and z is 0 where all values are equal.
            *v = (statistics.z_score(s) / 6.0 + 0.5) as f32;
        }
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        add(image, text, scores);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dbsf_maps_three_deviations_to_the_unit_interval() {
        let statistics = ScoreStatistics { count: 9, mean: 0.2, std_dev: 0.1 };
        let mut out = [0.0; 3];
        Dbsf.normalize(&[-0.1, 0.2, 0.5], &statistics, &mut out);
        for (got, want) in out.iter().zip([0.0, 0.5, 1.0]) {
            assert!((got - want).abs() < 1e-6);
        }
        Dbsf.normalize(&[0.2; 3], &ScoreStatistics { std_dev: 0.0, ..statistics }, &mut out);
        assert_eq!(out, [0.5; 3]);
    }
}
