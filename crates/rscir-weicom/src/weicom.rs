use rscir_core::{Fusion, MethodInfo, Modality, NormalizationKey, ScoreStatistics};

use crate::fusion::fusion_method;
use crate::{Error, Normalization, Result};

/// WeiCom: weighted composition of normalized similarities (Psomas et al., *Composed Image Retrieval for
/// Remote Sensing*, arXiv 2405.15587, equation 1).
///
/// Each similarity list becomes the normal CDF of its z-scores over the archive, `c(s) = Phi((s - mean) /
/// std_dev)`, and the score is `(1 - lambda) c(s_image) + lambda c(s_text)`. The method needs no training and
/// no second pass.
///
/// [`Method::score`](rscir_core::Method::score) writes `score - 1`, which keeps the order of the best matches
/// in `f32` (see [`Normalization::Cdf`]); [`Method::display_score`](rscir_core::Method::display_score) adds
/// the 1. At lambda 0 and 1 the score is the one similarity itself, so that no rounding of the CDF can make
/// ties.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeiCom {
    lambda: f64,
    normalization: Normalization,
}

impl WeiCom {
    /// The authors' lambda for CLIP features (README of the reference program, table of results).
    pub const CLIP_LAMBDA: f64 = 0.3;
    /// The authors' lambda for RemoteCLIP features (README of the reference program, table of results).
    pub const REMOTECLIP_LAMBDA: f64 = 0.6;

    /// Makes the method with weight `lambda` for the text: 0 ranks by the image alone, 1 by the text alone.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if `lambda` is not in 0..=1.
    pub fn new(lambda: f64) -> Result<Self> {
        if (0.0..=1.0).contains(&lambda) {
            Ok(Self { lambda, normalization: Normalization::Cdf })
        } else {
            Err(Error::BadParameter {
                method: "weicom",
                parameter: "lambda",
                value: lambda.to_string(),
                expected: "between 0 (image alone) and 1 (text alone)",
            })
        }
    }

    /// Sets the normalization. Default: [`Normalization::Cdf`].
    #[must_use]
    pub fn with_normalization(self, normalization: Normalization) -> Self {
        Self { normalization, ..self }
    }

    /// Returns the weight of the text.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// Returns the normalization of the similarity lists.
    pub fn normalization(&self) -> Normalization {
        self.normalization
    }

    /// Returns the normalization that is computed: none where one list alone decides the ranking, except when
    /// the reference's ties are wanted.
    fn effective(&self) -> Normalization {
        match (Fusion::modality(self), self.normalization) {
            (Modality::Both, normalization) => normalization,
            (_, Normalization::ReferenceCdf) => Normalization::ReferenceCdf,
            _ => Normalization::None,
        }
    }
}

impl Default for WeiCom {
    /// Makes the method with lambda 0.5 and the normal CDF.
    fn default() -> Self {
        Self { lambda: 0.5, normalization: Normalization::Cdf }
    }
}

fusion_method!(
    WeiCom,
    |m| {
        let label = match m.normalization {
            Normalization::Cdf | Normalization::ReferenceCdf => format!("weicom(lambda={:?})", m.lambda),
            other => format!("weicom(lambda={:?},norm={other})", m.lambda),
        };
        let info = MethodInfo::new("weicom").parameter("lambda", m.lambda);
        info.parameter("normalization", m.normalization.as_str()).labeled(label)
    },
    display_score: |m, score| if m.effective() == Normalization::Cdf { 1.0 + score } else { score },
    reference: |m| (m.normalization == Normalization::Cdf)
        .then(|| Box::new(m.with_normalization(Normalization::ReferenceCdf)) as Box<dyn rscir_core::Method>)
);

impl Fusion for WeiCom {
    fn modality(&self) -> Modality {
        match self.lambda {
            0.0 => Modality::Image,
            1.0 => Modality::Text,
            _ => Modality::Both,
        }
    }

    fn normalization(&self) -> NormalizationKey {
        self.effective().key()
    }

    fn is_monotone(&self) -> bool {
        self.effective().is_monotone()
    }

    fn normalize(&self, similarities: &[f32], statistics: &ScoreStatistics, normalized: &mut [f32]) {
        self.effective().apply(similarities, statistics, normalized);
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        match Fusion::modality(self) {
            Modality::Image => scores.copy_from_slice(image),
            Modality::Text => scores.copy_from_slice(text),
            Modality::Both => {
                let weights = [(1.0 - self.lambda) as f32, self.lambda as f32];
                rscir_kernels::weighted_sum(image, text, weights, scores);
            }
        }
    }
}
