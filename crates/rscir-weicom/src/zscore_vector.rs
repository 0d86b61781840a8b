use rscir_core::{
    Archive, ComposedQuery, Composition, Kind, Method, MethodInfo, Result as CoreResult, score_composition,
};

/// One vector whose similarities are the sum of both z-scores, less a number that is the same for all rows: each part's vector
/// divided by the deviation of its similarities, which the archive's moments give.
///
/// It ranks as a sum of z-scores does, at the price of one list. Folklore: no paper is known that has it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ZScoreVector;

impl Method for ZScoreVector {
    fn info(&self) -> MethodInfo {
        MethodInfo::new("zscore")
    }

    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> CoreResult<()> {
        score_composition(self, query, archive, scores)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Composition(self)
    }
}

impl Composition for ZScoreVector {
    /// A part whose similarities are all equal is left out: its z-scores are 0.
    fn compose(&self, query: &ComposedQuery, archive: &dyn Archive) -> CoreResult<Vec<f32>> {
        archive.spec().check(query.spec())?;
        let label = self.label();
        let mut sum = vec![0.0f64; archive.dim()];
        for part in [query.require_image(&label)?, query.require_text(&label)?] {
            let deviation = archive.moments().statistics(part)?.std_dev;
            if deviation > 0.0 {
                sum.iter_mut()
                    .zip(part.iter())
                    .for_each(|(sum, &value)| *sum += f64::from(value) / deviation);
            }
        }
        Ok(sum.into_iter().map(|value| value as f32).collect())
    }
}
