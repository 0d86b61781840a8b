use rscir_core::{Embeddings, Error as CoreError, Result as CoreResult, TextEncoder};

/// Words with their text features. Row `i` belongs to word `i`.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    words: Vec<String>,
    features: Embeddings,
}

impl Vocabulary {
    /// Makes a vocabulary of words and their features `[words, dim]`.
    ///
    /// # Errors
    /// [`CoreError::Length`] if the counts differ or there is no word.
    pub fn new(words: Vec<String>, features: Embeddings) -> CoreResult<Self> {
        CoreError::check_length(
            "features of the vocabulary (one per word)",
            words.len().max(1),
            features.len(),
        )?;
        Ok(Self { words, features })
    }

    /// Makes a vocabulary of words, each encoded as it is.
    ///
    /// # Errors
    /// The errors of the encoder; [`CoreError::Length`] if there is no word.
    pub fn encode(words: Vec<String>, encoder: &dyn TextEncoder) -> CoreResult<Self> {
        let texts: Vec<&str> = words.iter().map(String::as_str).collect();
        let features = encoder.encode_texts(&texts)?;
        Self::new(words, features)
    }

    /// Returns the number of words, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a vocabulary is never empty")]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Returns word `index`.
    ///
    /// # Panics
    /// Panics if `index` is not below [`Vocabulary::len`].
    pub fn word(&self, index: usize) -> &str {
        &self.words[index]
    }

    /// Returns all words.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Returns all features, `[len, dim]`.
    pub fn features(&self) -> &Embeddings {
        &self.features
    }
}
