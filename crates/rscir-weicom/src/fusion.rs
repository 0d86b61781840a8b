/// Implements `Method` for a type that implements `Fusion`: scoring is the core's, the label is given.
macro_rules! fusion_method {
    ($type:ty, |$this:ident| $label:expr $(, present: |$me:ident, $score:ident| $present:expr)?
     $(, reference: |$it:ident| $reference:expr)?) => {
        impl rscir_core::Method for $type {
            fn label(&self) -> String {
                let $this = self;
                $label
            }

            fn score(
                &self,
                query: &rscir_core::ComposedQuery,
                archive: &dyn rscir_core::Archive,
                scores: &mut [f32],
            ) -> rscir_core::Result<()> {
                rscir_core::score_fusion(self, query, archive, scores)
            }

            $(fn present(&self, $score: f32) -> f32 {
                let $me = self;
                $present
            })?

            $(fn reference(&self) -> Option<Box<dyn rscir_core::Method>> {
                let $it = self;
                $reference
            })?

            fn as_fusion(&self) -> Option<&dyn rscir_core::Fusion> {
                Some(self)
            }
        }
    };
}
pub(crate) use fusion_method;
