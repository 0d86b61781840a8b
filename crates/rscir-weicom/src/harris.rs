use rscir_core::{Fusion, MethodInfo, Modality, NormalizationKey, ScoreStatistics};

use crate::fusion::fusion_method;
use crate::{Error, Normalization, Result};

/// The last stage of BASIC alone, on similarities as they are: Harris' criterion `s_i s_t - weight (s_i +
/// s_t)^2`, in which negative similarities count as 0 (Psomas et al., arXiv 2510.25387, after C. Harris and
/// M. Stephens, *A combined corner and edge detector*, 1988; github.com/billpsomas/icir).
///
/// The criterion lowers the score of tiles that are like only one part, and so is not monotone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Harris {
    weight: f64,
}

impl Harris {
    /// Makes the method with this weight of the squared sum. The paper has 0.1.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if the weight is negative or not finite.
    pub fn new(weight: f64) -> Result<Self> {
        if weight.is_finite() && weight >= 0.0 {
            return Ok(Self { weight });
        }
        let (parameter, value) = ("weight", weight.to_string());
        Err(Error::BadParameter { method: "harris", parameter, value, expected: "a number from 0" })
    }
}

impl Default for Harris {
    fn default() -> Self {
        Self { weight: 0.1 }
    }
}

fusion_method!(Harris, |m| {
    let info = MethodInfo::new("harris").parameter("weight", m.weight);
    if *m == Harris::default() { info } else { info.labeled(format!("harris(weight={:?})", m.weight)) }
});

impl Fusion for Harris {
    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn normalization(&self) -> NormalizationKey {
        Normalization::None.key()
    }

    fn is_monotone(&self) -> bool {
        false
    }

    fn normalize(&self, similarities: &[f32], statistics: &ScoreStatistics, normalized: &mut [f32]) {
        Normalization::None.apply(similarities, statistics, normalized);
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        for ((score, &i), &t) in scores.iter_mut().zip(image).zip(text) {
            *score = criterion(f64::from(i), f64::from(t), self.weight);
        }
    }
}

/// Computes Harris' criterion of two similarities. Negative ones count as 0.
pub(crate) fn criterion(image: f64, text: f64, weight: f64) -> f32 {
    let (i, t) = (image.max(0.0), text.max(0.0));
    (i * t - weight * (i + t) * (i + t)) as f32
}
