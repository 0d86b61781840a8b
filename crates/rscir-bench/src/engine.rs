//! Evaluates a query set in one pass over an archive, block by block.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;
use rscir_core::{
    Archive, ComposedQuery, Composition, Embeddings, Evidence, Fusion, Kind, Method, NormalizationKey, Part,
    PartKind, Queries, ScoreStatistics, TopK,
};

use crate::evidence::{AskedLists, EvidenceScores, Learned};
use crate::ranks::{Counter, Scores};
use crate::{Error, EvaluateOptions, Query, QueryOutcome, QuerySet, QueryVectors, Result};

/// Number of similarities of query images, or of composed queries, that are held at once: 48 MB. Blocks must
/// be so large that the archive is read from memory few times: 384 images at 30,400 rows.
const IMAGE_VALUES: usize = 12 << 20;

/// A block of more images is a multiple of this number, so that the product does not walk the archive for a
/// few remaining images.
const IMAGES_TOGETHER: usize = 128;

/// Least number of query images in a block, so that several threads have work.
const MIN_IMAGES: usize = 8;

/// Number of values of normalized text lists that are held at once: 256 MB.
const TEXT_VALUES: usize = 64 << 20;

/// One pass of the queries of some groups over one archive.
pub(crate) struct Engine<'a> {
    archive: &'a dyn Archive,
    queries: &'a QuerySet,
    vectors: &'a QueryVectors,
    plans: Vec<Plan<'a>>,
    options: EvaluateOptions<'a>,
    /// The distinct normalizations of the fusions among the methods. Each is represented by one fusion that
    /// has it.
    normalizations: Vec<&'a dyn Fusion>,
    /// The distinct kinds of evidence among the methods. Each is represented by one method that has it.
    evidence: Vec<&'a dyn Evidence>,
}

