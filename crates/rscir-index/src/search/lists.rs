//! The vectors that methods search an archive with, and how methods turn lists of similarities into scores.

use rayon::prelude::*;
use rscir_core::{
    Archive, AskedPart, ComposedQuery, Evidence, EvidenceSum, Explanation, Fit, Fusion, Kind, ListSample,
    Method, ScoreStatistics, fixed_rows,
};

use super::options::Statistics;
use crate::Result;

/// How a method turns the similarities to a row into a score. Both kinds are monotone, so that bounds on
/// similarities give bounds on scores.
#[derive(Clone, Copy)]
pub(crate) enum Plan<'a> {
    /// A monotone fusion of the similarities to the image and to the text.
    Fusion(&'a dyn Fusion),
    /// A sum of the evidence of any number of parts.
    Evidence(&'a dyn Evidence),
}

/// The vectors that one query searches with, one for each list of similarities.
pub(crate) struct Question {
    /// The vectors one after the other, `[lists, dim]`.
    pub(crate) vectors: Vec<f32>,
    /// The parts of the query, one for each vector, under a method by evidence; empty under a fusion.
    parts: Vec<AskedPart>,
}

impl Question {
    /// Makes a question of one or more vectors without parts.
    pub(crate) fn of_vector(vector: Vec<f32>) -> Self {
        Self { vectors: vector, parts: Vec::new() }
    }

    /// Returns the number of lists.
    pub(crate) fn lists(&self, dim: usize) -> usize {
        self.vectors.len() / dim.max(1)
    }
}

impl<'a> Plan<'a> {
    /// Returns the plan of a method, or `None` if its scores cannot be bounded by similarities.
    pub(crate) fn of(method: &'a dyn Method) -> Option<Self> {
        match method.kind() {
            Kind::Fusion(fusion) => fusion.is_monotone().then_some(Self::Fusion(fusion)),
            Kind::Evidence(evidence) => Some(Self::Evidence(evidence)),
            Kind::Composition(_) | Kind::Scorer => None,
        }
    }

    /// Returns the largest number of lists of a query.
    pub(crate) fn most_lists(self, queries: &[ComposedQuery]) -> usize {
        match self {
            Self::Fusion(fusion) => {
                let modality = fusion.modality();
                usize::from(modality.reads_image()) + usize::from(modality.reads_text())
            }
            Self::Evidence(_) => queries.iter().map(|query| query.parts().count()).max().unwrap_or(0),
        }
    }

    /// Makes the question of each query.
    ///
    /// # Errors
    /// [`rscir_core::Error`] if a query comes from another encoder than the archive, lacks a part that the method
    /// needs, or the method refuses it.
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
                // Asks for the parts of all queries together, so that one pass finds all their neighbors.
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

    /// Makes the scorer of a question from its lists over all rows.
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

    /// Makes the scorer of a question without its lists. The statistics come from the archive's moments, and the
    /// fixed rows are multiplied one by one; each is read once for all lists.
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

    /// Makes the scorer of a question. `statistics` returns those of a list, and `values` the values of all lists
    /// at the fixed rows.
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

/// Smallest number of rows for a task of their own, when rows are multiplied one by one.
const FEW_ROWS: usize = 512;

/// Computes the statistics of a list from the archive's moments.
fn from_moments(archive: &dyn Archive, question: &Question, list: usize) -> Result<ScoreStatistics> {
    let dim = archive.dim();
    Ok(archive.moments().statistics(&question.vectors[list * dim..(list + 1) * dim])?)
}

/// Makes a question of the parts that a fusion reads.
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

/// The lists of one question for a range of rows, one list after the other.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    values: &'a [f32],
    /// Number of values of a whole list.
    stride: usize,
    first: usize,
    len: usize,
}

impl<'a> Lists<'a> {
    /// Makes whole lists of `len` values each.
    pub(crate) fn new(values: &'a [f32], len: usize) -> Self {
        Self { values, stride: len, first: 0, len }
    }

    /// Returns the lists for `len` rows from row `first` on.
    pub(crate) fn slice(self, first: usize, len: usize) -> Self {
        Self { first: self.first + first, len, ..self }
    }

    /// Returns the number of rows.
    pub(crate) fn rows(self) -> usize {
        self.len
    }

    /// Returns one list.
    pub(crate) fn list(self, list: usize) -> &'a [f32] {
        &self.values[list * self.stride + self.first..][..self.len]
    }

    /// Returns the number of lists.
    fn count(self) -> usize {
        self.values.len() / self.stride.max(1)
    }
}

/// A plan and what it learned for one query: it turns the similarities to any rows into scores.
pub(crate) enum Scorer<'a> {
    /// A fusion with the statistics of the lists that it reads.
    Fusion { fusion: &'a dyn Fusion, statistics: Vec<ScoreStatistics> },
    /// A method by evidence with its fits and weights.
    Evidence { method: &'a dyn Evidence, parts: Vec<AskedPart>, fits: Vec<Fit>, sum: EvidenceSum },
    /// The similarity to one vector is the score.
    Similarity,
}

/// Buffers for the values between similarities and scores.
#[derive(Default)]
pub(crate) struct Buffers {
    image: Vec<f32>,
    text: Vec<f32>,
    /// Similarities to one row.
    pub(crate) similarities: Vec<f32>,
}

impl Scorer<'_> {
    /// Computes one score per row. Each row's score depends on its own similarities only, so the rows may be
    /// scored in portions of any size.
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

    /// Writes for each list the largest value of each group of `group` rows. The scores of these values bound the
    /// scores of all rows of their groups.
    pub(crate) fn largest(lists: Lists<'_>, group: usize, to: &mut Vec<f32>) {
        to.clear();
        for list in 0..lists.count() {
            let groups = lists.list(list).chunks(group);
            to.extend(groups.map(|ends| ends.iter().copied().fold(f32::NEG_INFINITY, f32::max)));
        }
    }

    /// Returns the normalized similarities of one row to the image and the text; `None` for a part that the
    /// fusion does not read or the query does not have.
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

    /// Returns the probability that a row matches each part; empty if the method is not one by evidence.
    pub(crate) fn probabilities(&self, row: &[f32]) -> Vec<f32> {
        let Self::Evidence { method, parts, fits, .. } = self else { return Vec::new() };
        let of_part = |(part, fit): (&AskedPart, &Fit)| {
            let fits = part.vector.len() == row.len();
            let similarity = if fits { rscir_kernels::dot(&part.vector, row) } else { 0.0 };
            method.probability(part, fit, similarity)
        };
        parts.iter().zip(fits).map(of_part).collect()
    }

    /// Explains how the scores come about; `None` if the method is not one by evidence.
    pub(crate) fn explanation(&self) -> Option<Explanation> {
        match self {
            Self::Evidence { parts, fits, sum, .. } => Some(Explanation::of(parts, sum.weights(), fits)),
            Self::Fusion { .. } | Self::Similarity => None,
        }
    }
}
