use rscir_core::{Fusion, MethodInfo, Modality, NormalizationKey, ScoreStatistics};

use crate::fusion::{add, fusion_method};

/// Fisher's combination of tests: `-2 ln p_image - 2 ln p_text`, with `p = 1 - Phi(z)` (R. A. Fisher,
/// *Statistical Methods for Research Workers*, 4th edition, 1932, section 21.1).
///
/// One very small `p` is enough for a high score: the method ranks tiles first that match the image *or* the
/// text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fisher;

fusion_method!(Fisher, |_m| MethodInfo::new("fisher"));

impl Fusion for Fisher {
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
        for (value, &similarity) in normalized.iter_mut().zip(similarities) {
            *value = (-2.0 * log_tail(statistics.z_score(similarity))) as f32;
        }
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        add(image, text, scores);
    }
}

/// Computes `ln (1 - Phi(z))`.
///
/// For `z` from 3 it uses Laplace's continued fraction of the tail, `phi(z) / (z + 1 / (z + 2 / (z + 3 /
/// ...)))` (Abramowitz and Stegun, 26.2.14), and below 3 the series `Phi(z) = 1/2 + phi(z) (z + z^3 / 3 + z^5
/// / 15 + ...)` (26.2.11).
fn log_tail(z: f64) -> f64 {
    /// Number of terms of the fraction. At 3 its relative error is then 1e-12.
    const TERMS: u32 = 60;
    let log_density = -0.5 * z * z - 0.5 * (2.0 * std::f64::consts::PI).ln();
    if z >= 3.0 {
        let fraction = (1..=TERMS).rev().fold(z, |below, term| z + f64::from(term) / below);
        return log_density - fraction.ln();
    }
    if z < -3.0 {
        // The tail is one minus the other tail, which is small.
        return (-log_tail(-z).exp()).ln_1p();
    }
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    (0.5 - log_density.exp() * sum).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_have_the_published_values() {
        // Abramowitz and Stegun, table 26.1 and 26.2.
        for (z, tail) in
            [(0.0, 0.5), (1.0, 0.158_655_253_93), (-1.0, 0.841_344_746_07), (4.0, 3.167_124_183e-5)]
        {
            assert!((log_tail(z) - f64::ln(tail)).abs() < 1e-9, "{z}");
        }
        assert!((log_tail(20.0) / std::f64::consts::LN_10 + 88.560_1).abs() < 1e-4);
        assert!(log_tail(-50.0) <= 0.0 && log_tail(-50.0) > -1e-300);
    }

    #[test]
    fn the_score_never_falls_from_one_similarity_to_the_next() {
        let statistics = ScoreStatistics { count: 100, mean: 0.1, std_dev: 0.1 };
        let similarities: Vec<f32> = (0..200_000).map(|i| -1.0 + i as f32 * 1e-5).collect();
        let mut values = vec![0.0; similarities.len()];
        Fisher.normalize(&similarities, &statistics, &mut values);
        assert!(values.is_sorted());
    }
}
