use rayon::prelude::*;
use rscir_core::{Archive, ComposedQuery, Fusion, Method, Queries, ScoreStatistics, Scored, TopK};

use super::hits;
use super::options::{Allowed, Candidates, SearchOptions, Statistics};
use crate::{Hit, Result};

/// Similarities that are held at once, `[lists, rows]`: 256 MB, 33 composed queries on a million rows. Below 16 or so
/// queries a pass is as long as reading the archive takes, above it as the products take, so more gains little.
const LIST_VALUES: usize = 256 * 1024 * 1024 / 4;

/// Rows that one task ranks.
const RANGE: usize = 16 * 1024;

/// Rows that are normalised, combined and compared at once: three such blocks fit a first-level cache.
const BLOCK: usize = 1024;

/// The answers to all queries under a monotone fusion, which is the method's.
pub(super) fn rank(
    archive: &dyn Archive,
    method: (&dyn Method, &dyn Fusion),
    queries: &[ComposedQuery],
    options: &SearchOptions<'_>,
    allowed: &Allowed<'_>,
) -> Result<Vec<Vec<Hit>>> {
    rank_in_passes(archive, method, queries, options, allowed, LIST_VALUES)
}

/// [`rank`], holding `list_values` similarities at once, or those of one query.
fn rank_in_passes(
    archive: &dyn Archive,
    (method, fusion): (&dyn Method, &dyn Fusion),
    queries: &[ComposedQuery],
    options: &SearchOptions<'_>,
    allowed: &Allowed<'_>,
    list_values: usize,
) -> Result<Vec<Vec<Hit>>> {
    let parts = Parts::of(fusion);
    let per_query = archive.len().saturating_mul(parts.count()).max(1);
    let per_pass = (list_values / per_query).clamp(1, queries.len().max(1));
    let mut lists = vec![0.0; per_pass * parts.count() * archive.len()];
    let mut answers = Vec::with_capacity(queries.len());
    for queries in queries.chunks(per_pass) {
        let vectors =
            queries.iter().map(|query| parts.vectors(archive, query)).collect::<Result<Vec<_>>>()?;
        let vectors = vectors.concat();
        let lists = &mut lists[..queries.len() * parts.count() * archive.len()];
        archive.similarities(Queries::new(archive.dim(), &vectors)?, lists)?;
        let ranked = queries.par_iter().enumerate().map(|(i, query)| {
            let similarities = parts.of_query(i, lists, archive.len());
            let vectors = parts.of_query(i, &vectors, archive.dim());
            let scorer = match options.statistics {
                Statistics::Scan => Scorer::scanned(fusion, similarities),
                Statistics::Moments => Scorer::from_moments(fusion, archive, vectors)?,
            };
            let candidates = allowed.candidates(archive, query);
            let ranking = rank_lists(&scorer, similarities, &candidates, options.k);
            Ok(hits(archive, method, query, &ranking, Some(&scorer)))
        });
        answers.extend(ranked.collect::<Result<Vec<_>>>()?);
    }
    Ok(answers)
}

/// Ranks the rows by their similarities, on all cores.
fn rank_lists(
    scorer: &Scorer<'_>,
    similarities: ByPart<'_>,
    candidates: &Candidates<'_>,
    k: usize,
) -> Vec<Scored> {
    let rows = similarities.image.len().max(similarities.text.len());
    let ranges = (0..rows.div_ceil(RANGE)).into_par_iter().map(|range| {
        let mut top = TopK::new(k);
        let mut buffers = Buffers::default();
        let mut scores = [0.0; BLOCK];
        for first in (range * RANGE..rows.min((range + 1) * RANGE)).step_by(BLOCK) {
            let scores = &mut scores[..BLOCK.min(rows - first)];
            scorer.score(similarities.slice(first, scores.len()), &mut buffers, scores);
            best_of(first, scores, candidates, &mut top);
        }
        top
    });
    // What is kept does not depend on the order of merging.
    let merge = |mut a: TopK, b| {
        a.merge(b);
        a
    };
    ranges.reduce(|| TopK::new(k), merge).into_ranking()
}

/// Offers the rows from `first` on that are candidates and not ranked behind the worst that is kept.
pub(super) fn best_of(first: usize, scores: &[f32], candidates: &Candidates<'_>, top: &mut TopK) {
    let worst_score = |top: &TopK| top.threshold().map_or(f32::NEG_INFINITY, |worst| worst.score);
    let mut worst = worst_score(top);
    for (row, &score) in (first..).zip(scores) {
        // What is not a number is not behind: the ranking puts it in its place.
        let behind = score < worst;
        if !behind && candidates.contain(row) {
            top.offer(row, score);
            worst = worst_score(top);
        }
    }
}

