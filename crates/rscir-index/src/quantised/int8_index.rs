use std::ops::Range;

use rayon::prelude::*;
use rscir_core::{Archive, ComposedQuery, Fusion, Method, Scored, TopK};

use super::codes::{QueryCodes, RowCodes};
use crate::product::TASK_ROWS;
use crate::search::{Buffers, ByPart, Candidates, Parts, Scorer, hits};
use crate::{Hit, Result, SearchOptions, search_batch};

/// Rows that one task bounds: enough that the first of them, of which all seem good, are few.
const RANGE: usize = 32 * TASK_ROWS;

/// Queries that share a pass over the rows: their products with [`TASK_ROWS`] rows, four for a composed one, fit a
/// second-level cache.
const PASS: usize = 64;

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
    /// [`rscir_core::Error::Parameter`] if the rows are wider than 131,071 values.
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
        let mut answers = self.search_batch(method, std::slice::from_ref(query), options)?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// [`Int8Index::search`] for many queries: the answers are the same, the integers are read once for 64 of them.
    ///
    /// # Errors
    /// As [`Method::score`] for the first query that fails; then there is no answer to any.
    pub fn search_batch(
        &self,
        method: &dyn Method,
        queries: &[ComposedQuery],
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        let Some(fusion) = method.as_fusion().filter(|fusion| fusion.is_pointwise()) else {
            return search_batch(self.archive, method, queries, options);
        };
        let mut answers = Vec::with_capacity(queries.len());
        for queries in queries.chunks(PASS) {
            let asked = queries.par_iter().map(|query| Asked::new(self, fusion, query, options));
            let asked = asked.collect::<Result<Vec<_>>>()?;
            let reaching = self.reaching(&asked, options.k);
            let rank = |(asked, rows): (&Asked<'_>, Vec<usize>)| {
                hits(self.archive, method, &self.rescore(asked, &rows, options.k))
            };
            answers.par_extend(asked.par_iter().zip(reaching).map(rank));
        }
        Ok(answers)
    }

    /// For each query the candidates whose score may be among the `k` best, in row order.
    fn reaching(&self, asked: &[Asked<'_>], k: usize) -> Vec<Vec<usize>> {
        let codes: Vec<i8> =
            asked.iter().flat_map(Asked::codes).flat_map(|part| &part.codes).copied().collect();
        let n = self.archive.len();
        let ranges = (0..n.div_ceil(RANGE)).into_par_iter().map(|range| {
            let mut reached: Vec<Reached> = asked.iter().map(|_| Reached::new(k)).collect();
            let (mut products, mut room) = (Vec::new(), Room::default());
            for first in (range * RANGE..n.min((range + 1) * RANGE)).step_by(TASK_ROWS) {
                let rows = first..n.min(first + TASK_ROWS);
                self.rows.products(&codes, rows.clone(), &mut products);
                let products = products.chunks_exact(products.len() / asked.len());
                for ((asked, products), reached) in asked.iter().zip(products).zip(&mut reached) {
                    self.reach(asked, rows.clone(), products, &mut room, reached);
                }
            }
            reached
        });
        let merge = |a: Vec<Reached>, b| a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect();
        let reached = ranges.collect::<Vec<_>>().into_iter().reduce(merge);
        reached.map_or_else(
            || vec![Vec::new(); asked.len()],
            |reached| reached.into_iter().map(Reached::finish).collect(),
        )
    }

    /// Takes the rows `rows` that may be in the answer to one query, given their products with its codes.
    fn reach(
        &self,
        asked: &Asked<'_>,
        rows: Range<usize>,
        products: &[i32],
        room: &mut Room,
        reached: &mut Reached,
    ) {
        let (image, text) = products.split_at(if asked.image.is_some() { 2 * rows.len() } else { 0 });
        for (codes, products, ends) in
            [(&asked.image, image, &mut room.image), (&asked.text, text, &mut room.text)]
        {
            ends.clear();
            ends.extend(codes.iter().flat_map(|codes| self.rows.upper_ends(codes, rows.start, products)));
        }
        room.scores.resize(rows.len(), 0.0);
        let upper_ends = ByPart { image: &room.image, text: &room.text };
        asked.scorer.score(upper_ends, &mut room.buffers, &mut room.scores);
        for (i, &upper_end) in room.scores.iter().enumerate() {
            if reached.may_take(upper_end) && asked.candidates.contain(rows.start + i) {
                let lower = |codes: &Option<QueryCodes>, products| {
                    codes.as_ref().map(|codes| self.rows.lower_end(codes, rows.start, products, i))
                };
                let (image, text) = (lower(&asked.image, image), lower(&asked.text, text));
                let lower_ends = ByPart { image: image.as_slice(), text: text.as_slice() };
                let mut lower_end = [0.0];
                asked.scorer.score(lower_ends, &mut room.buffers, &mut lower_end);
                reached.take(rows.start + i, lower_end[0], upper_end);
            }
        }
    }

    /// Ranks rows by their true scores.
    fn rescore(&self, asked: &Asked<'_>, rows: &[usize], k: usize) -> Vec<Scored> {
        let similarities = |vector: &[f32]| -> Vec<f32> {
            if vector.is_empty() {
                return Vec::new();
            }
            rows.par_iter().map(|&row| rscir_kernels::dot(vector, &self.archive.vector(row))).collect()
        };
        let vectors = asked.vectors();
        let (image, text) = (similarities(vectors.image), similarities(vectors.text));
        let mut scores = vec![0.0; rows.len()];
        asked.scorer.score(ByPart { image: &image, text: &text }, &mut Buffers::default(), &mut scores);
        let mut top = TopK::new(k);
        for (&row, score) in rows.iter().zip(scores) {
            top.offer(row, score);
        }
        top.into_ranking()
    }
}

