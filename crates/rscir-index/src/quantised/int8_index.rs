use rayon::prelude::*;
use rscir_core::{Archive, ComposedQuery, Fusion, Method, Scored, TopK};

use super::codes::{Intervals, QueryCodes, RowCodes};
use crate::search::{Buffers, ByPart, Candidates, Parts, Scorer, hits};
use crate::{Hit, Result, SearchOptions, search_with};

/// Rows that one task bounds.
const RANGE: usize = 16 * 1024;

/// Rows that are bounded at once.
const BLOCK: usize = 256;

/// An 8-bit copy of an archive's rows that answers as the archive itself does, reading a quarter of the bytes.
///
/// A search reads the integers alone, gets from them an interval in which each row's score lies, and computes the true
/// scores of those few rows whose interval reaches the answer. It pays where reading the rows is what takes the time:
/// from some ten thousand rows of `f32` on.
///
/// ```
/// use rscir_core::{ComposedQuery, Embeddings, EncoderSpec, UnitVector};
/// use rscir_index::{Int8Index, MemoryArchive, SearchOptions};
/// use rscir_weicom::WeiCom;
///
/// let spec = EncoderSpec::unknown(2);
/// let rows = Embeddings::normalize(2, vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0])?;
/// let archive = MemoryArchive::new(spec.clone(), vec!["a".into(), "b".into(), "c".into()], rows)?;
/// let index = Int8Index::new(&archive)?;
/// let query = ComposedQuery::new(spec)
///     .with_image(UnitVector::normalize(vec![1.0, 0.1])?)?
///     .with_text(UnitVector::normalize(vec![0.1, 1.0])?)?;
/// assert_eq!(index.search(&WeiCom::default(), &query, &SearchOptions::top(1))?[0].key, "b");
/// # Ok::<(), rscir_index::Error>(())
/// ```
///
/// # The bound
///
/// Let `m` be the mean of the rows, rounded to `f32`. A row `x` is stored as integers `c` and a scale `a`, a query `q`
/// as two sets of integers `e1`, `e2` with scales `b1`, `b2`:
///
/// ```text
/// x = m + a c + r         r: what rounding left, |r| is stored beside the row
/// q = b1 e1 + b2 e2 + u   e2 quantises what e1 left, so |u| is about |q| / 60,000
/// ```
///
/// The estimate of the similarity is `t = m.q + a (b1 c.e1 + b2 c.e2)`, its integer products exact. Then
/// `x.q - t = r.q + (a c).u`, and by Cauchy and Schwarz
///
/// ```text
/// |x.q - t| <= |r| |q| + |a c| |u|
/// ```
///
/// The similarity `s` that a scan computes is not `x.q` itself but its `f32` sum of products, in some order. With
/// `g = n 2^-24 / (1 - n 2^-24)` for `n` terms, `|s - x.q| <= g |x| |q|` in any order (Higham, *Accuracy and Stability of
/// Numerical Algorithms*, 2002, section 3.1). The bound used is the sum of both, and some units in the last place for
/// the arithmetic that evaluates it. Subtracting the mean matters: vectors of one encoder share a few large
/// coordinates, which would set the scale for all others.
///
/// A pointwise fusion never falls as a similarity rises, and neither does its rounding, so the scores of the interval's
/// ends bound the row's score, and the `k`th best lower end bounds the `k`th best score from below. A row whose upper
/// end is below that cannot be in the answer; all others are candidates, and their true scores decide.
pub struct Int8Index<'a> {
    archive: &'a dyn Archive,
    rows: RowCodes,
}

impl<'a> Int8Index<'a> {
    /// Copies the rows of an archive. Asks for its [moments](Archive::moments), which an archive in memory computes
    /// then.
    ///
    /// # Errors
    /// [`rscir_core::Error::Parameter`] if the rows are wider than 133,143 values.
    pub fn new(archive: &'a dyn Archive) -> Result<Self> {
        Ok(Self { archive, rows: RowCodes::of(archive)? })
    }

