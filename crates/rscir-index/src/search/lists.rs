//! What methods ask an archive with, and how they make scores of lists of similarities.

use rayon::prelude::*;
use rscir_core::{
    Archive, AskedPart, ComposedQuery, Evidence, EvidenceSum, Explanation, Fit, Fusion, Kind, ListSample,
    Method, ScoreStatistics, fixed_rows,
};

use super::options::Statistics;
use crate::Result;

/// How a method makes a score of the similarities to a row, so that bounds on these are bounds on scores.
#[derive(Clone, Copy)]
pub(crate) enum Plan<'a> {
    /// A monotone fusion of the similarities to the image and to the text.
    Fusion(&'a dyn Fusion),
    /// The sum of the evidence of any number of parts.
    Evidence(&'a dyn Evidence),
}

/// What one query asks with: vectors, one for each list.
pub(crate) struct Question {
    /// One after the other.
    pub(crate) vectors: Vec<f32>,
    /// The parts of the query that they are of, under a method by evidence.
    parts: Vec<AskedPart>,
}

impl Question {
    pub(crate) fn of_vector(vector: Vec<f32>) -> Self {
        Self { vectors: vector, parts: Vec::new() }
    }

    /// How many lists it has.
    pub(crate) fn lists(&self, dim: usize) -> usize {
        self.vectors.len() / dim.max(1)
    }
}

impl<'a> Plan<'a> {
    /// That of a method; none if it says nothing of bounds.
    pub(crate) fn of(method: &'a dyn Method) -> Option<Self> {
        match method.kind() {
            Kind::Fusion(fusion) => fusion.is_monotone().then_some(Self::Fusion(fusion)),
            Kind::Evidence(evidence) => Some(Self::Evidence(evidence)),
            Kind::Composition(_) | Kind::Scorer => None,
        }
    }

    /// How many lists the queries have at most.
    pub(crate) fn most_lists(self, queries: &[ComposedQuery]) -> usize {
        match self {
            Self::Fusion(fusion) => {
                let modality = fusion.modality();
                usize::from(modality.reads_image()) + usize::from(modality.reads_text())
            }
            Self::Evidence(_) => queries.iter().map(|query| query.parts().count()).max().unwrap_or(0),
        }
    }

    /// What each query asks with.
    pub(crate) fn ask(self, archive: &dyn Archive, queries: &[ComposedQuery]) -> Result<Vec<Question>> {
        for query in queries {
            archive.spec().check(query.spec()).map_err(rscir_core::Error::from)?;
        }
        match self {
            Self::Fusion(fusion) => {
                queries.iter().map(|query| fusion_question(fusion, query, archive.dim())).collect()
            }
            Self::Evidence(evidence) => {
                let parts =
                    queries.iter().map(|query| evidence.parts(query)).collect::<Result<Vec<_>, _>>()?;
                // Those of all queries together, so that their neighbors are found in one pass.
                let mut asked = evidence.ask(&parts.concat(), archive)?.into_iter();
                let question = |parts: Vec<_>| {
                    let parts: Vec<AskedPart> = asked.by_ref().take(parts.len()).collect();
                    let vectors = parts.iter().flat_map(|part| part.vector.iter().copied()).collect();
                    Question { vectors, parts }
                };
                Ok(parts.into_iter().map(question).collect())
            }
        }
    }

    /// With the lists of a question over all rows.
    pub(crate) fn scorer(
        self,
        archive: &dyn Archive,
        question: &Question,
        lists: Lists<'_>,
        statistics: Statistics,
    ) -> Result<Scorer<'a>> {
        let of_list = |list: usize| match statistics {
            Statistics::Scan => Ok(ScoreStatistics::of(lists.list(list))),
            Statistics::Moments => from_moments(archive, question, list),
        };
        self.scorer_by(question, archive.dim(), of_list, || {
            let values = |list: usize| {
                let list = lists.list(list);
                fixed_rows(list.len()).map(|row| list[row]).collect()
            };
            (0..question.lists(archive.dim())).map(values).collect()
        })
    }

    /// Without lists: statistics are those of the archive's moments, and the fixed rows are multiplied one by one, each read
    /// once for all lists.
    pub(crate) fn scorer_without_lists(
        self,
        archive: &dyn Archive,
        question: &Question,
    ) -> Result<Scorer<'a>> {
        let of_list = |list: usize| from_moments(archive, question, list);
        let dim = archive.dim().max(1);
        self.scorer_by(question, archive.dim(), of_list, || {
            let rows: Vec<usize> = fixed_rows(archive.len()).collect();
            let lists = question.vectors.len() / dim;
            let mut by_row = vec![0.0f32; rows.len() * lists];
            by_row.par_chunks_mut(lists.max(1)).with_min_len(FEW_ROWS).zip(&rows).for_each(
                |(values, &row)| {
                    let stored = archive.vector(row);
                    for (value, vector) in values.iter_mut().zip(question.vectors.chunks_exact(dim)) {
                        *value = rscir_kernels::dot(vector, &stored);
                    }
                },
            );
            (0..lists).map(|list| by_row.iter().copied().skip(list).step_by(lists.max(1)).collect()).collect()
        })
    }

    fn scorer_by(
        self,
        question: &Question,
        dim: usize,
        statistics: impl Fn(usize) -> Result<ScoreStatistics> + Send + Sync,
        values: impl FnOnce() -> Vec<Vec<f32>>,
    ) -> Result<Scorer<'a>> {
        match self {
            Self::Fusion(fusion) => {
                let statistics: Vec<ScoreStatistics> =
                    (0..question.lists(dim)).into_par_iter().map(statistics).collect::<Result<_>>()?;
                Ok(Scorer::Fusion { fusion, statistics })
            }
            Self::Evidence(method) => {
                let values = if method.reads_rows() { values() } else { Vec::new() };
                let fit = |(i, part): (usize, &AskedPart)| {
                    let values = values.get(i).map_or(&[][..], |values| values);
                    Ok(method.fit(part, ListSample { statistics: statistics(i)?, values }))
                };
                let fits: Vec<Fit> = question.parts.par_iter().enumerate().map(fit).collect::<Result<_>>()?;
                let sum = EvidenceSum::new(&question.parts, method.weights(&question.parts, &fits));
                Ok(Scorer::Evidence { method, parts: question.parts.clone(), fits, sum })
            }
        }
    }
}

