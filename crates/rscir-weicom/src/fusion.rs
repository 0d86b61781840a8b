/// Implements `Method` for a type that implements `Fusion`: rscir-core computes the score, and the argument
/// describes the method.
macro_rules! fusion_method {
    ($type:ty, |$this:ident| $info:expr $(, display_score: |$me:ident, $score:ident| $display:expr)?
     $(, reference: |$it:ident| $reference:expr)?) => {
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
                rscir_core::score_fusion(self, query, archive, scores)
            }

            $(fn display_score(&self, $score: f32) -> f32 {
                let $me = self;
                $display
            })?

            $(fn reference(&self) -> Option<Box<dyn rscir_core::Method>> {
                let $it = self;
                $reference
            })?

            fn kind(&self) -> rscir_core::Kind<'_> {
                rscir_core::Kind::Fusion(self)
            }
        }
    };
}
pub(crate) use fusion_method;

/// Adds two lists: the [`combine`](rscir_core::Fusion::combine) of fusions that are sums.
pub(crate) fn add(image: &[f32], text: &[f32], scores: &mut [f32]) {
    for ((score, i), t) in scores.iter_mut().zip(image).zip(text) {
        *score = i + t;
    }
}
