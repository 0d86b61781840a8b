use rscir_core::{
    Archive, AskedPart, Evidence, Fit, ListSample, MethodInfo, Modality, NormalizationKey, Part,
    Result as CoreResult,
};
use rscir_kernels::{Affine, log_sigmoid_of_scores};

use crate::evidence::{at, evidence_method, line, shared_weights, sigmoid, upright};
use crate::neighborhood::{Neighbors, ask_with, key};
use crate::{Error, Result};

/// A conjunction: a tile must match every part of the query. The score is the sum of `ln sigma(1.5 (z -
/// 2.5))`, with `z` over the archive.
///
/// `sigma` stands for the probability that a tile matches a part, and the sum of logarithms for *and*. In
/// contrast to a sum of CDFs, the score still rises where a similarity is far above the mean, and falls where
/// one part is missed. A part of negative weight counts by the logarithm of one minus the probability. The
/// method needs only the mean and the standard deviation of each list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conjunction {
    lambda: f64,
    neighbors: Option<Neighbors>,
}

impl Conjunction {
    /// Slope of the log odds over `z`, as for two groups of variance 1 whose means lie 1.5 apart.
    pub const SLOPE: f64 = 1.5;
    /// The `z` at which a tile matches with probability 1/2. Six in a thousand values of a normal list are
    /// above it.
    pub const THRESHOLD: f64 = 2.5;

    /// Makes the method with weights `2 (1 - lambda)` for images and `2 lambda` for texts. 0 ranks by images
    /// alone, 1 by texts alone.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if `lambda` is not in 0..=1.
    pub fn new(lambda: f64) -> Result<Self> {
        check_lambda("conjunction", lambda).map(|()| Self { lambda, neighbors: None })
    }

    /// Sets how many tiles define an image, as in [`Posterior`](crate::Posterior). Default: an image is its
    /// own vector.
    #[must_use]
    pub fn neighbors(self, neighbors: Neighbors) -> Self {
        Self { neighbors: Some(neighbors), ..self }
    }

    /// Returns the weight of the texts.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// Returns the logarithm of the probability of a match at `z`.
    pub fn log_probability(z: f64) -> f64 {
        log_sigmoid(Self::SLOPE * (z - Self::THRESHOLD))
    }
}

/// Computes `ln sigma(x)`.
pub(crate) fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

/// Checks that lambda is from 0 to 1.
pub(crate) fn check_lambda(method: &'static str, lambda: f64) -> Result<()> {
    if (0.0..=1.0).contains(&lambda) {
        return Ok(());
    }
    Err(Error::BadParameter {
        method,
        parameter: "lambda",
        value: lambda.to_string(),
        expected: "between 0 (image alone) and 1 (text alone)",
    })
}

/// Returns the parts that have weight under `2 (1 - lambda)` and `2 lambda`.
pub(crate) fn modality_of(lambda: f64) -> Modality {
    match lambda {
        0.0 => Modality::Image,
        1.0 => Modality::Text,
        _ => Modality::Both,
    }
}

impl Default for Conjunction {
    /// Makes the method in which all parts count by their own weights.
    fn default() -> Self {
        Self { lambda: 0.5, neighbors: None }
    }
}

evidence_method!(Conjunction, |m| {
    let mut changed = Vec::new();
    let mut info = MethodInfo::new("conjunction").parameter("lambda", m.lambda);
    if m.lambda != Conjunction::default().lambda {
        changed.push(format!("lambda={:?}", m.lambda));
    }
    if let Some(neighbors) = m.neighbors {
        info = info.parameter("k", neighbors.parameter());
        changed.push(format!("k={neighbors}"));
    }
    if changed.is_empty() { info } else { info.labeled(format!("conjunction({})", changed.join(","))) }
});

/// Returns the log odds of a match as a line in the similarity.
fn odds(part: &AskedPart, fit: &Fit) -> Affine {
    line(part, fit, Conjunction::SLOPE, Conjunction::THRESHOLD)
}

impl Evidence for Conjunction {
    fn modality(&self) -> Modality {
        modality_of(self.lambda)
    }

    fn evidence_key(&self) -> NormalizationKey {
        NormalizationKey::of::<Self>().with(key(self.neighbors))
    }

    fn ask(&self, parts: &[Part<'_>], archive: &dyn Archive) -> CoreResult<Vec<AskedPart>> {
        ask_with(parts, archive, self.neighbors)
    }

    fn reads_rows(&self) -> bool {
        false
    }

    fn fit(&self, part: &AskedPart, list: ListSample<'_>) -> Fit {
        Fit::new(upright(part, list.statistics))
    }

    fn evidence(&self, part: &AskedPart, fit: &Fit, similarities: &[f32], evidence: &mut [f32]) {
        const NONE: Affine = Affine { at_zero: 0.0, slope: 0.0 };
        log_sigmoid_of_scores(similarities, odds(part, fit), NONE, evidence);
    }

    fn weights(&self, parts: &[AskedPart], _fits: &[Fit]) -> Vec<f32> {
        shared_weights(parts, self.lambda)
    }

    fn probability(&self, part: &AskedPart, fit: &Fit, similarity: f32) -> f32 {
        sigmoid(at(odds(part, fit), similarity))
    }
}
