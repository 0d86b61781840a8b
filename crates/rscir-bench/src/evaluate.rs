use std::collections::HashMap;

use rayon::prelude::*;
use rscir_core::{
    Archive, ComposedQuery, Embeddings, Fusion, Method, Progress, Queries, ScoreStatistics, Silent,
    UnitVector,
};

use crate::counting::Counter;
use crate::{Error, QuerySet, Result, metrics};

/// The ranks at which precision and recall are reported (evaluate.py of the reference).
pub const CUTOFFS: [usize; 4] = [5, 10, 15, 20];

/// Query images whose similarities are held at once: at 30,400 rows 7.8 MB a list.
const IMAGE_BLOCK: usize = 64;

/// Similarities of texts that are held at once, in values: 256 MB.
const TEXT_VALUES: usize = 64 << 20;

/// The vectors of a query set.
#[derive(Debug, Clone)]
pub struct QueryVectors {
    /// One row per [`QuerySet::images`].
    pub images: Embeddings,
    /// One row per [`QuerySet::texts`].
    pub texts: Embeddings,
}

impl QueryVectors {
    /// Images from the archive that holds them, texts from `features`, whose row `i` is that of `known_texts[i]`.
    ///
    /// # Errors
    /// [`Error::MissingText`] for a text that is not among `known_texts`; [`rscir_core::Error::Length`] if the widths
    /// of archive and texts differ.
    pub fn from_archive(
        queries: &QuerySet,
        archive: &dyn Archive,
        known_texts: &[String],
        features: &Embeddings,
    ) -> Result<Self> {
        rscir_core::Error::check_length("width of the text features", archive.dim(), features.dim())?;
        let known: HashMap<&str, usize> = known_texts.iter().map(String::as_str).zip(0..).collect();
        let mut texts = Embeddings::empty(features.dim());
        for (index, text) in queries.texts.iter().enumerate() {
            let row = known.get(text.as_str()).copied().ok_or_else(|| Error::MissingText {
                text: text.clone(),
                group: queries.first_group_with_text(index).unwrap_or_default().into(),
            })?;
            texts.append(&Embeddings::normalize(features.dim(), features.row(row).to_vec())?)?;
        }
        Ok(Self { images: Self::images_of(queries, archive)?, texts })
    }

    /// The vectors of the query images, from the archive that holds them.
    ///
    /// # Errors
    /// [`Error::MissingImage`] for an image that it does not hold.
    pub fn images_of(queries: &QuerySet, archive: &dyn Archive) -> Result<Embeddings> {
        let mut values = Vec::with_capacity(queries.images.len() * archive.dim());
        for key in &queries.images {
            let row = archive.find(key).ok_or_else(|| Error::MissingImage { key: key.clone() })?;
            values.extend_from_slice(&archive.vector(row));
        }
        Ok(Embeddings::normalize(archive.dim(), values)?)
    }
}

/// How queries are evaluated.
#[derive(Clone, Copy)]
pub struct EvaluateOptions<'a> {
    /// Leave the query image out of the ranking and out of the relevant images.
    pub exclude_query: bool,
    /// Hears of the queries done.
    pub progress: &'a dyn Progress,
}

impl Default for EvaluateOptions<'_> {
    fn default() -> Self {
        Self { exclude_query: false, progress: &Silent }
    }
}

/// What one query came to under one method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueryOutcome {
    /// Average precision, a fraction of 1.
    pub average_precision: f64,
    /// Relevant images within each of [`CUTOFFS`].
    pub hits: [usize; CUTOFFS.len()],
    /// Relevant images in all.
    pub relevant: usize,
}

impl QueryOutcome {
    fn of(ranks: &[usize]) -> Self {
        Self {
            average_precision: metrics::average_precision(ranks),
            hits: CUTOFFS.map(|k| metrics::hits(ranks, k)),
            relevant: ranks.len(),
        }
    }
}

/// Outcomes of all queries under all methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Labels of the methods, in the order they were given.
    pub methods: Vec<String>,
    /// One per [`QuerySet::groups`].
    pub groups: Vec<GroupOutcome>,
}

/// Outcomes of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupOutcome {
    /// Name of the group.
    pub name: String,
    /// By query, then by method.
    pub queries: Vec<Vec<QueryOutcome>>,
}