    /// The best rows for one query: the answer of [`search_with`](crate::search_with) with
    /// [`Statistics::Moments`](crate::Statistics::Moments), to the bit.
    ///
    /// A method that is no pointwise fusion is left to that function.
    ///
    /// # Errors
    /// As [`Method::score`].
    pub fn search(
        &self,
        method: &dyn Method,
        query: &ComposedQuery,
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Hit>> {
        match method.as_fusion() {
            Some(fusion) if fusion.is_pointwise() => {
                let ranking = self.rank(fusion, query, options)?;
                Ok(hits(self.archive, method, &ranking))
            }
            _ => search_with(self.archive, method, query, options),
        }
    }

    fn rank(
        &self,
        fusion: &dyn Fusion,
        query: &ComposedQuery,
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Scored>> {
        let parts = Parts::of(fusion);
        let vectors = parts.vectors(self.archive, query)?;
        let vectors = parts.of_query(0, &vectors, self.archive.dim());
        let scorer = Scorer::from_moments(fusion, self.archive, vectors)?;
        let candidates = options.candidates(self.archive, query);
        let rows = self.reaching(&scorer, vectors, &candidates, options.k);
        Ok(self.rescore(&scorer, vectors, &rows, options.k))
    }

    /// The candidates whose score may be among the `k` best, in row order.
    fn reaching(
        &self,
        scorer: &Scorer<'_>,
        vectors: ByPart<'_>,
        candidates: &Candidates<'_>,
        k: usize,
    ) -> Vec<usize> {
        let codes = |vector: &[f32]| (!vector.is_empty()).then(|| QueryCodes::of(vector, &self.rows));
        let (image, text) = (codes(vectors.image), codes(vectors.text));
        let n = self.archive.len();
        let ranges = (0..n.div_ceil(RANGE)).into_par_iter().map(|range| {
            let mut reached = Reached { lower_ends: TopK::new(k), rows: Vec::new() };
            let (mut image_ends, mut text_ends) = (Intervals::default(), Intervals::default());
            let (mut buffers, mut scores) = (Buffers::default(), [0.0; BLOCK]);
            for first in (range * RANGE..n.min((range + 1) * RANGE)).step_by(BLOCK) {
                let rows = first..n.min(first + BLOCK);
                for (codes, ends) in [(&image, &mut image_ends), (&text, &mut text_ends)] {
                    if let Some(codes) = codes {
                        self.rows.intervals(codes, rows.clone(), ends);
                    }
                }
                let scores = &mut scores[..rows.len()];
                let upper = ByPart { image: &image_ends.upper, text: &text_ends.upper };
                scorer.score(upper, &mut buffers, scores);
                let lower = ByPart { image: &image_ends.lower, text: &text_ends.lower };
                for (i, &upper_end) in scores.iter().enumerate() {
                    if reached.may_take(upper_end) && candidates.contain(first + i) {
                        let mut lower_end = [0.0];
                        scorer.score(lower.slice(i, 1), &mut buffers, &mut lower_end);
                        reached.take(first + i, lower_end[0], upper_end);
                    }
                }
            }
            reached
        });
        let mut reached = ranges.collect::<Vec<_>>().into_iter().reduce(Reached::merge);
        reached.as_mut().map_or_else(Vec::new, Reached::finish)
    }

    /// Ranks rows by their true scores.
    fn rescore(&self, scorer: &Scorer<'_>, vectors: ByPart<'_>, rows: &[usize], k: usize) -> Vec<Scored> {
        let similarities = |vector: &[f32]| -> Vec<f32> {
            if vector.is_empty() {
                return Vec::new();
            }
            rows.par_iter().map(|&row| rscir_kernels::dot(vector, &self.archive.vector(row))).collect()
        };
        let (image, text) = (similarities(vectors.image), similarities(vectors.text));
        let mut scores = vec![0.0; rows.len()];
        scorer.score(ByPart { image: &image, text: &text }, &mut Buffers::default(), &mut scores);
        let mut top = TopK::new(k);
        for (&row, score) in rows.iter().zip(scores) {
            top.offer(row, score);
        }
        top.into_ranking()
    }
}

/// Rows that may be in the answer, by what is known so far.
struct Reached {
    /// The best lower ends: the worst of them is below the worst score of the answer.
    lower_ends: TopK,
    /// Rows with the upper ends of their scores.
    rows: Vec<Scored>,
}

impl Reached {
    /// False if at least `k` rows score higher for certain.
    fn may_take(&self, upper_end: f32) -> bool {
        // What is not a number is not behind: its row is scored.
        let behind = self.lower_ends.threshold().is_some_and(|worst| upper_end < worst.score);
        !behind
    }

    fn take(&mut self, row: usize, lower_end: f32, upper_end: f32) {
        self.lower_ends.offer(row, lower_end);
        self.rows.push(Scored { row, score: upper_end });
    }

    fn merge(mut self, other: Self) -> Self {
        self.lower_ends.merge(other.lower_ends);
        self.rows.extend(other.rows);
        self
    }

    /// The rows that are left when all are known.
    fn finish(&mut self) -> Vec<usize> {
        let rows = std::mem::take(&mut self.rows);
        rows.into_iter().filter(|row| self.may_take(row.score)).map(|row| row.row).collect()
    }
}
