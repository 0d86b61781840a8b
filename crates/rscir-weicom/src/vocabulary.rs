use rscir_core::{Embeddings, Error as CoreError, Result as CoreResult, TextEncoder};

/// Words with their text features, row `i` for word `i`.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    words: Vec<String>,
    features: Embeddings,
}

impl Vocabulary {
    /// From words and their features `[words, dim]`.
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

    /// Encodes the words as they are.
    ///
    /// # Errors
    /// The encoder's; [`CoreError::Length`] without words.
    pub fn encode(words: Vec<String>, encoder: &dyn TextEncoder) -> CoreResult<Self> {
        let texts: Vec<&str> = words.iter().map(String::as_str).collect();
        let features = encoder.encode_texts(&texts)?;
        Self::new(words, features)
    }

    /// Number of words, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a vocabulary is never empty")]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Word `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Vocabulary::len`], as a slice does.
    pub fn word(&self, index: usize) -> &str {
        &self.words[index]
    }

    /// All words.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// All features, `[len, dim]`.
    pub fn features(&self) -> &Embeddings {
        &self.features
    }
}