/// Rows that are worth a task of their own when each is multiplied by itself.
const FEW_ROWS: usize = 512;

/// The statistics of a list that the archive's moments give.
fn from_moments(archive: &dyn Archive, question: &Question, list: usize) -> Result<ScoreStatistics> {
    let dim = archive.dim();
    Ok(archive.moments().statistics(&question.vectors[list * dim..(list + 1) * dim])?)
}

/// The vectors of the parts that a fusion reads.
fn fusion_question(fusion: &dyn Fusion, query: &ComposedQuery, dim: usize) -> Result<Question> {
    let (modality, label) = (fusion.modality(), fusion.label());
    let mut vectors = Vec::with_capacity(2 * dim);
    if modality.reads_image() {
        vectors.extend_from_slice(query.require_image(&label)?);
    }
    if modality.reads_text() {
        vectors.extend_from_slice(query.require_text(&label)?);
    }
    Ok(Question::of_vector(vectors))
}

/// Some rows of the lists of one question, which lie one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    values: &'a [f32],
    /// Values of a list.
    stride: usize,
    first: usize,
    len: usize,
}

impl<'a> Lists<'a> {
    /// Whole lists of `len` values each.
    pub(crate) fn new(values: &'a [f32], len: usize) -> Self {
        Self { values, stride: len, first: 0, len }
    }

    /// Those of the rows from `first` on.
    pub(crate) fn slice(self, first: usize, len: usize) -> Self {
        Self { first: self.first + first, len, ..self }
    }

    /// How many rows.
    pub(crate) fn rows(self) -> usize {
        self.len
    }

    /// One list.
    pub(crate) fn list(self, list: usize) -> &'a [f32] {
        &self.values[list * self.stride + self.first..][..self.len]
    }

    fn count(self) -> usize {
        self.values.len() / self.stride.max(1)
    }
}