/// How a method is evaluated.
#[derive(Clone, Copy)]
enum Plan<'a> {
    /// By the lists of a normalization, with the index of the normalization in the engine.
    Fusion(&'a dyn Fusion, usize),
    /// By the lists of a kind of evidence, with the index of the kind in the engine.
    Evidence(&'a dyn Evidence, usize),
    /// By the method's vector.
    Composition(&'a dyn Composition),
    /// By the method's own scores.
    Scorer(&'a dyn Method),
}

/// A query to evaluate, and the place of its outcomes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) query: Query,
    /// Relevant rows in the engine's archive.
    pub(crate) relevant: &'a [usize],
    pub(crate) group: usize,
    pub(crate) place: usize,
}

/// Normalized lists of consecutive texts, `[normalizations][texts, rows]`.
struct TextLists {
    /// What was learned from the lists of the texts, with their evidence: `[evidence][texts]`.
    evidence: Vec<Vec<(Learned, Vec<f32>)>>,
    /// Index of the first text.
    first: usize,
    rows: usize,
    values: Vec<Vec<f32>>,
}

impl TextLists {
    /// Returns the evidence of `text`, which must be one of these texts.
    fn evidence(&self, kind: usize, text: usize) -> (&Learned, &[f32]) {
        match self.evidence[kind].get(text - self.first) {
            Some((learned, list)) => (learned, list),
            None => (&None, &[]),
        }
    }

    /// Returns the list of `text`, which must be one of these texts.
    fn list(&self, normalization: usize, text: usize) -> &[f32] {
        &self.values[normalization][(text - self.first) * self.rows..][..self.rows]
    }
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    /// The list of the query image under each normalization.
    lists: Vec<Vec<f32>>,
    /// What was learned from the list of the query image, with its evidence, under each kind of evidence.
    evidence: Vec<(Learned, Vec<f32>)>,
    scores: Vec<f32>,
    gathered: [Vec<f32>; 2],
    ranking: Ranking,
}

/// Buffers for the ranking of one query.
#[derive(Default)]
struct Ranking {
    relevant: Vec<usize>,
    ranked: Vec<(usize, usize)>,
    ranks: Vec<usize>,
    counter: Counter,
}

impl Ranking {
    /// Sets the relevant rows of a query, and adds the row `own`. It is ranked with the others so that it can
    /// be removed from their ranks.
    fn take(&mut self, relevant: &[usize], own: Option<usize>) {
        self.relevant.clear();
        self.relevant.extend_from_slice(relevant);
        self.relevant.extend(own.filter(|own| !relevant.contains(own)));
    }
}

impl<'a> Engine<'a> {
    pub(crate) fn new(
        archive: &'a dyn Archive,
        queries: &'a QuerySet,
        vectors: &'a QueryVectors,
        methods: &'a [&'a dyn Method],
        options: EvaluateOptions<'a>,
    ) -> Self {
        let mut normalizations: Vec<&dyn Fusion> = Vec::new();
        let mut evidence: Vec<&dyn Evidence> = Vec::new();
        let mut keys: Vec<NormalizationKey> = Vec::new();
        let plans = methods.iter().map(|method| match method.kind() {
            Kind::Fusion(fusion) => {
                let key = fusion.normalization();
                let lists = keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                    keys.push(key);
                    normalizations.push(fusion);
                    keys.len() - 1
                });
                Plan::Fusion(fusion, lists)
            }
            Kind::Evidence(method) => {
                let same = |known: &&dyn Evidence| {
                    (known.evidence_key(), known.modality()) == (method.evidence_key(), method.modality())
                };
                let kind = evidence.iter().position(same).unwrap_or_else(|| {
                    evidence.push(method);
                    evidence.len() - 1
                });
                Plan::Evidence(method, kind)
            }
            Kind::Composition(composition) => Plan::Composition(composition),
            Kind::Scorer => Plan::Scorer(*method),
        });
        let plans = plans.collect();
        Self { archive, queries, vectors, plans, options, normalizations, evidence }
    }

    /// Evaluates `jobs` and passes each on with its outcomes, one for each method.
    pub(crate) fn run(
        &self,
        mut jobs: Vec<Job<'_>>,
        mut done: impl FnMut(Job<'_>, Vec<QueryOutcome>),
    ) -> Result<()> {
        let rows = self.archive.len();
        let lists = (self.normalizations.len() + self.evidence.len()).max(1);
        let texts_at_once = (TEXT_VALUES / rows.max(1) / lists).max(1);
        let images_at_once = match IMAGE_VALUES / rows.max(1) {
            few @ ..IMAGES_TOGETHER => few.max(MIN_IMAGES),
            many => many - many % IMAGES_TOGETHER,
        };

        jobs.sort_by_key(|job| job.query.text);
        let mut similarities = Vec::new();
        let mut room: Vec<Vec<f32>> = self.evidence.iter().map(|_| Vec::new()).collect();
        for jobs in jobs.chunk_by_mut(|a, b| a.query.text / texts_at_once == b.query.text / texts_at_once) {
            let (Some(first), Some(last)) = (jobs.first(), jobs.last()) else { continue };
            let texts = first.query.text..last.query.text + 1;
            let text_lists = self.text_lists(texts)?;
            jobs.sort_by_key(|job| (job.query.image, job.group, job.place));
            let by_image: Vec<&[Job<'_>]> = jobs.chunk_by(|a, b| a.query.image == b.query.image).collect();
            for block in by_image.chunks(images_at_once) {
                let images: Vec<usize> = block.iter().map(|jobs| jobs[0].query.image).collect();
                self.similarities(&self.vectors.images, &images, &mut similarities)?;
                let asked = self.ask_with_images(&images, &mut room)?;
                let list = |i: usize| similarities.get(i * rows..(i + 1) * rows).unwrap_or_default();
                let by_image: Vec<Vec<Vec<QueryOutcome>>> = block
                    .par_iter()
                    .enumerate()
                    .map_init(Scratch::default, |scratch, (i, jobs)| {
                        scratch.evidence.resize_with(asked.len(), Default::default);
                        for (lists, (learned, evidence)) in asked.iter().zip(&mut scratch.evidence) {
                            *learned = lists.evidence(i, evidence);
                        }
                        self.image(jobs, list(i), &text_lists, scratch)
                    })
                    .collect::<Result<_>>()?;
                room = asked.into_iter().map(AskedLists::into_room).collect();
                let jobs: Vec<Job<'_>> = block.iter().copied().flatten().copied().collect();
                let mut outcomes: Vec<Vec<QueryOutcome>> = by_image.into_iter().flatten().collect();
                for (place, plan) in self.plans.iter().enumerate() {
                    let Plan::Composition(composition) = *plan else { continue };
                    let mut rest = &mut outcomes[..];
                    for jobs in jobs.chunks(images_at_once) {
                        let composed = self.composed(composition, jobs, &mut similarities)?;
                        let (first, others) = rest.split_at_mut(jobs.len());
                        first.iter_mut().zip(composed).for_each(|(outcome, c)| outcome.insert(place, c));
                        rest = others;
                    }
                }
                for (job, outcome) in jobs.into_iter().zip(outcomes) {
                    self.options.progress.advance(1);
                    done(job, outcome);
                }
            }
        }
        Ok(())
    }

    /// Computes the similarities of the `chosen` vectors to all rows, `[chosen, rows]`. Computes nothing if
    /// no method is a fusion.
    fn similarities(&self, vectors: &Embeddings, chosen: &[usize], out: &mut Vec<f32>) -> Result<()> {
        if self.normalizations.is_empty() {
            return Ok(());
        }
        let dim = vectors.dim();
        let block: Cow<'_, [f32]> = match chosen {
            [first, .., last] if chosen.is_sorted_by(|a, b| a + 1 == *b) => {
                vectors.as_slice()[first * dim..(last + 1) * dim].into()
            }
            _ => chosen.iter().flat_map(|&i| vectors.row(i)).copied().collect(),
        };
        let block = Queries::new(dim, &block)?;
        let values = block.len() * self.archive.len();
        if values > out.capacity() {
            // Fresh memory is zero already.
            *out = vec![0.0; values];
        }
        out.resize(values, 0.0);
        Ok(self.archive.similarities(block, out)?)
    }

    /// Computes the lists of images under each kind of evidence. `room` holds buffers to reuse.
    fn ask_with_images(&self, images: &[usize], room: &mut Vec<Vec<f32>>) -> Result<Vec<AskedLists<'a>>> {
        let part = |&image: &usize| Part {
            kind: PartKind::Image,
            vector: self.vectors.images.row(image),
            weight: 1.0,
            key: Some(self.queries.images[image].key()),
        };
        let parts: Vec<Part<'_>> = images.iter().map(part).collect();
        let room = std::mem::take(room).into_iter().zip(&self.evidence);
        room.map(|(room, method)| AskedLists::new(*method, self.archive, &parts, room)).collect()
    }

    fn text_lists(&self, texts: Range<usize>) -> Result<TextLists> {
        let rows = self.archive.len();
        let mut similarities = Vec::new();
        let first = texts.start;
        let texts: Vec<usize> = texts.collect();
        self.similarities(&self.vectors.texts, &texts, &mut similarities)?;
        let mut values: Vec<Vec<f32>> =
            self.normalizations.iter().map(|_| vec![0.0; similarities.len()]).collect();
        for (fusion, normalized) in self.normalizations.iter().zip(&mut values) {
            let lists = similarities.par_chunks_exact(rows.max(1));
            normalized
                .par_chunks_exact_mut(rows.max(1))
                .zip(lists)
                .for_each(|(out, list)| fusion.normalize(list, &ScoreStatistics::of(list), out));
        }
        let part = |&text: &usize| {
            let vector = self.vectors.texts.row(text);
            Part { kind: PartKind::Text, vector, weight: 1.0, key: None }
        };
        let parts: Vec<Part<'_>> = texts.iter().map(part).collect();
        let all =
            |method: &&'a dyn Evidence| Ok(AskedLists::new(*method, self.archive, &parts, Vec::new())?.all());
        let evidence = self.evidence.iter().map(all).collect::<Result<_>>()?;
        Ok(TextLists { first, rows, values, evidence })
    }

    /// Evaluates all queries of one image. `similarities` are those of the image.
    fn image(
        &self,
        jobs: &[Job<'_>],
        similarities: &[f32],
        texts: &TextLists,
        scratch: &mut Scratch,
    ) -> Result<Vec<Vec<QueryOutcome>>> {
        scratch.lists.resize_with(self.normalizations.len(), Vec::new);
        let statistics = statistics(similarities);
        for (fusion, list) in self.normalizations.iter().zip(&mut scratch.lists) {
            list.resize(similarities.len(), 0.0);
            fusion.normalize(similarities, &statistics, list);
        }
        jobs.iter().map(|job| self.query(job, texts, scratch)).collect()
    }

    /// Evaluates queries under a method that makes one vector of each, in one product.
    fn composed(
        &self,
        composition: &dyn Composition,
        jobs: &[Job<'_>],
        similarities: &mut Vec<f32>,
    ) -> Result<Vec<QueryOutcome>> {
        let vectors: Vec<Vec<f32>> = jobs
            .par_iter()
            .map(|job| Ok(composition.compose(&self.composed_query(job.query)?, self.archive)?))
            .collect::<Result<_>>()?;
        let vectors = vectors.concat();
        let vectors = Queries::new(self.archive.dim(), &vectors)?;
        let rows = self.archive.len();
        similarities.resize(jobs.len() * rows, 0.0);
        self.archive.similarities(vectors, similarities)?;
        let similarities = &similarities[..];
        jobs.par_iter()
            .enumerate()
            .map_init(Ranking::default, |ranking, (i, job)| {
                let own = self.own(job.query);
                ranking.take(job.relevant, own);
                self.outcome(composition, &mut &similarities[i * rows..(i + 1) * rows], own, ranking)
            })
            .collect()
    }

    /// Returns the row of the query image if it is left out of the ranking.
    fn own(&self, query: Query) -> Option<usize> {
        let image = &self.queries.images[query.image];
        if self.options.exclude_query { image.row_in(self.archive) } else { None }
    }

    /// Evaluates one query under all methods but compositions.
    fn query(&self, job: &Job<'_>, texts: &TextLists, scratch: &mut Scratch) -> Result<Vec<QueryOutcome>> {
        let own = self.own(job.query);
        scratch.ranking.take(job.relevant, own);
        let mut query = None;
        let mut outcomes = Vec::with_capacity(self.plans.len());
        for plan in &self.plans {
            let outcome = match *plan {
                Plan::Composition(_) => continue,
                Plan::Fusion(fusion, n) => {
                    let Scratch { lists, gathered, .. } = scratch;
                    let (image, text) = (&lists[n], texts.list(n, job.query.text));
                    let mut scores = FusedScores { fusion, image, text, gathered };
                    self.outcome(fusion, &mut scores, own, &mut scratch.ranking)
                }
                Plan::Evidence(method, kind) => {
                    let (learned, image) = &scratch.evidence[kind];
                    let parts = [(learned, &image[..]), texts.evidence(kind, job.query.text)];
                    let mut scores = EvidenceScores::new(method, self.archive.len(), parts);
                    self.outcome(method, &mut scores, own, &mut scratch.ranking)
                }
                Plan::Scorer(method) => {
                    let query = match &query {
                        Some(query) => query,
                        None => query.insert(self.composed_query(job.query)?),
                    };
                    scratch.scores.resize(self.archive.len(), 0.0);
                    method.score(query, self.archive, &mut scratch.scores)?;
                    self.outcome(method, &mut scratch.scores.as_slice(), own, &mut scratch.ranking)
                }
            };
            outcomes.push(outcome?);
        }
        Ok(outcomes)
    }

    /// Computes the measures of a ranking without the row `own`.
    fn outcome(
        &self,
        method: &(impl Method + ?Sized),
        scores: &mut impl Scores,
        own: Option<usize>,
        ranking: &mut Ranking,
    ) -> Result<QueryOutcome> {
        let Ranking { relevant, ranked, ranks, counter } = ranking;
        let mut top =
            (self.options.top > 0).then(|| TopK::new(self.options.top + usize::from(own.is_some())));
        counter
            .ranks(scores, relevant, top.as_mut(), ranked)
            .map_err(|row| Error::NotANumber { method: method.label(), key: self.archive.key(row).into() })?;
        ranks.clear();
        let mut left_out = 0;
        for &(row, rank) in &*ranked {
            if Some(row) == own {
                left_out = 1;
            } else {
                ranks.push(rank - left_out);
            }
        }
        let mut top = top.map_or_else(Vec::new, TopK::into_ranking);
        top.retain(|scored| Some(scored.row) != own);
        top.truncate(self.options.top);
        Ok(QueryOutcome::of(ranks, top))
    }

    fn composed_query(&self, query: Query) -> Result<ComposedQuery> {
        Ok(ComposedQuery::new(self.archive.spec().clone())
            .with_image(self.vectors.images.vector(query.image))?
            .with_text(self.vectors.texts.vector(query.text))?
            .with_words(&self.queries.texts[query.text])
            .with_image_key(self.queries.images[query.image].key()))
    }
}

/// Computes [`ScoreStatistics::of`], to the bit, by vector instructions.
pub(crate) fn statistics(scores: &[f32]) -> ScoreStatistics {
    if scores.len() < 2 {
        return ScoreStatistics::of(scores);
    }
    let (mean, std_dev) = rscir_kernels::mean_and_std_dev(scores);
    ScoreStatistics { count: scores.len(), mean, std_dev }
}

/// The scores of a fusion, which are combined when they are read.
struct FusedScores<'a> {
    fusion: &'a dyn Fusion,
    image: &'a [f32],
    text: &'a [f32],
    gathered: &'a mut [Vec<f32>; 2],
}

impl Scores for FusedScores<'_> {
    fn len(&self) -> usize {
        self.image.len()
    }

    fn write(&self, rows: Range<usize>, out: &mut [f32]) {
        self.fusion.combine(&self.image[rows.clone()], &self.text[rows], out);
    }

    fn gather(&mut self, rows: &[usize], out: &mut [f32]) {
        let [image, text] = &mut *self.gathered;
        image.clear();
        image.extend(rows.iter().map(|&row| self.image[row]));
        text.clear();
        text.extend(rows.iter().map(|&row| self.text[row]));
        self.fusion.combine(image, text, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn statistics_are_those_of_the_core(scores in prop::collection::vec(-1.0f32..1.0, 0..700)) {
            let (ours, core) = (statistics(&scores), ScoreStatistics::of(&scores));
            prop_assert_eq!(ours.mean.to_bits(), core.mean.to_bits());
            prop_assert_eq!((ours.count, ours.std_dev.to_bits()), (core.count, core.std_dev.to_bits()));
        }
    }
}
