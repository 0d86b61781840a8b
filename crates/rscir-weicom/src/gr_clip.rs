use rscir_core::{
    Archive, ComposedQuery, Error as CoreError, Method, MethodInfo, Queries, Result as CoreResult,
};

use crate::conjunction::check_lambda;
use crate::{Result, VocabularyMean};

/// GR-CLIP: the mean of its modality is subtracted from every vector, which is then normalized again (B. Li
/// et al., *Closing the Modality Gap for Mixed Modality Search*, arXiv 2507.19054, section 4;
/// github.com/yuhui-zh15/MixedModalitySearch).
///
/// The queries here are the authors' mixed documents `alpha text + (1 - alpha) image`, less the same mixture
/// of means. The mean of images is that of the archive, the mean of texts that of a vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct GrClip {
    alpha: f64,
    text_mean: VocabularyMean,
}

impl GrClip {
    /// The authors' weight of the text.
    pub const ALPHA: f64 = 0.5;

    /// Makes the method with weight `alpha` for the text.
    ///
    /// # Errors
    /// [`Error::BadParameter`](crate::Error::BadParameter) if `alpha` is not in 0..=1.
    pub fn new(alpha: f64, text_mean: VocabularyMean) -> Result<Self> {
        Self::check(alpha).map(|()| Self { alpha, text_mean })
    }

    /// Checks that `alpha` is from 0 to 1.
    pub(crate) fn check(alpha: f64) -> Result<()> {
        check_lambda("gr-clip", alpha)
    }
}

impl Method for GrClip {
    fn info(&self) -> MethodInfo {
        let info = MethodInfo::new("gr-clip").parameter("alpha", self.alpha);
        if self.alpha == Self::ALPHA {
            info
        } else {
            info.labeled(format!("gr-clip(alpha={:?})", self.alpha))
        }
    }

    /// Computes the cosine between each centered row and the centered query. A row that equals the mean has
    /// no direction and scores 0.
    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> CoreResult<()> {
        let rows = archive.len();
        CoreError::check_length("scores (one per archive row)", rows, scores.len())?;
        CoreError::check_length(
            "width of the vocabulary's mean",
            archive.dim(),
            self.text_mean.vector().len(),
        )?;
        archive.spec().check(query.spec())?;
        let label = self.label();
        let (image, text) = (query.require_image(&label)?, query.require_text(&label)?);
        let mean = archive.moments().mean();
        let centered = image.iter().zip(text.iter()).zip(mean.iter().zip(self.text_mean.vector()));
        let vector: Vec<f64> = centered
            .map(|((&i, &t), (&mi, &mt))| {
                self.alpha * (f64::from(t) - f64::from(mt)) + (1.0 - self.alpha) * (f64::from(i) - mi)
            })
            .collect();
        let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        if length == 0.0 {
            return Err(CoreError::ZeroRow { row: 0 });
        }
        // (x - mean) q = x q - mean q and |x - mean|^2 = |x|^2 - 2 x mean + |mean|^2, from the similarities
        // to both.
        let unit = vector.iter().map(|v| (v / length) as f32);
        let both: Vec<f32> = unit.chain(mean.iter().map(|&m| m as f32)).collect();
        let mut similarities = vec![0.0; 2 * rows];
        archive.similarities(Queries::new(archive.dim(), &both)?, &mut similarities)?;
        let (to_query, to_mean) = similarities.split_at(rows);
        let offset: f64 = mean.iter().zip(&vector).map(|(m, v)| m * v / length).sum();
        let mean_squared: f64 = mean.iter().map(|m| m * m).sum();
        for ((score, &q), &m) in scores.iter_mut().zip(to_query).zip(to_mean) {
            let squared = 1.0 - 2.0 * f64::from(m) + mean_squared;
            *score = if squared > 0.0 { ((f64::from(q) - offset) / squared.sqrt()) as f32 } else { 0.0 };
        }
        Ok(())
    }
}
