use std::fmt;
use std::sync::Arc;

use rscir_core::{
    Archive, ComposedQuery, Composition, Kind, Method, MethodInfo, Result as CoreResult, TextEncoder,
    score_composition, top_k,
};

use crate::prompts::PromptMemory;
use crate::{Error, Result, Vocabulary};

/// The constants of FreeDom. Default: those of the authors (run_retrieval.py of NikosEfth/freedom).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FreeDomConfig {
    /// Number of images that vote, which are the nearest of the archive (the authors' kappa).
    pub neighbors: usize,
    /// Number of words that each image votes for (the authors' ni).
    pub words_per_image: usize,
    /// Number of words that enter the query (the authors' mu).
    pub words: usize,
    /// Similarity from which the nearest neighbor is taken for the query image itself. If the nearest
    /// neighbor is less similar, the query image is not in the archive and votes, too.
    pub same_image: f32,
}

impl Default for FreeDomConfig {
    fn default() -> Self {
        Self { neighbors: 20, words_per_image: 7, words: 7, same_image: 0.98 }
    }
}

impl FreeDomConfig {
    /// Sets the number of images that vote. Default: 20.
    #[must_use]
    pub fn neighbors(mut self, neighbors: usize) -> Self {
        self.neighbors = neighbors;
        self
    }

    /// Sets the number of words that each image votes for. Default: 7.
    #[must_use]
    pub fn words_per_image(mut self, words_per_image: usize) -> Self {
        self.words_per_image = words_per_image;
        self
    }

    /// Sets the number of words that enter the query. Default: 7.
    #[must_use]
    pub fn words(mut self, words: usize) -> Self {
        self.words = words;
        self
    }

    /// Sets the similarity from which the nearest neighbor is taken for the query image itself. Default:
    /// 0.98.
    #[must_use]
    pub fn same_image(mut self, same_image: f32) -> Self {
        self.same_image = same_image;
        self
    }
}

/// FreeDom: the votes of an image's neighbors turn it into words, which are composed with the text
/// (Efthymiadis et al., *Composed Image Retrieval for Training-Free Domain Conversion*, WACV 2025).
///
/// The query vector is the sum, over the words with most votes, of `votes / most votes` times the text
/// feature of `"<word> <text>"`. The authors add the image itself to the voters if *any* query of a batch has
/// no copy of itself in the archive. Here this is decided for each query, so that its result does not depend
/// on other queries.
pub struct FreeDom {
    config: FreeDomConfig,
    vocabulary: Arc<Vocabulary>,
    prompts: PromptMemory,
}

impl FreeDom {
    /// Makes the method with the paper's constants.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if the vocabulary's features are not as wide as the encoder's.
    pub fn new(vocabulary: Arc<Vocabulary>, encoder: Arc<dyn TextEncoder>) -> Result<Self> {
        Self::with_config(FreeDomConfig::default(), vocabulary, encoder)
    }

    /// Makes the method with other constants.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if a count is 0 or the vocabulary's features are not as wide as the encoder's.
    pub fn with_config(
        config: FreeDomConfig,
        vocabulary: Arc<Vocabulary>,
        encoder: Arc<dyn TextEncoder>,
    ) -> Result<Self> {
        let bad = |parameter, value: usize, expected| {
            Err(Error::BadParameter { method: "freedom", parameter, value: value.to_string(), expected })
        };
        for (parameter, value) in [
            ("neighbors", config.neighbors),
            ("words_per_image", config.words_per_image),
            ("words", config.words),
        ] {
            if value == 0 {
                return bad(parameter, value, "at least 1");
            }
        }
        if vocabulary.features().dim() != encoder.spec().dim {
            return bad("vocabulary", vocabulary.features().dim(), "as wide as the encoder's features");
        }
        Ok(Self { config, vocabulary, prompts: PromptMemory::new(encoder) })
    }

    /// Returns the words that the images vote for with their numbers of votes, most votes first. Equal votes
    /// are in the order of the first vote.
    fn vote(&self, voters: &[Vec<f32>]) -> CoreResult<Vec<(usize, usize)>> {
        let features = self.vocabulary.features();
        let mut votes: Vec<(usize, usize)> = Vec::new();
        let mut similarities = vec![0.0; self.vocabulary.len()];
        for voter in voters {
            for (s, word) in similarities.iter_mut().zip(features.rows()) {
                *s = rscir_kernels::dot(voter, word);
            }
            for scored in top_k(&similarities, self.config.words_per_image) {
                match votes.iter_mut().find(|(word, _)| *word == scored.row) {
                    Some((_, count)) => *count += 1,
                    None => votes.push((scored.row, 1)),
                }
            }
        }
        votes.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        votes.truncate(self.config.words);
        Ok(votes)
    }
}

impl fmt::Debug for FreeDom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreeDom")
            .field("config", &self.config)
            .field("vocabulary", &self.vocabulary.len())
            .finish_non_exhaustive()
    }
}

impl Method for FreeDom {
    fn info(&self) -> MethodInfo {
        let c = &self.config;
        let info = MethodInfo::new("freedom")
            .parameter("kappa", c.neighbors)
            .parameter("ni", c.words_per_image)
            .parameter("mu", c.words)
            .parameter("same_image", f64::from(c.same_image));
        if self.config == FreeDomConfig::default() {
            return info;
        }
        info.labeled(format!("freedom(kappa={},ni={},mu={})", c.neighbors, c.words_per_image, c.words))
    }

    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> CoreResult<()> {
        score_composition(self, query, archive, scores)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Composition(self)
    }
}

impl Composition for FreeDom {
    fn compose(&self, query: &ComposedQuery, archive: &dyn Archive) -> CoreResult<Vec<f32>> {
        archive.spec().check(query.spec())?;
        archive.spec().check(self.prompts.encoder().spec())?;
        let label = self.label();
        let image = query.require_image(&label)?;
        let words = query.require_words(&label)?;
        let mut similarities = vec![0.0; archive.len()];
        archive.similarities(image.queries(), &mut similarities)?;
        let nearest = top_k(&similarities, self.config.neighbors);
        let mut voters: Vec<Vec<f32>> = Vec::with_capacity(nearest.len() + 1);
        if nearest.first().is_none_or(|best| best.score < self.config.same_image) {
            voters.push(image.to_vec());
        }
        voters.extend(nearest.iter().map(|n| archive.vector(n.row).into_owned()));
        voters.truncate(self.config.neighbors);

        let votes = self.vote(&voters)?;
        let prompts: Vec<String> =
            votes.iter().map(|&(word, _)| format!("{} {words}", self.vocabulary.word(word))).collect();
        let most = votes.first().map_or(1, |&(_, count)| count) as f32;
        let mut composed = vec![0.0f32; archive.dim()];
        for (feature, &(_, count)) in self.prompts.encode(&prompts)?.iter().zip(&votes) {
            let weight = count as f32 / most;
            for (c, f) in composed.iter_mut().zip(feature.iter()) {
                *c += weight * f;
            }
        }
        Ok(composed)
    }
}
