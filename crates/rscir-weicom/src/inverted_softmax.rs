use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rscir_core::{
    Archive, ComposedQuery, Error as CoreError, Method, MethodInfo, Queries, Result as CoreResult, fixed_rows,
};

use crate::{Error, Result, Vocabulary};

/// Similarities corrected for hubs, which are rows that are near to every query: `s - ln(mean over a bank of
/// other queries of exp(beta s_bank)) / beta`, added for image and text.
///
/// This is the logarithm of the inverted softmax (S. Smith et al., *Offline bilingual word vectors,
/// orthogonal transformations and the inverted softmax*, ICLR 2017, equation 6; for retrieval S.-V. Bogolin
/// et al., *Cross Modal Retrieval with Querybank Normalization*, CVPR 2022, equation 5;
/// github.com/ioanacroi/qb-norm). The bank of texts is a vocabulary, the bank of images are tiles of the
/// archive, spread evenly. The *dynamic* form of Bogolin et al., which does not correct queries without hubs,
/// is not implemented.
pub struct InvertedSoftmax {
    beta: f64,
    vocabulary: Arc<Vocabulary>,
    hubs: Mutex<Option<Hubs>>,
}

/// What the rows of an archive have in common with the banks.
#[derive(Clone)]
struct Hubs {
    /// Number of rows and their mean, which identify the archive.
    rows: usize,
    mean: Vec<f64>,
    /// Sum of both logarithms divided by beta, for each row.
    common: Arc<Vec<f32>>,
}

/// Greatest number of queries in a bank. Hundreds are as good as thousands in figure 3 of Bogolin et al.
const BANK: usize = 512;

impl InvertedSoftmax {
    /// Inverse temperature of the authors' program.
    pub const BETA: f64 = 20.0;

    /// Makes the method with inverse temperature `beta` and a bank of texts.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if `beta` is not above 0 and at most 300. Above 300, exponentials of cosines
    /// vanish.
    pub fn new(beta: f64, vocabulary: Arc<Vocabulary>) -> Result<Self> {
        Self::check(beta).map(|()| Self { beta, vocabulary, hubs: Mutex::default() })
    }

    /// Checks that `beta` is above 0 and at most 300.
    pub(crate) fn check(beta: f64) -> Result<()> {
        if beta > 0.0 && beta <= 300.0 {
            return Ok(());
        }
        let (parameter, value) = ("beta", beta.to_string());
        Err(Error::BadParameter {
            method: "inverted-softmax",
            parameter,
            value,
            expected: "above 0, at most 300",
        })
    }

    /// Computes what each row has in common with the banks. The result for the last archive is remembered.
    fn common(&self, archive: &dyn Archive) -> CoreResult<Arc<Vec<f32>>> {
        let mean = archive.moments().mean();
        let mut known = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hubs) = known.as_ref()
            && (hubs.rows, &hubs.mean[..]) == (archive.len(), mean)
        {
            return Ok(Arc::clone(&hubs.common));
        }
        let texts = spread(self.vocabulary.len());
        let texts: Vec<f32> = texts.flat_map(|word| self.vocabulary.features().row(word).to_vec()).collect();
        let images =
            spread(archive.len()).flat_map(|row| archive.vector(row).into_owned()).collect::<Vec<_>>();
        let mut common = vec![0.0f64; archive.len()];
        for bank in [images, texts] {
            let logarithms = self.log_mean(archive, &bank)?;
            common.iter_mut().zip(logarithms).for_each(|(sum, logarithm)| *sum += logarithm / self.beta);
        }
        let common = Arc::new(common.into_iter().map(|value| value as f32).collect::<Vec<_>>());
        *known = Some(Hubs { rows: archive.len(), mean: mean.to_vec(), common: Arc::clone(&common) });
        Ok(common)
    }

    /// Computes, for each row, the logarithm of the mean of `exp(beta s)` over a bank.
    fn log_mean(&self, archive: &dyn Archive, bank: &[f32]) -> CoreResult<Vec<f64>> {
        let mut sums = vec![0.0f64; archive.len()];
        let mut scores = vec![0.0; archive.len()];
        let queries = Queries::new(archive.dim(), bank)?;
        for query in 0..queries.len() {
            archive.similarities(Queries::new(archive.dim(), queries.row(query))?, &mut scores)?;
            // Cosines are at most 1, so this exponential does not overflow.
            let exponential = |s: f32| (self.beta * (f64::from(s) - 1.0)).exp();
            sums.iter_mut().zip(&scores).for_each(|(sum, &s)| *sum += exponential(s));
        }
        let count = queries.len().max(1) as f64;
        Ok(sums.into_iter().map(|sum| (sum / count).ln() + self.beta).collect())
    }
}

/// Returns at most [`BANK`] of `count` rows, spread evenly.
fn spread(count: usize) -> impl Iterator<Item = usize> {
    let fixed = fixed_rows(count);
    let step = fixed.len().div_ceil(BANK).max(1);
    fixed.step_by(step)
}

impl fmt::Debug for InvertedSoftmax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvertedSoftmax")
            .field("beta", &self.beta)
            .field("vocabulary", &self.vocabulary.len())
            .finish_non_exhaustive()
    }
}

impl Method for InvertedSoftmax {
    fn info(&self) -> MethodInfo {
        let info = MethodInfo::new("inverted-softmax").parameter("beta", self.beta);
        if self.beta == Self::BETA {
            return info;
        }
        info.labeled(format!("inverted-softmax(beta={:?})", self.beta))
    }

    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> CoreResult<()> {
        let rows = archive.len();
        CoreError::check_length("scores (one per archive row)", rows, scores.len())?;
        CoreError::check_length("width of the vocabulary", archive.dim(), self.vocabulary.features().dim())?;
        archive.spec().check(query.spec())?;
        let label = self.label();
        let vectors = [&**query.require_image(&label)?, &**query.require_text(&label)?].concat();
        let mut similarities = vec![0.0; 2 * rows];
        archive.similarities(Queries::new(archive.dim(), &vectors)?, &mut similarities)?;
        let (image, text) = similarities.split_at(rows);
        let common = self.common(archive)?;
        for (((score, i), t), common) in scores.iter_mut().zip(image).zip(text).zip(common.iter()) {
            *score = i + t - common;
        }
        Ok(())
    }
}
