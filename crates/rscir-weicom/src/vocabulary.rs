use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

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

/// Distinct texts remembered before all are forgotten: at 768 wide about 50 MB.
const REMEMBERED: usize = 16_384;

/// Encodes texts and remembers them: methods that write prompts ask for the same ones again and again.
pub(crate) struct PromptMemory {
    encoder: Arc<dyn TextEncoder>,
    known: Mutex<HashMap<String, Arc<[f32]>>>,
}

impl PromptMemory {
    pub(crate) fn new(encoder: Arc<dyn TextEncoder>) -> Self {
        Self { encoder, known: Mutex::default() }
    }

    pub(crate) fn encoder(&self) -> &dyn TextEncoder {
        &*self.encoder
    }

    /// The unit features of `prompts`, in order.
    pub(crate) fn encode(&self, prompts: &[String]) -> CoreResult<Vec<Arc<[f32]>>> {
        // The map is only ever whole, so a poisoned lock is as good as another.
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing: Vec<&str> = {
            let known = lock();
            prompts.iter().map(String::as_str).filter(|p| !known.contains_key(*p)).collect()
        };
        missing.sort_unstable();
        missing.dedup();
        let fresh = if missing.is_empty() { None } else { Some(self.encoder.encode_texts(&missing)?) };
        let mut known = lock();
        if known.len() + missing.len() > REMEMBERED {
            known.retain(|text, _| prompts.contains(text));
        }
        for (row, text) in fresh.iter().flat_map(|e| e.rows()).zip(&missing) {
            known.insert((*text).to_string(), row.into());
        }
        prompts
            .iter()
            .map(|p| {
                let found = known.get(p).cloned();
                // Another thread may have made room in between; that is rare and one text costs little.
                found.map_or_else(|| Ok(self.encoder.encode_texts(&[p.as_str()])?.row(0).into()), Ok)
            })
            .collect()
    }
}
