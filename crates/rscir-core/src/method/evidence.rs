use super::{Fit, Method, Modality, NormalizationKey};
use crate::{Archive, ComposedQuery, Error, Queries, Result, ScoreStatistics};

/// Kind of a query's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum PartKind {
    /// An image.
    Image,
    /// A text.
    Text,
}

/// An image or a text of a query, for a method that takes each part by itself.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Kind of the part.
    pub kind: PartKind,
    /// Vector of the part, of unit length.
    pub vector: &'a [f32],
    /// Weight of the part, finite and not 0. A negative weight is for what the wanted images should not have.
    pub weight: f32,
    /// Key under which the image lies in the archive, if it is known.
    pub key: Option<&'a str>,
}

/// The vector that a part of a query searches an archive by.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedPart {
    /// Kind of the part.
    pub kind: PartKind,
    /// The vector whose similarities are computed, as wide as the archive's rows. For a part of negative
    /// weight the vector is negated, so that evidence rises with every similarity.
    pub vector: Vec<f32>,
    /// Absolute value of the part's weight.
    pub weight: f32,
    /// `true` for a part of negative weight: what the wanted images should not have.
    pub against: bool,
    /// The rows that the vector was made of, nearest first. Empty if the vector is the part's own.
    pub neighbors: Vec<usize>,
}

/// What a method may learn from: the statistics of a list of similarities, and the list's values at the
/// [`fixed_rows`].
#[derive(Debug, Clone, Copy)]
pub struct ListSample<'a> {
    /// Statistics of the whole list.
    pub statistics: ScoreStatistics,
    /// One value for each of the [`fixed_rows`]. Empty if the method does not [read](Evidence::reads_rows)
    /// them.
    pub values: &'a [f32],
}

/// A method that takes every part of a query as evidence by itself.
///
/// Each part searches by a vector of its own, which the method may rewrite. The method learns a [`Fit`] from
/// the list of similarities, turns each similarity into evidence, and adds up the evidence of all parts, each
/// times its weight. Evidence never falls as a similarity rises, and no weight is negative, so that a bound
/// on similarities is a bound on scores. This is why exact pruned search, batches, shards, filters and
/// evaluations treat all of these methods in the same way.
///
/// The fit depends on the archive and the part alone, so that queries with a part in common share its list.
pub trait Evidence: Method {
    /// Returns the kinds of parts that the method reads. Other parts are left out.
    fn modality(&self) -> Modality;

    /// Returns the identity of everything but the weights: equal keys promise equal vectors, fits and
    /// evidence.
    fn evidence_key(&self) -> NormalizationKey;

    /// Makes the vectors that parts search by, one for each part, in the order of the parts. Parts of several
    /// queries may come together.
    ///
    /// # Errors
    /// The errors of [`Method::score`].
    fn ask(&self, parts: &[Part<'_>], archive: &dyn Archive) -> Result<Vec<AskedPart>>;

    /// Tells whether [`Evidence::fit`] needs the values at the fixed rows.
    fn reads_rows(&self) -> bool;

    /// Learns from a list of similarities.
    fn fit(&self, part: &AskedPart, list: ListSample<'_>) -> Fit;

    /// Turns each similarity into evidence. `evidence` is as long as `similarities`. Evidence never falls as
    /// the similarity rises.
    fn evidence(&self, part: &AskedPart, fit: &Fit, similarities: &[f32], evidence: &mut [f32]);

    /// Returns the factor of each part's evidence. No factor is negative.
    fn weights(&self, parts: &[AskedPart], fits: &[Fit]) -> Vec<f32>;

    /// Returns an estimate of the probability that a row matches the part, from 0 to 1. The estimate is not
    /// calibrated.
    fn probability(&self, part: &AskedPart, fit: &Fit, similarity: f32) -> f32;

    /// Returns the parts of a query that the method reads: images, then texts.
    ///
    /// # Errors
    /// [`Error::MissingPart`] if the query has no such part.
    fn parts<'a>(&self, query: &'a ComposedQuery) -> Result<Vec<Part<'a>>> {
        let modality = self.modality();
        let reads = |part: &Part<'_>| match part.kind {
            PartKind::Image => modality.reads_image(),
            PartKind::Text => modality.reads_text(),
        };
        let parts: Vec<_> = query.parts().filter(reads).collect();
        if parts.is_empty() {
            let part = match modality {
                Modality::Image => "image",
                Modality::Text => "text",
                Modality::Both => "image or text",
            };
            return Err(Error::MissingPart { method: self.label(), part });
        }
        Ok(parts)
    }
}

/// Number of rows up to which methods learn from all rows. An archive of PatternCom's size, 30,400 rows, is
/// learned from as a whole.
const LEARNED_WHOLE: usize = 32_768;