/// Evaluates `methods` on `queries`.
///
/// Similarities of a block of query images are one matrix product, those of the texts another; normalised lists are shared
/// by all fusions that normalise alike, so a sweep over lambda costs little more than one. Ranks of the relevant images are
/// counted, not sorted for. Ties rank by row. Nothing depends on the number of threads.
///
/// # Errors
/// [`rscir_core::Error`] of the archive or a method; its `Length` if `vectors` do not fit `queries`.
pub fn evaluate(
    archive: &dyn Archive,
    queries: &QuerySet,
    vectors: &QueryVectors,
    methods: &[&dyn Method],
    options: EvaluateOptions<'_>,
) -> Result<Evaluation> {
    use rscir_core::Error as CoreError;
    CoreError::check_length("vectors of the query images", queries.images.len(), vectors.images.len())?;
    CoreError::check_length("vectors of the query texts", queries.texts.len(), vectors.texts.len())?;
    for vectors in [&vectors.images, &vectors.texts] {
        CoreError::check_length("width of the query vectors", archive.dim(), vectors.dim())?;
    }
    let engine =
        Engine { archive, queries, vectors, methods, options, normalizations: normalizations(methods) };
    let mut groups: Vec<GroupOutcome> = queries
        .groups
        .iter()
        .map(|g| GroupOutcome { name: g.name.clone(), queries: vec![Vec::new(); g.queries.len()] })
        .collect();
    options.progress.begin("evaluating", Some(queries.len() as u64));
    engine.run(&mut groups)?;
    options.progress.end();
    Ok(Evaluation { methods: methods.iter().map(|m| m.label()).collect(), groups })
}

/// The distinct normalisations of the fusions among `methods`, each by one fusion that has it.
fn normalizations<'a>(methods: &[&'a dyn Method]) -> Vec<&'a dyn Fusion> {
    let mut distinct: Vec<&dyn Fusion> = Vec::new();
    for fusion in methods.iter().filter_map(|m| m.as_fusion()) {
        if distinct.iter().all(|known| known.normalization() != fusion.normalization()) {
            distinct.push(fusion);
        }
    }
    distinct
}

struct Engine<'a> {
    archive: &'a dyn Archive,
    queries: &'a QuerySet,
    vectors: &'a QueryVectors,
    methods: &'a [&'a dyn Method],
    options: EvaluateOptions<'a>,
    normalizations: Vec<&'a dyn Fusion>,
}

/// Where a query stands: group, place in the group.
type Place = (usize, usize);

/// Normalised lists of some vectors, `[normalizations][vectors, rows]`.
struct Lists {
    rows: usize,
    values: Vec<Vec<f32>>,
}

impl Lists {
    fn list(&self, normalization: usize, vector: usize) -> &[f32] {
        &self.values[normalization][vector * self.rows..][..self.rows]
    }
}

