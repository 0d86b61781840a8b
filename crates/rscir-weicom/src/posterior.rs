use std::hash::{DefaultHasher, Hash, Hasher};

use rscir_core::{
    Archive, AskedPart, Evidence, Fallback, Fit, ListSample, MethodInfo, Modality, NormalizationKey,
    ParameterValue, Part, PartKind, Result as CoreResult, ScoreStatistics,
};
use rscir_kernels::{Affine, log_sigmoid_of_scores};

use crate::conjunction::{check_lambda, log_sigmoid, modality_of};
use crate::evidence::{asked, at, evidence_method, line, shared_weights, sigmoid};
use crate::neighborhood::{Neighborhood, Neighbors, ask};
use crate::{Conjunction, Error, Mixture, Result, VocabularyMean};

/// The stages of [`Posterior`]. Default: all of them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PosteriorConfig {
    /// Number of tiles that define an image.
    pub neighbors: Neighbors,
    /// Share of the vocabulary's mean that is subtracted from a text, from 0 to 1. 0.5 is a compromise: 1 is
    /// better where the modalities lie far apart, 0 on those of the demo's tiles that have several labels.
    pub vocabulary: f64,
    /// Factor of a text's `z` that is added to its logarithm, from 0 to 1, so that tiles keep an order where
    /// the probability rounds to 1. The default was chosen in view of the demo. 0 is right where tiles have
    /// fewer true neighbors than `neighbors`.
    pub order: f64,
    /// Weight of texts: parts count by `2 (1 - lambda)` and `2 lambda` times their own weights.
    pub lambda: f64,
    /// Keys of tiles that define no image, even if they are near to it.
    pub leave_out: Vec<String>,
}

impl Default for PosteriorConfig {
    fn default() -> Self {
        Self {
            neighbors: Neighbors::default(),
            vocabulary: 0.5,
            order: 0.2,
            lambda: 0.5,
            leave_out: Vec::new(),
        }
    }
}

impl PosteriorConfig {
    /// Sets the number of tiles that define an image. Default: [`Neighbors::default`].
    #[must_use]
    pub fn neighbors(mut self, neighbors: Neighbors) -> Self {
        self.neighbors = neighbors;
        self
    }

    /// Sets the share of the vocabulary's mean that is subtracted from a text. Default: 0.5.
    #[must_use]
    pub fn vocabulary(mut self, vocabulary: f64) -> Self {
        self.vocabulary = vocabulary;
        self
    }

    /// Sets the factor of a text's `z` that is added to its logarithm. Default: 0.2.
    #[must_use]
    pub fn order(mut self, order: f64) -> Self {
        self.order = order;
        self
    }

    /// Sets the weight of texts. Default: 0.5.
    #[must_use]
    pub fn lambda(mut self, lambda: f64) -> Self {
        self.lambda = lambda;
        self
    }

    /// Sets the keys of tiles that define no image. Default: none.
    #[must_use]
    pub fn leave_out(mut self, leave_out: Vec<String>) -> Self {
        self.leave_out = leave_out;
        self
    }
}

/// Factor of the log odds. The group near an image is purer than what an analyst means by the image, so its
/// odds are too extreme.
const ODDS: f64 = 0.5;

/// A conjunction of probabilities: each part's similarities become the probability that a tile matches the
/// part, and a tile must match all parts.
///
/// 1. The vector of an image is that of its neighborhood: the mean of the nearest tiles less the archive's
///    mean. Half of a vocabulary's mean is subtracted from the vector of a text, if there is
///    [one](VocabularyMean).
/// 2. A [`Mixture`] is fitted to each list.
/// 3. The score is the sum of the logarithms of `sigma(slope (z - threshold) / 2)`, plus 0.2 times a text's
///    `z`. A part of negative weight counts by the logarithm of one minus the probability.
///
/// The method needs no lambda and gives the same result for lists that are shifted or scaled. The project's
/// docs/methods.md says where it fails and what it was measured on. Lists of fewer than ten tiles are treated
/// as by [`Conjunction`]. A list whose values are all equal decides nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    config: PosteriorConfig,
    vocabulary: Option<VocabularyMean>,
}

impl Posterior {
    /// Makes the method with the stages of `config` and the mean of a vocabulary under the encoder. `None`
    /// leaves texts as they are.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if a number is out of its range.
    pub fn new(config: PosteriorConfig, vocabulary: Option<VocabularyMean>) -> Result<Self> {
        check_lambda("posterior", config.lambda)?;
        let in_range = |parameter, value: f64| {
            if (0.0..=1.0).contains(&value) {
                return Ok(());
            }
            let value = value.to_string();
            Err(Error::BadParameter { method: "posterior", parameter, value, expected: "between 0 and 1" })
        };
        in_range("vocabulary", config.vocabulary)?;
        in_range("order", config.order)?;
        let vocabulary = vocabulary.filter(|_| config.vocabulary > 0.0);
        Ok(Self { config, vocabulary })
    }

    /// Returns the stages of the method.
    pub fn config(&self) -> &PosteriorConfig {
        &self.config
    }

    /// Returns the mean of the vocabulary, or `None` if it is not used.
    pub fn vocabulary(&self) -> Option<&VocabularyMean> {
        self.vocabulary.as_ref()
    }

    /// Returns what a tile at `z` adds to the score for a part whose list has this fit.
    pub fn log_evidence(&self, kind: PartKind, mixture: &Mixture, z: f64) -> f64 {
        log_sigmoid(ODDS * mixture.log_odds(z)) + self.order(kind) * z
    }