/// A plan with what it learned for one query: it turns the similarities to any rows into scores.
pub(crate) enum Scorer<'a> {
    /// A fusion, with the statistics of the lists it reads.
    Fusion { fusion: &'a dyn Fusion, statistics: Vec<ScoreStatistics> },
    /// Evidence, with fits and weights.
    Evidence { method: &'a dyn Evidence, parts: Vec<AskedPart>, fits: Vec<Fit>, sum: EvidenceSum },
    /// The similarity to one vector itself.
    Similarity,
}

/// Room for values on their way to scores.
#[derive(Default)]
pub(crate) struct Buffers {
    image: Vec<f32>,
    text: Vec<f32>,
    /// Similarities to one row.
    pub(crate) similarities: Vec<f32>,
}

impl Scorer<'_> {
    /// One score per row. As the plan is monotone, rows may be scored in any portions.
    pub(crate) fn score(&self, lists: Lists<'_>, buffers: &mut Buffers, scores: &mut [f32]) {
        match self {
            Self::Fusion { fusion, statistics } => {
                let modality = fusion.modality();
                let mut list = 0;
                for (reads, normalized) in
                    [(modality.reads_image(), &mut buffers.image), (modality.reads_text(), &mut buffers.text)]
                {
                    normalized.resize(if reads { lists.rows() } else { 0 }, 0.0);
                    if reads {
                        fusion.normalize(lists.list(list), &statistics[list], normalized);
                        list += 1;
                    }
                }
                fusion.combine(&buffers.image, &buffers.text, scores);
            }
            Self::Evidence { method, parts, fits, sum } => {
                sum.scores(&mut buffers.image, scores, |i, evidence| {
                    method.evidence(&parts[i], &fits[i], lists.list(i), evidence);
                });
            }
            Self::Similarity => scores.copy_from_slice(lists.list(0)),
        }
    }

    /// The best of each list, as lists of one value: a bound on the scores of all rows.
    pub(crate) fn largest(lists: Lists<'_>, group: usize, to: &mut Vec<f32>) {
        to.clear();
        for list in 0..lists.count() {
            let groups = lists.list(list).chunks(group);
            to.extend(groups.map(|ends| ends.iter().copied().fold(f32::NEG_INFINITY, f32::max)));
        }
    }

    /// The normalized values of the similarities to one row, of those parts that a fusion reads and the query has.
    pub(crate) fn normalized(
        &self,
        [image, text]: [Option<f32>; 2],
        buffers: &mut Buffers,
    ) -> [Option<f32>; 2] {
        let Self::Fusion { fusion, statistics } = self else { return [None; 2] };
        let modality = fusion.modality();
        let mut of_lists = statistics.iter();
        let mut value = |similarity: Option<f32>, reads: bool| {
            let statistics = if reads { of_lists.next()? } else { return None };
            buffers.image.resize(1, 0.0);
            fusion.normalize(&[similarity?], statistics, &mut buffers.image);
            Some(buffers.image[0])
        };
        [value(image, modality.reads_image()), value(text, modality.reads_text())]
    }

    /// How likely a row is as each part asks; empty under a method that takes no evidence.
    pub(crate) fn probabilities(&self, row: &[f32]) -> Vec<f32> {
        let Self::Evidence { method, parts, fits, .. } = self else { return Vec::new() };
        let of_part = |(part, fit): (&AskedPart, &Fit)| {
            let fits = part.vector.len() == row.len();
            let similarity = if fits { rscir_kernels::dot(&part.vector, row) } else { 0.0 };
            method.probability(part, fit, similarity)
        };
        parts.iter().zip(fits).map(of_part).collect()
    }

    /// How the scores come about; nothing under a method that takes no evidence.
    pub(crate) fn explanation(&self) -> Option<Explanation> {
        match self {
            Self::Evidence { parts, fits, sum, .. } => Some(Explanation::of(parts, sum.weights(), fits)),
            Self::Fusion { .. } | Self::Similarity => None,
        }
    }
}
