use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rscir_core::{
    Archive, ComposedQuery, Composition, Error as CoreError, Kind, Method, MethodInfo, Result as CoreResult,
    TextEncoder, score_composition,
};

use crate::prompts::PromptMemory;

/// Composition by captions made elsewhere: a captioner and a language model describe the wanted image, and
/// the description is the query (CIReVL: Karthik et al., *Vision-by-Language for Training-Free Compositional
/// Image Retrieval*, ICLR 2024).
pub struct ExternalCaptions {
    captions: HashMap<(String, String), String>,
    prompts: PromptMemory,
}

impl ExternalCaptions {
    /// Makes the method with one caption for each pair of the key of a query image and the words of a query.
    pub fn new(captions: HashMap<(String, String), String>, encoder: Arc<dyn TextEncoder>) -> Self {
        Self { captions, prompts: PromptMemory::new(encoder) }
    }
}

impl fmt::Debug for ExternalCaptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalCaptions").field("captions", &self.captions.len()).finish_non_exhaustive()
    }
}

impl Method for ExternalCaptions {
    fn info(&self) -> MethodInfo {
        MethodInfo::new("captions")
    }

    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> CoreResult<()> {
        score_composition(self, query, archive, scores)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Composition(self)
    }
}

impl Composition for ExternalCaptions {
    fn compose(&self, query: &ComposedQuery, archive: &dyn Archive) -> CoreResult<Vec<f32>> {
        archive.spec().check(query.spec())?;
        archive.spec().check(self.prompts.encoder().spec())?;
        let label = self.label();
        let missing = |part| CoreError::MissingPart { method: label.clone(), part };
        let key = query.image_key().ok_or_else(|| missing("image key"))?;
        let words = query.require_words(&label)?;
        let caption = self
            .captions
            .get(&(key.to_string(), words.to_string()))
            .ok_or_else(|| missing("caption (none was given for this image and text)"))?;
        let features = self.prompts.encode(std::slice::from_ref(caption))?;
        Ok(features[0].to_vec())
    }
}
