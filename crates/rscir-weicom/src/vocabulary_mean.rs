use rscir_core::{EncoderSpec, Error as CoreError, Result as CoreResult};

use crate::Vocabulary;

/// The mean text feature of a generic vocabulary under one encoder, which is what all texts have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct VocabularyMean {
    spec: EncoderSpec,
    words: usize,
    vector: Vec<f32>,
}

impl VocabularyMean {
    /// Computes the mean of a vocabulary. `spec` is the record of the encoder that encoded it.
    ///
    /// # Errors
    /// [`CoreError::Length`] if the width of the vocabulary is not the spec's.
    pub fn of(vocabulary: &Vocabulary, spec: EncoderSpec) -> CoreResult<Self> {
        let features = vocabulary.features();
        let mut sum = vec![0.0f64; features.dim()];
        for row in features.rows() {
            sum.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        let n = features.len() as f64;
        Self::new(spec, vocabulary.len(), sum.into_iter().map(|sum| (sum / n) as f32).collect())
    }

    /// Makes a mean from stored values. `words` is the number of words.
    ///
    /// # Errors
    /// [`CoreError::Length`] if the vector is not as wide as `spec` says; [`CoreError::NonFinite`] if it
    /// holds NaN or an infinity.
    pub fn new(spec: EncoderSpec, words: usize, vector: Vec<f32>) -> CoreResult<Self> {
        CoreError::check_length("width of the vocabulary's mean", spec.dim, vector.len())?;
        if let Some(column) = vector.iter().position(|value| !value.is_finite()) {
            return Err(CoreError::NonFinite { row: 0, column, value: vector[column] });
        }
        Ok(Self { spec, words, vector })
    }

    /// Returns the record of the encoder of the words.
    pub fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    /// Returns the number of words in the mean.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Returns the mean, `[dim]`.
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// Returns the bits of the numbers, for comparison.
    pub(crate) fn bits(&self) -> Vec<u32> {
        self.vector.iter().map(|value| value.to_bits()).collect()
    }
}