    fn order(&self, kind: PartKind) -> f64 {
        match kind {
            PartKind::Image => 0.0,
            PartKind::Text => self.config.order,
        }
    }

    /// Makes the vector of a text.
    fn text(&self, part: &Part<'_>) -> CoreResult<AskedPart> {
        let mut vector = part.vector.to_vec();
        if let Some(vocabulary) = &self.vocabulary {
            let mean = vocabulary.vector();
            rscir_core::Error::check_length("width of the vocabulary's mean", vector.len(), mean.len())?;
            for (value, mean) in vector.iter_mut().zip(mean) {
                *value = (f64::from(*value) - self.config.vocabulary * f64::from(*mean)) as f32;
            }
        }
        Ok(asked(part, vector, Vec::new()))
    }
}

impl Default for Posterior {
    /// Enables all stages that need no vocabulary.
    fn default() -> Self {
        Self { config: PosteriorConfig::default(), vocabulary: None }
    }
}

evidence_method!(Posterior, |m| {
    let (c, default) = (&m.config, PosteriorConfig::default());
    let share = if m.vocabulary.is_some() { c.vocabulary } else { 0.0 };
    let off = |share: f64| if share > 0.0 { format!("{share:?}") } else { "off".into() };
    let mut changed = Vec::new();
    if c.neighbors != default.neighbors {
        changed.push(format!("k={}", c.neighbors));
    }
    if share != default.vocabulary {
        changed.push(format!("vocabulary={}", off(share)));
    }
    if c.order != default.order {
        changed.push(format!("order={:?}", c.order));
    }
    if c.lambda != default.lambda {
        changed.push(format!("lambda={:?}", c.lambda));
    }
    let info = MethodInfo::new("posterior")
        .parameter("k", c.neighbors.parameter())
        .parameter("vocabulary", if share > 0.0 { share.into() } else { ParameterValue::Switch(false) })
        .parameter("order", c.order)
        .parameter("lambda", c.lambda);
    if changed.is_empty() { info } else { info.labeled(format!("posterior({})", changed.join(","))) }
});

/// Returns the log odds of a match as a line in the similarity.
fn odds(part: &AskedPart, fit: &Fit) -> Affine {
    let threshold = fit.threshold.unwrap_or(Conjunction::THRESHOLD);
    line(part, fit, fit.slope.unwrap_or(Conjunction::SLOPE / ODDS), threshold)
}

impl Evidence for Posterior {
    fn modality(&self) -> Modality {
        modality_of(self.config.lambda)
    }

    fn evidence_key(&self) -> NormalizationKey {
        let mut others = DefaultHasher::new();
        self.vocabulary.as_ref().map(VocabularyMean::bits).hash(&mut others);
        self.config.leave_out.hash(&mut others);
        NormalizationKey::of::<Self>()
            .with(self.config.neighbors.key())
            .with(self.config.vocabulary)
            .with(self.config.order)
            .with(f64::from_bits(others.finish()))
    }

    fn ask(&self, parts: &[Part<'_>], archive: &dyn Archive) -> CoreResult<Vec<AskedPart>> {
        let neighborhood = Neighborhood::new(archive, self.config.neighbors, &self.config.leave_out);
        ask(parts, &neighborhood, |part| self.text(part))
    }

    fn reads_rows(&self) -> bool {
        true
    }

    fn fit(&self, part: &AskedPart, list: ListSample<'_>) -> Fit {
        let turned: Vec<f32>;
        let values = if part.against {
            turned = list.values.iter().map(|value| -value).collect();
            &turned
        } else {
            list.values
        };
        // The statistics, too, are those of the fixed rows, so that every way of searching has the same.
        let statistics = statistics(values);
        let mut fit = Fit::new(statistics);
        match Mixture::standardized(values, &statistics) {
            Ok(mixture) => {
                fit.slope = Some(mixture.slope);
                fit.threshold = Some(mixture.threshold);
                fit.share = Some(mixture.share);
            }
            Err(reason) => fit.fallback = Some(reason),
        }
        if fit.fallback == Some(Fallback::NotFinite) {
            // Without a standard deviation every z is 0.
            fit.statistics = ScoreStatistics { count: values.len(), ..ScoreStatistics::default() };
        }
        fit
    }

    fn evidence(&self, part: &AskedPart, fit: &Fit, similarities: &[f32], evidence: &mut [f32]) {
        let odds = odds(part, fit);
        let odds = Affine { at_zero: ODDS * odds.at_zero, slope: ODDS * odds.slope };
        log_sigmoid_of_scores(similarities, odds, line(part, fit, self.order(part.kind), 0.0), evidence);
    }

    fn weights(&self, parts: &[AskedPart], _fits: &[Fit]) -> Vec<f32> {
        shared_weights(parts, self.config.lambda)
    }

    fn probability(&self, part: &AskedPart, fit: &Fit, similarity: f32) -> f32 {
        sigmoid(at(odds(part, fit), similarity))
    }
}

/// Computes [`ScoreStatistics::of`], to the bit, by vector instructions.
fn statistics(values: &[f32]) -> ScoreStatistics {
    if values.len() < 2 {
        return ScoreStatistics::of(values);
    }
    let (mean, std_dev) = rscir_kernels::mean_and_std_dev(values);
    ScoreStatistics { count: values.len(), mean, std_dev }
}
