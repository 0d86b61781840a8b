use rscir_core::{
    Archive, ComposedQuery, Composition, Kind, Method, MethodInfo, Result as CoreResult, score_composition,
};

/// One vector whose similarities are the sum of both z-scores, less a number that is the same for all rows.
/// It is the sum of the parts' vectors, each divided by the standard deviation of its similarities, which
/// follows from the archive's moments.
///
/// The method ranks like a sum of z-scores and costs one list instead of two. It is folklore: no first paper
/// is known.
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
    /// Adds up the vectors. A part whose similarities are all equal is left out, because its z-scores are 0.
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
