use rscir_core::{Fusion, MethodInfo, Modality, NormalizationKey, ScoreStatistics};

use crate::Normalization;
use crate::fusion::{add, fusion_method};

/// Similarity to the query image alone: "Image only" of the reference program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageOnly;

/// Similarity to the query text alone: "Text only" of the reference program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextOnly;

/// Sum of the two similarities. It ranks like their mean, "Average Similarities" of the reference program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum;

/// Product of the two similarities.
///
/// By default a negative similarity counts as 0, so that two negative ones do not make a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Product {
    /// `true`: negative similarities are multiplied as they are. Default: `false`.
    pub raw: bool,
}

fusion_method!(ImageOnly, |_m| MethodInfo::new("image"));
fusion_method!(TextOnly, |_m| MethodInfo::new("text"));
fusion_method!(Sum, |_m| MethodInfo::new("sum"));
fusion_method!(Product, |m| {
    let label = if m.raw { "product(raw)" } else { "product" };
    MethodInfo::new("product").parameter("raw", m.raw).labeled(label)
});

/// Implements the parts of `Fusion` that all methods on raw similarities share.
macro_rules! on_raw_similarities {
    () => {
        fn normalization(&self) -> NormalizationKey {
            Normalization::None.key()
        }

        fn normalize(&self, similarities: &[f32], statistics: &ScoreStatistics, normalized: &mut [f32]) {
            Normalization::None.apply(similarities, statistics, normalized);
        }
    };
}

impl Fusion for ImageOnly {
    on_raw_similarities!();

    fn modality(&self) -> Modality {
        Modality::Image
    }

    fn is_monotone(&self) -> bool {
        true
    }

    fn combine(&self, image: &[f32], _text: &[f32], scores: &mut [f32]) {
        scores.copy_from_slice(image);
    }
}

impl Fusion for TextOnly {
    on_raw_similarities!();

    fn modality(&self) -> Modality {
        Modality::Text
    }

    fn is_monotone(&self) -> bool {
        true
    }

    fn combine(&self, _image: &[f32], text: &[f32], scores: &mut [f32]) {
        scores.copy_from_slice(text);
    }
}

impl Fusion for Sum {
    on_raw_similarities!();

    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn is_monotone(&self) -> bool {
        true
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        add(image, text, scores);
    }
}

impl Fusion for Product {
    on_raw_similarities!();

    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn is_monotone(&self) -> bool {
        // Without the clamp, the product falls where one side is negative and the other rises.
        !self.raw
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        for ((score, &i), &t) in scores.iter_mut().zip(image).zip(text) {
            *score = if self.raw { i * t } else { i.max(0.0) * t.max(0.0) };
        }
    }
}
