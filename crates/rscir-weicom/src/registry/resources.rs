use std::fmt;
use std::sync::Arc;

use rscir_core::{Embeddings, TextEncoder};

use crate::{Vocabulary, VocabularyMean};

/// What some methods need beside the archive. The default is empty, which is enough for all fusions and
/// [`Slerp`](crate::Slerp).
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Resources {
    /// Encoder of the prompts that a method writes.
    pub encoder: Option<Arc<dyn TextEncoder>>,
    /// Mean text feature of a vocabulary, for [`GrClip`](crate::GrClip), and for
    /// [`Posterior`](crate::Posterior), which can do without it.
    pub vocabulary_mean: Option<VocabularyMean>,
    /// Words into which [`FreeDom`](crate::FreeDom) turns images, and by which
    /// [`InvertedSoftmax`](crate::InvertedSoftmax) finds hubs.
    pub vocabulary: Option<Arc<Vocabulary>>,
    /// Words for the content of images, for [`Basic`](crate::Basic).
    pub subjects: Option<Arc<Vocabulary>>,
    /// Words for the style of images, for [`Basic`](crate::Basic).
    pub styles: Option<Arc<Vocabulary>>,
    /// Mean image feature: see [`BasicResources::image_mean`](crate::BasicResources::image_mean).
    pub image_mean: Option<Vec<f32>>,
    /// Image and text features that normalize: see
    /// [`BasicResources::reference_set`](crate::BasicResources::reference_set).
    pub reference_set: Option<(Embeddings, Embeddings)>,
}

impl Resources {
    /// Sets the encoder of the prompts that a method writes. Default: none.
    #[must_use]
    pub fn encoder(mut self, encoder: Arc<dyn TextEncoder>) -> Self {
        self.encoder = Some(encoder);
        self
    }

    /// Sets the mean text feature of a vocabulary, for [`Posterior`](crate::Posterior) and
    /// [`GrClip`](crate::GrClip). Default: none.
    #[must_use]
    pub fn vocabulary_mean(mut self, vocabulary_mean: VocabularyMean) -> Self {
        self.vocabulary_mean = Some(vocabulary_mean);
        self
    }

    /// Sets the words into which [`FreeDom`](crate::FreeDom) turns images, and by which
    /// [`InvertedSoftmax`](crate::InvertedSoftmax) finds hubs. Default: none.
    #[must_use]
    pub fn vocabulary(mut self, vocabulary: Arc<Vocabulary>) -> Self {
        self.vocabulary = Some(vocabulary);
        self
    }

    /// Sets the words for the content of images, for [`Basic`](crate::Basic). Default: none.
    #[must_use]
    pub fn subjects(mut self, subjects: Arc<Vocabulary>) -> Self {
        self.subjects = Some(subjects);
        self
    }

    /// Sets the words for the style of images, for [`Basic`](crate::Basic). Default: none.
    #[must_use]
    pub fn styles(mut self, styles: Arc<Vocabulary>) -> Self {
        self.styles = Some(styles);
        self
    }

    /// Sets the mean image feature: see [`BasicResources::image_mean`](crate::BasicResources::image_mean).
    /// Default: none.
    #[must_use]
    pub fn image_mean(mut self, image_mean: Vec<f32>) -> Self {
        self.image_mean = Some(image_mean);
        self
    }

    /// Sets the image and text features that normalize: see
    /// [`BasicResources::reference_set`](crate::BasicResources::reference_set). Default: none.
    #[must_use]
    pub fn reference_set(mut self, images: Embeddings, texts: Embeddings) -> Self {
        self.reference_set = Some((images, texts));
        self
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |list: &Option<Arc<Vocabulary>>| list.as_ref().map(|list| list.len());
        f.debug_struct("Resources")
            .field("encoder", &self.encoder.as_ref().map(|encoder| encoder.spec()))
            .field("vocabulary_mean", &self.vocabulary_mean.as_ref().map(VocabularyMean::words))
            .field("vocabulary", &words(&self.vocabulary))
            .field("subjects", &words(&self.subjects))
            .field("styles", &words(&self.styles))
            .field("image_mean", &self.image_mean.is_some())
            .field("reference_set", &self.reference_set.is_some())
            .finish()
    }
}
