use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rscir_core::{Result as CoreResult, TextEncoder};

/// Number of distinct texts that are remembered before all are forgotten: at 768 wide about 50 MB.
const REMEMBERED: usize = 16_384;

/// Encodes texts and remembers their features, because methods write the same prompts again and again.
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

    /// Returns the unit features of `prompts`, in order.
    pub(crate) fn encode(&self, prompts: &[String]) -> CoreResult<Vec<Arc<[f32]>>> {
        // The map is complete at all times, so a poisoned lock can be used.
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
                // Another thread may have forgotten all texts in between. That is rare, and one text costs
                // little.
                found.map_or_else(|| Ok(self.encoder.encode_texts(&[p.as_str()])?.row(0).into()), Ok)
            })
            .collect()
    }
}
