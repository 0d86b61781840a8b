//! Code that the methods by evidence share.

use rscir_core::{AskedPart, Fit, Part, PartKind, ScoreStatistics};
use rscir_kernels::Affine;

/// Implements `Method` for a type that implements `Evidence`: rscir-core computes the score, and the argument
/// describes the method.
macro_rules! evidence_method {
    ($type:ty, |$this:ident| $info:expr $(, display_score: |$score:ident| $display:expr)?) => {
        impl rscir_core::Method for $type {
            fn info(&self) -> rscir_core::MethodInfo {
                let $this = self;
                $info
            }

            fn score(
                &self,
                query: &rscir_core::ComposedQuery,
                archive: &dyn rscir_core::Archive,
                scores: &mut [f32],
            ) -> rscir_core::Result<()> {
                rscir_core::score_evidence(self, query, archive, scores)
            }

            $(fn display_score(&self, $score: f32) -> f32 {
                $display
            })?

            fn kind(&self) -> rscir_core::Kind<'_> {
                rscir_core::Kind::Evidence(self)
            }
        }
    };
}
pub(crate) use evidence_method;

/// Searches by a part's own vector.
pub(crate) fn as_it_is(part: &Part<'_>) -> AskedPart {
    asked(part, part.vector.to_vec(), Vec::new())
}

/// Searches by `vector` for a part. The vector is negated if the part has negative weight.
pub(crate) fn asked(part: &Part<'_>, mut vector: Vec<f32>, neighbors: Vec<usize>) -> AskedPart {
    let against = part.weight < 0.0;
    if against {
        vector.iter_mut().for_each(|value| *value = -*value);
    }
    AskedPart { kind: part.kind, vector, weight: part.weight.abs(), against, neighbors }
}

/// Returns the statistics of a list before the vector was negated.
pub(crate) fn upright(part: &AskedPart, statistics: ScoreStatistics) -> ScoreStatistics {
    let mean = if part.against { -statistics.mean } else { statistics.mean };
    ScoreStatistics { mean, ..statistics }
}

/// Returns `slope (z - threshold)` as a rising line in the computed similarity, which for a part of negative
/// weight is the negated one. A list whose values are all equal has z = 0.
pub(crate) fn line(part: &AskedPart, fit: &Fit, slope: f64, threshold: f64) -> Affine {
    let ScoreStatistics { mean, std_dev, .. } = fit.statistics;
    let scale = if std_dev > 0.0 { std_dev.recip() } else { 0.0 };
    let at_zero = -slope * (mean * scale + threshold);
    Affine { at_zero: if part.against { -at_zero } else { at_zero }, slope: slope * scale }
}

/// Computes `sigma(x)`.
pub(crate) fn sigmoid(x: f64) -> f32 {
    (1.0 / (1.0 + (-x).exp())) as f32
}

/// Computes the value of a line.
pub(crate) fn at(line: Affine, similarity: f32) -> f64 {
    line.at_zero + line.slope * f64::from(similarity)
}

/// Returns the factors of the evidence: the weight of each part, doubled and divided by `lambda` between
/// images and texts.
pub(crate) fn shared_weights(parts: &[AskedPart], lambda: f64) -> Vec<f32> {
    let share = |kind| match kind {
        PartKind::Image => 2.0 * (1.0 - lambda),
        PartKind::Text => 2.0 * lambda,
    };
    parts.iter().map(|part| (share(part.kind) * f64::from(part.weight)) as f32).collect()
}