/// A query, ready to be answered.
struct Asked<'a> {
    parts: Parts<'a>,
    dim: usize,
    /// Of the parts that are read, one after the other.
    vectors: Vec<f32>,
    image: Option<QueryCodes>,
    text: Option<QueryCodes>,
    scorer: Scorer<'a>,
    candidates: Candidates<'a>,
}

impl<'a> Asked<'a> {
    fn new(
        index: &Int8Index<'_>,
        fusion: &'a dyn Fusion,
        query: &ComposedQuery,
        options: &SearchOptions<'a>,
    ) -> Result<Self> {
        let (parts, archive) = (Parts::of(fusion), index.archive);
        let (vectors, dim) = (parts.vectors(archive, query)?, archive.dim());
        let ByPart { image, text } = parts.of_query(0, &vectors, dim);
        let codes = |vector: &[f32]| (!vector.is_empty()).then(|| QueryCodes::of(vector, &index.rows));
        Ok(Self {
            parts,
            dim,
            image: codes(image),
            text: codes(text),
            scorer: Scorer::from_moments(fusion, archive, ByPart { image, text })?,
            candidates: options.candidates(archive, query),
            vectors,
        })
    }

    fn vectors(&self) -> ByPart<'_> {
        self.parts.of_query(0, &self.vectors, self.dim)
    }

    /// In the order of the products.
    fn codes(&self) -> impl Iterator<Item = &QueryCodes> {
        self.image.iter().chain(&self.text)
    }
}

/// Room for what is known of some rows: upper ends of both similarities and of the score.
#[derive(Default)]
struct Room {
    image: Vec<f32>,
    text: Vec<f32>,
    scores: Vec<f32>,
    buffers: Buffers,
}

/// Rows that may be in the answer, by what is known so far.
struct Reached {
    /// The best lower ends: the worst of them is below the worst score of the answer.
    lower_ends: TopK,
    /// Rows with the upper ends of their scores.
    rows: Vec<Scored>,
}

impl Reached {
    fn new(k: usize) -> Self {
        Self { lower_ends: TopK::new(k), rows: Vec::new() }
    }

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
    fn finish(mut self) -> Vec<usize> {
        let rows = std::mem::take(&mut self.rows);
        rows.into_iter().filter(|row| self.may_take(row.score)).map(|row| row.row).collect()
    }
}
