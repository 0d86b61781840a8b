use std::borrow::Cow;

use rscir_core::{
    Archive, ComposedQuery, Fusion, Kind, Method, MethodInfo, Modality, NormalizationKey,
    Result as CoreResult, ScoreStatistics, score_fusion,
};

use crate::Normalization;

/// Makes a fusion from a name and a function that combines the two similarities of a row.
///
/// ```
/// use rscir_core::Method;
/// use rscir_weicom::{Normalization, pointwise};
///
/// // The geometric mean of both similarities, which must not be negative.
/// let geometric = pointwise("geometric", |image, text| (image.max(0.0) * text.max(0.0)).sqrt()).monotone();
/// // The lesser z-score, as `min:norm=zscore`.
/// let lesser = pointwise("lesser", f32::min).normalization(Normalization::ZScore).monotone();
/// assert_eq!(lesser.label(), "lesser(norm=zscore)");
/// ```
pub fn pointwise<F>(name: impl Into<Cow<'static, str>>, combine: F) -> Pointwise<F>
where
    F: Fn(f32, f32) -> f32 + Send + Sync,
{
    Pointwise { name: name.into(), combine, normalization: Normalization::None, monotone: false }
}

/// A fusion that combines the two lists row by row with a function. [`pointwise`] makes it.
#[derive(Debug, Clone)]
pub struct Pointwise<F> {
    name: Cow<'static, str>,
    combine: F,
    normalization: Normalization,
    monotone: bool,
}

impl<F> Pointwise<F> {
    /// Sets the normalization of both lists before they are combined. Default: [`Normalization::None`], so
    /// that the function gets similarities from -1 to 1.
    #[must_use]
    pub fn normalization(self, normalization: Normalization) -> Self {
        Self { normalization, ..self }
    }

    /// Promises that the function never falls as either of its arguments rises. An exact search may then skip
    /// rows whose bounds do not reach the best rows; without the promise it scores all rows.
    #[must_use]
    pub fn monotone(self) -> Self {
        Self { monotone: true, ..self }
    }
}

impl<F: Fn(f32, f32) -> f32 + Send + Sync> Method for Pointwise<F> {
    fn info(&self) -> MethodInfo {
        let info = MethodInfo::new(self.name.clone()).parameter("normalization", self.normalization.as_str());
        match self.normalization {
            Normalization::None => info,
            other => info.labeled(format!("{}(norm={other})", self.name)),
        }
    }

    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> CoreResult<()> {
        score_fusion(self, query, archive, scores)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Fusion(self)
    }
}

impl<F: Fn(f32, f32) -> f32 + Send + Sync> Fusion for Pointwise<F> {
    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn normalization(&self) -> NormalizationKey {
        self.normalization.key()
    }

    fn is_monotone(&self) -> bool {
        self.monotone && self.normalization.is_monotone()
    }

    fn normalize(&self, similarities: &[f32], statistics: &ScoreStatistics, normalized: &mut [f32]) {
        self.normalization.apply(similarities, statistics, normalized);
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        for ((score, &image), &text) in scores.iter_mut().zip(image).zip(text) {
            *score = (self.combine)(image, text);
        }
    }
}