impl Engine<'_> {
    fn run(&self, groups: &mut [GroupOutcome]) -> Result<()> {
        let texts_at_once = (TEXT_VALUES / self.archive.len().max(1)).max(1);
        for first_text in (0..self.queries.texts.len()).step_by(texts_at_once) {
            let texts = first_text..self.queries.texts.len().min(first_text + texts_at_once);
            let text_lists = self.lists(&self.vectors.texts, texts.clone())?;
            let by_image = self.places_by_image(&texts);
            let mut images: Vec<usize> = (0..by_image.len()).filter(|i| !by_image[*i].is_empty()).collect();
            images.sort_unstable();
            for block in images.chunk_by(|a, b| a / IMAGE_BLOCK == b / IMAGE_BLOCK) {
                let range = block[0]..block[block.len() - 1] + 1;
                let image_lists = self.lists(&self.vectors.images, range.clone())?;
                let places: Vec<Place> =
                    block.iter().flat_map(|image| by_image[*image].iter().copied()).collect();
                let outcomes: Vec<Vec<QueryOutcome>> = places
                    .par_iter()
                    .map_init(Scratch::default, |scratch, place| {
                        let outcome =
                            self.query(*place, &image_lists, range.start, &text_lists, texts.start, scratch);
                        self.options.progress.advance(1);
                        outcome
                    })
                    .collect::<Result<_>>()?;
                for ((group, place), outcome) in places.into_iter().zip(outcomes) {
                    groups[group].queries[place] = outcome;
                }
            }
        }
        Ok(())
    }

    /// The queries with a text in `texts`, by image.
    fn places_by_image(&self, texts: &std::ops::Range<usize>) -> Vec<Vec<Place>> {
        let mut places = vec![Vec::new(); self.queries.images.len()];
        for (g, group) in self.queries.groups.iter().enumerate() {
            for (q, query) in group.queries.iter().enumerate() {
                if texts.contains(&query.text) {
                    places[query.image].push((g, q));
                }
            }
        }
        places
    }

    /// Normalised lists of the vectors `range`.
    fn lists(&self, vectors: &Embeddings, range: std::ops::Range<usize>) -> Result<Lists> {
        let rows = self.archive.len();
        if self.normalizations.is_empty() {
            return Ok(Lists { rows, values: Vec::new() });
        }
        let dim = vectors.dim();
        let block = Queries::new(dim, &vectors.as_slice()[range.start * dim..range.end * dim])?;
        let mut similarities = vec![0.0; range.len() * rows];
        self.archive.similarities(block, &mut similarities)?;
        let statistics: Vec<ScoreStatistics> =
            similarities.par_chunks_exact(rows.max(1)).map(ScoreStatistics::of).collect();
        let values = self.normalizations.iter().map(|fusion| {
            let mut normalized = vec![0.0; similarities.len()];
            normalized
                .par_chunks_exact_mut(rows.max(1))
                .zip(similarities.par_chunks_exact(rows.max(1)))
                .zip(&statistics)
                .for_each(|((out, list), statistics)| fusion.normalize(list, statistics, out));
            normalized
        });
        Ok(Lists { rows, values: values.collect() })
    }

    /// One query under all methods.
    fn query(
        &self,
        (group, place): Place,
        images: &Lists,
        first_image: usize,
        texts: &Lists,
        first_text: usize,
        scratch: &mut Scratch,
    ) -> Result<Vec<QueryOutcome>> {
        let query = self.queries.groups[group].queries[place];
        let own_row = if self.options.exclude_query {
            self.archive.find(&self.queries.images[query.image])
        } else {
            None
        };
        let relevant = &self.queries.relevant[query.relevant];
        let without_own: Vec<usize>;
        let relevant = match own_row {
            Some(row) => {
                without_own = relevant.iter().copied().filter(|r| *r != row).collect();
                &without_own
            }
            None => relevant,
        };
        scratch.scores.resize(self.archive.len(), 0.0);
        let mut outcomes = Vec::with_capacity(self.methods.len());
        for method in self.methods {
            match method.as_fusion() {
                Some(fusion) => {
                    let known = |n: &&dyn Fusion| n.normalization() == fusion.normalization();
                    // Every fusion's normalisation is among them.
                    let n = self.normalizations.iter().position(known).unwrap_or_default();
                    let image = images.list(n, query.image - first_image);
                    let text = texts.list(n, query.text - first_text);
                    fusion.combine(image, text, &mut scratch.scores);
                }
                None => {
                    let composed = self.composed(query.image, query.text)?;
                    method.score(&composed, self.archive, &mut scratch.scores)?;
                }
            }
            if let Some(row) = own_row {
                scratch.scores[row] = f32::NEG_INFINITY;
            }
            scratch.counter.ranks(&scratch.scores, relevant, &mut scratch.ranks);
            outcomes.push(QueryOutcome::of(&scratch.ranks));
        }
        Ok(outcomes)
    }

    fn composed(&self, image: usize, text: usize) -> Result<ComposedQuery> {
        let vector = |of: &Embeddings, row| -> UnitVector { of.vector(row) };
        Ok(ComposedQuery::new(self.archive.spec().clone())
            .with_image(vector(&self.vectors.images, image))?
            .with_text(vector(&self.vectors.texts, text))?
            .with_words(&self.queries.texts[text])
            .with_image_key(&self.queries.images[image]))
    }
}

/// Room of one thread.
#[derive(Default)]
struct Scratch {
    scores: Vec<f32>,
    ranks: Vec<usize>,
    counter: Counter,
}