/// Number of rows that methods learn from in a larger archive. The share of a group of a tenth of the archive
/// is then off by two percent, and reading the rows takes a third of the time of a pass over a million 8-bit
/// rows.
const FIXED_ROWS: usize = 16_384;

/// Returns the rows of an archive that methods learn from, ascending: all rows up to 32,768, or 16,384 rows
/// spread evenly. They depend on the number of rows alone, so that the answer is the same for every way of
/// searching.
pub fn fixed_rows(rows: usize) -> impl ExactSizeIterator<Item = usize> + Clone {
    let count = if rows <= LEARNED_WHOLE { rows } else { FIXED_ROWS };
    (0..count)
        .map(move |i| if count == rows { i } else { (i as u128 * rows as u128 / count as u128) as usize })
}

/// Adds up the evidence of all parts in an order that does not depend on the order of the parts.
#[derive(Debug, Clone)]
pub struct EvidenceSum {
    weights: Vec<f32>,
    order: Vec<usize>,
}

impl EvidenceSum {
    /// Makes a sum of parts with their weights. The order of the sum follows from the parts themselves, so
    /// that queries with the same parts in another order have the same scores to the bit.
    pub fn new(parts: &[AskedPart], weights: Vec<f32>) -> Self {
        let mut order: Vec<usize> = (0..parts.len()).collect();
        let bits = |part: usize| parts[part].vector.iter().map(|value| value.to_bits());
        order.sort_by(|&a, &b| {
            let by_kind = parts[a].kind.cmp(&parts[b].kind);
            by_kind.then_with(|| bits(a).cmp(bits(b))).then_with(|| weights[a].total_cmp(&weights[b]))
        });
        Self { weights, order }
    }

    /// Returns the weight of each part, in the order of the parts.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Writes the scores of some rows. `evidence` writes the evidence of a part for those rows to a slice of
    /// that length.
    pub fn scores(
        &self,
        room: &mut Vec<f32>,
        scores: &mut [f32],
        mut evidence: impl FnMut(usize, &mut [f32]),
    ) {
        room.resize(scores.len(), 0.0);
        for (place, &part) in self.order.iter().enumerate() {
            let weight = self.weights[part];
            evidence(part, room);
            if place == 0 {
                scores.iter_mut().zip(&*room).for_each(|(score, e)| *score = weight * e);
            } else {
                scores.iter_mut().zip(&*room).for_each(|(score, e)| *score += weight * e);
            }
        }
    }
}

/// Computes the [`Method::score`] of a method by evidence: the similarities of all parts in one product, then
/// fits, evidence and sum.
///
/// # Errors
/// The errors of [`Method::score`].
pub fn score_evidence(
    method: &dyn Evidence,
    query: &ComposedQuery,
    archive: &dyn Archive,
    scores: &mut [f32],
) -> Result<()> {
    let rows = archive.len();
    Error::check_length("scores (one per archive row)", rows, scores.len())?;
    archive.spec().check(query.spec())?;
    let parts = method.ask(&method.parts(query)?, archive)?;
    let vectors: Vec<f32> = parts.iter().flat_map(|part| part.vector.iter().copied()).collect();
    let mut similarities = vec![0.0; parts.len() * rows];
    archive.similarities(Queries::new(archive.dim(), &vectors)?, &mut similarities)?;
    if rows == 0 {
        return Ok(());
    }
    let lists: Vec<&[f32]> = similarities.chunks_exact(rows).collect();
    let fits: Vec<Fit> = parts.iter().zip(&lists).map(|(part, list)| fit_list(method, part, list)).collect();
    let sum = EvidenceSum::new(&parts, method.weights(&parts, &fits));
    sum.scores(&mut Vec::new(), scores, |i, evidence| {
        method.evidence(&parts[i], &fits[i], lists[i], evidence);
    });
    Ok(())
}

/// Learns from a list of similarities to all rows of an archive.
pub fn fit_list(method: &dyn Evidence, part: &AskedPart, list: &[f32]) -> Fit {
    fit_list_with(method, part, list, ScoreStatistics::of(list))
}

/// Learns like [`fit_list`], with the statistics of the list already computed.
pub fn fit_list_with(
    method: &dyn Evidence,
    part: &AskedPart,
    list: &[f32],
    statistics: ScoreStatistics,
) -> Fit {
    let fixed = fixed_rows(list.len());
    if !method.reads_rows() {
        method.fit(part, ListSample { statistics, values: &[] })
    } else if fixed.len() == list.len() {
        method.fit(part, ListSample { statistics, values: list })
    } else {
        let values: Vec<f32> = fixed.map(|row| list[row]).collect();
        method.fit(part, ListSample { statistics, values: &values })
    }
}