/// Which parts of a query a fusion reads: the image's, the text's, or one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    fusion: &'a dyn Fusion,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(fusion: &'a dyn Fusion) -> Self {
        Self { fusion }
    }

    pub(crate) fn count(self) -> usize {
        let modality = self.fusion.modality();
        usize::from(modality.reads_image()) + usize::from(modality.reads_text())
    }

    /// The vectors of the parts, `[count, dim]`.
    pub(crate) fn vectors(self, archive: &dyn Archive, query: &ComposedQuery) -> Result<Vec<f32>> {
        archive.spec().check(query.spec()).map_err(rscir_core::Error::from)?;
        let (modality, label) = (self.fusion.modality(), self.fusion.label());
        let mut vectors = Vec::with_capacity(self.count() * archive.dim());
        if modality.reads_image() {
            vectors.extend_from_slice(query.require_image(&label)?);
        }
        if modality.reads_text() {
            vectors.extend_from_slice(query.require_text(&label)?);
        }
        Ok(vectors)
    }

    /// The values of query `i` out of `[queries, count, len]`; the part that is not read is empty.
    pub(crate) fn of_query(self, i: usize, values: &[f32], len: usize) -> ByPart<'_> {
        let own = &values[i * self.count() * len..][..self.count() * len];
        let (image, text) = own.split_at(if self.fusion.modality().reads_image() { len } else { 0 });
        ByPart { image, text }
    }
}

/// Values for the image and for the text: similarities to rows, or the vectors themselves; empty for a part that is not read.
#[derive(Clone, Copy)]
pub(crate) struct ByPart<'a> {
    pub(crate) image: &'a [f32],
    pub(crate) text: &'a [f32],
}

impl<'a> ByPart<'a> {
    /// Those of the rows from `first` on.
    pub(crate) fn slice(self, first: usize, len: usize) -> Self {
        let part = |values: &'a [f32]| if values.is_empty() { values } else { &values[first..first + len] };
        Self { image: part(self.image), text: part(self.text) }
    }
}

/// A monotone fusion with the statistics of one query: it turns the similarities of any rows into scores.
pub(crate) struct Scorer<'a> {
    fusion: &'a dyn Fusion,
    image: ScoreStatistics,
    text: ScoreStatistics,
}

/// Room for normalised values.
#[derive(Default)]
pub(crate) struct Buffers {
    image: Vec<f32>,
    text: Vec<f32>,
}

impl<'a> Scorer<'a> {
    /// With the statistics of the lists over all rows.
    fn scanned(fusion: &'a dyn Fusion, lists: ByPart<'_>) -> Self {
        let (image, text) =
            rayon::join(|| ScoreStatistics::of(lists.image), || ScoreStatistics::of(lists.text));
        Self { fusion, image, text }
    }

    /// With the statistics that the archive's moments give for the vectors.
    pub(crate) fn from_moments(
        fusion: &'a dyn Fusion,
        archive: &dyn Archive,
        vectors: ByPart<'_>,
    ) -> Result<Self> {
        let moments = archive.moments();
        let statistics = |vector: &[f32]| {
            if vector.is_empty() { Ok(ScoreStatistics::default()) } else { moments.statistics(vector) }
        };
        let (image, text) = rayon::join(|| statistics(vectors.image), || statistics(vectors.text));
        Ok(Self { fusion, image: image?, text: text? })
    }

    /// The normalized values of the similarities to one row, of those parts that the fusion reads and the query has.
    pub(crate) fn normalized(
        &self,
        [image, text]: [Option<f32>; 2],
        buffers: &mut Buffers,
    ) -> [Option<f32>; 2] {
        let modality = self.fusion.modality();
        let mut value = |similarity: Option<f32>, reads: bool, statistics: &ScoreStatistics| {
            let similarity = similarity.filter(|_| reads)?;
            buffers.image.resize(1, 0.0);
            self.fusion.normalize(&[similarity], statistics, &mut buffers.image);
            Some(buffers.image[0])
        };
        [value(image, modality.reads_image(), &self.image), value(text, modality.reads_text(), &self.text)]
    }

    /// One score per row. As the fusion is monotone, rows may be scored in any parts.
    pub(crate) fn score(&self, similarities: ByPart<'_>, buffers: &mut Buffers, scores: &mut [f32]) {
        let ByPart { image, text } = similarities;
        buffers.image.resize(image.len(), 0.0);
        buffers.text.resize(text.len(), 0.0);
        self.fusion.normalize(image, &self.image, &mut buffers.image);
        self.fusion.normalize(text, &self.text, &mut buffers.text);
        self.fusion.combine(&buffers.image, &buffers.text, scores);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryArchive;
    use rscir_core::EncoderSpec;
    use rscir_core::testing::{unit_rows, unit_vector};

    #[test]
    fn more_passes_change_nothing() {
        let spec = EncoderSpec::unknown(6);
        let keys = (0..40).map(|row| row.to_string()).collect();
        let archive = MemoryArchive::new(spec.clone(), keys, unit_rows(40, 6, 1)).unwrap();
        let query = |seed| {
            let query = ComposedQuery::new(spec.clone()).with_image(unit_vector(6, seed)).unwrap();
            query.with_text(unit_vector(6, seed + 100)).unwrap()
        };
        let queries: Vec<_> = (10..17).map(query).collect();
        let (fusion, options) = (rscir_weicom::WeiCom::default(), SearchOptions::top(5));
        let allowed = options.allowed(&archive).unwrap();
        let rank = |values| {
            rank_in_passes(&archive, (&fusion, &fusion), &queries, &options, &allowed, values).unwrap()
        };
        for values in [0, 79, 80, 160, 170, 559, 560] {
            assert_eq!(rank(values), rank(usize::MAX), "{values} similarities at once");
        }
    }
}
