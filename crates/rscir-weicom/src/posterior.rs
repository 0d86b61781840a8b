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

/// The stages of [`Posterior`]; the default is all of them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PosteriorConfig {
    /// How many tiles an image asks with.
    pub neighbors: Neighbors,
    /// The share of the vocabulary's mean that is taken off a text; 0 for none. Half-way is a compromise: where modalities lie
    /// far apart 1 is better, on the demo's tiles with several labels 0.
    pub vocabulary: f64,
    /// How much a text's `z` adds to its logarithm, so that tiles keep an order where the probability rounds to 1. Chosen with
    /// the demo in view; 0 where tiles have fewer true neighbors than `neighbors`.
    pub order: f64,
    /// The weight of texts: parts count by `2 (1 - lambda)` and `2 lambda` times their own weights.
    pub lambda: f64,
    /// Keys of tiles that define no image, although they are near to it.
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
    /// Sets how many tiles an image asks with. Default: [`Neighbors::default`].
    #[must_use]
    pub fn neighbors(mut self, neighbors: Neighbors) -> Self {
        self.neighbors = neighbors;
        self
    }

    /// Sets the share of the vocabulary's mean that is taken off a text. Default: 0.5.
    #[must_use]
    pub fn vocabulary(mut self, vocabulary: f64) -> Self {
        self.vocabulary = vocabulary;
        self
    }

    /// Sets how much a text's `z` adds to its logarithm. Default: 0.2.
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

/// The share of the logarithm of the odds that counts. The group near an image is purer than what an analyst means by it, so
/// its odds overstate.
const ODDS: f64 = 0.5;

/// Each part's similarities become the probability that a tile matches the part; a tile must match them all.
///
/// 1. An image asks with its neighborhood: the mean of the tiles nearest to it less the archive's mean. A text asks less half of
///    a vocabulary's mean, if there is [one](VocabularyMean).
/// 2. A [`Mixture`] is fitted to each list.
/// 3. The score is the sum of the logarithms of `sigma(slope (z - threshold) / 2)`, and 0.2 times a text's `z`. A part of
///    negative weight counts by the logarithm of one minus the probability.
///
/// It needs no lambda, and is the same for lists that are shifted or scaled. Where it fails, and what it was measured on, is
/// in the project's docs/methods.md. Lists of fewer than ten tiles are taken as [`Conjunction`] takes them; a list whose
/// values are all equal decides nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    config: PosteriorConfig,
    vocabulary: Option<VocabularyMean>,
}

impl Posterior {
    /// Makes the method with the stages of `config`, and the mean of a vocabulary, where there is one for the encoder. Without,
    /// texts ask as they are.
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

    /// Returns the stages.
    pub fn config(&self) -> &PosteriorConfig {
        &self.config
    }

    /// Returns the vocabulary's mean, if it is used.
    pub fn vocabulary(&self) -> Option<&VocabularyMean> {
        self.vocabulary.as_ref()
    }

    /// Returns what a tile at `z` adds to the score, under the fit of its list.
    pub fn log_evidence(&self, kind: PartKind, mixture: &Mixture, z: f64) -> f64 {
        log_sigmoid(ODDS * mixture.log_odds(z)) + self.order(kind) * z
    }

    fn order(&self, kind: PartKind) -> f64 {
        match kind {
            PartKind::Image => 0.0,
            PartKind::Text => self.config.order,
        }
    }

    /// The vectors of texts.
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
    /// All stages that need no vocabulary.
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

/// The line of the logarithm of the odds.
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
        // The statistics are those of the fixed rows as well, so that they are the same on every way.
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
            // Without deviation every z is 0.
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

/// [`ScoreStatistics::of`], to the bit, by the machine's vectors.
fn statistics(values: &[f32]) -> ScoreStatistics {
    if values.len() < 2 {
        return ScoreStatistics::of(values);
    }
    let (mean, std_dev) = rscir_kernels::mean_and_std_dev(values);
    ScoreStatistics { count: values.len(), mean, std_dev }
}
