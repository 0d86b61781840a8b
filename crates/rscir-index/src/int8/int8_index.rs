use std::fmt;
use std::ops::Range;

use rayon::prelude::*;
use rscir_core::{Archive, ComposedQuery, Method, QuantizedPart, QuantizedRun, Queries, Scored};

use super::codes::RowCodes;
use super::pass::{Asked, Pass};
use super::pruned::Pruned;
use crate::search::{Plan, Question, Scorer, answer};
use crate::{Answer, Hit, Result, SearchOptions, Statistics, answer_batch};

/// Number of queries that share a pass over the rows.
const PASS: usize = 64;

/// An answer of more than one row in this many is found by a scan, because most of the true scores would be
/// computed row by row.
const SCARCITY: usize = 64;

/// An 8-bit copy of an archive's rows that gives the answers of the archive itself from a quarter of the bytes.
///
/// A search reads the integers, computes from them an upper bound of each row's score, and computes the true
/// scores of the few rows whose bound reaches the answer. It is faster than a scan from about ten thousand rows
/// of `f32` on, for one query or many, and for answers of at most one row in 64; longer answers are found by a
/// scan.
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
/// Let `m` be the mean of the rows, rounded to `f32`. A row `x` is stored as integers `c` and a scale `a`. A
/// query `q` is stored as two sets of integers `e1`, `e2` with scales `b1`, `b2`:
///
/// ```text
/// x = m + a c + r         r: the rest of rounding; |r| is stored beside the row
/// q = b1 e1 + b2 e2 + u   e2 quantizes the rest of e1, so |u| is about |q| / 60,000
/// ```
///
/// The estimate of the similarity is `t = m.q + a (b1 c.e1 + b2 c.e2)`, whose integer products are exact. Then
/// `x.q - t = r.q + (a c).u`, and by the inequality of Cauchy and Schwarz
///
/// ```text
/// x.q <= t + |r| |q| + |a c| |u|
/// ```
///
/// A scan computes the similarity `s`: the sum of the products in `f32`, in some order. With
/// `g = n 2^-24 / (1 - n 2^-24)` for `n` terms, `|s - x.q| <= g |x| |q|` in any order (Higham, *Accuracy and
/// Stability of Numerical Algorithms*, 2002, section 3.1). The upper bound of `s` is the bound of `x.q`, plus
/// `g |x| |q|`, plus some units in the last place for the arithmetic that evaluates it. The mean is subtracted
/// because vectors of one encoder share a few large coordinates, which would otherwise set the scale of all
/// others.
///
/// A monotone fusion never falls as a similarity rises, and rounding keeps that, so the score of a row's upper
/// bounds is at least the row's score. Likewise, the score of the largest upper bounds of a group of rows is at
/// least the score of each of them. There are lower bounds, too: if `e` is the sum of what was added to `t`, the
/// similarity is at least its upper bound minus `2 e`. The `k`th best score of the lower bounds is therefore at
/// most the `k`th best score, and a row whose upper bounds have a lower score than that cannot be in the answer.
/// The other rows wait until the pass is over. Then the true scores of the few rows that the final limit leaves
/// are computed. Rows that have 8-bit copies are read at no other time.
pub struct Int8Index<A> {
    archive: A,
    rows: Int8Rows,
}

/// Source of the 8-bit rows.
enum Int8Rows {
    /// The index has made them, of all rows.
    Made(RowCodes, [QuantizedRun; 1]),
    /// The archive keeps them. The rows `without` have none; their similarities are computed one by one.
    Kept { without: Vec<Range<usize>> },
}

/// An archive is searched by the 8-bit rows that it keeps if at most one row in this many has none, because
/// computing similarities one by one takes several times as long as a product.
const FEW_WITHOUT: usize = 16;

impl<A: Archive> fmt::Debug for Int8Index<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Int8Index").field("rows", &self.archive.len()).finish_non_exhaustive()
    }
}

impl<A: Archive> Int8Index<A> {
    /// Takes the 8-bit rows that the archive [keeps](Archive::quantized). If it keeps none, or lacks those of
    /// more than one row in 16, the index copies all rows; this needs the archive's [moments](Archive::moments),
    /// which an archive in memory computes.
    ///
    /// # Errors
    /// [`rscir_core::Error::Parameter`] if the rows are wider than 131,071 values.
    pub fn new(archive: A) -> Result<Self> {
        let archive = match Self::kept(archive) {
            Ok(index) => return Ok(index),
            Err(archive) => archive,
        };
        let rows = RowCodes::of(&archive)?;
        let all = QuantizedRun { rows: 0..archive.len(), first_row: 0 };
        Ok(Self { archive, rows: Int8Rows::Made(rows, [all]) })
    }

    /// Takes the 8-bit rows that the archive keeps, or gives the archive back if it keeps too few.
    pub(crate) fn kept(archive: A) -> std::result::Result<Self, A> {
        let mut kept: Vec<Range<usize>> = Vec::new();
        for part in archive.quantized() {
            let run = |run: &QuantizedRun| {
                let first = part.first_row + run.first_row;
                first..first + run.rows.len()
            };
            kept.extend(part.runs.iter().map(run));
        }
        kept.sort_unstable_by_key(|rows| rows.start);
        let (mut without, mut next) = (Vec::new(), 0);
        for rows in kept {
            if next < rows.start {
                without.push(next..rows.start);
            }
            next = next.max(rows.end);
        }
        if next < archive.len() {
            without.push(next..archive.len());
        }
        let count: usize = without.iter().map(Range::len).sum();
        if archive.is_empty() || count > archive.len() / FEW_WITHOUT {
            return Err(archive);
        }
        Ok(Self { archive, rows: Int8Rows::Kept { without } })
    }

    /// Makes a pass over the 8-bit rows.
    fn pass(&self) -> Pass<'_, A> {
        let (parts, without): (Vec<QuantizedPart<'_>>, &[Range<usize>]) = match &self.rows {
            Int8Rows::Made(rows, all) => (vec![rows.part(all)], &[]),
            Int8Rows::Kept { without } => (self.archive.quantized(), without),
        };
        Pass { archive: &self.archive, parts, without }
    }

    /// Returns the archive.
    pub fn archive(&self) -> &A {
        &self.archive
    }

    /// Tells whether an answer of `k` rows is found by bounds instead of a scan.
    pub(crate) fn pays(&self, k: usize) -> bool {
        k > 0 && k <= (self.archive.len() / SCARCITY).max(SCARCITY)
    }

    /// Returns the best rows for one query, best first. The answer equals that of
    /// [`search_with`](crate::search_with) with [`Statistics::Moments`](crate::Statistics::Moments) to the bit.
    ///
    /// A method that is neither a monotone fusion nor one by evidence is passed on to that function.
    ///
    /// # Errors
    /// The errors of [`search_with`](crate::search_with).
    pub fn search(
        &self,
        method: &dyn Method,
        query: &ComposedQuery,
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Hit>> {
        let mut answers = self.search_batch(method, std::slice::from_ref(query), options)?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// Searches like [`Int8Index::search`] for many queries. The answers are the same; the integers are read once
    /// for every 64 queries.
    ///
    /// # Errors
    /// The errors of [`search_with`](crate::search_with) for the first query that fails; then no query has an
    /// answer.
    pub fn search_batch(
        &self,
        method: &dyn Method,
        queries: &[ComposedQuery],
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        let answers = self.answer_batch(method, queries, options)?;
        Ok(answers.into_iter().map(|answer| answer.hits).collect())
    }

    /// Searches like [`Int8Index::search_batch`], and returns with each answer what the method learned for it.
    ///
    /// # Errors
    /// The errors of [`Int8Index::search_batch`].
    pub fn answer_batch(
        &self,
        method: &dyn Method,
        queries: &[ComposedQuery],
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Answer>> {
        let Some(plan) = Plan::of(method) else {
            return answer_batch(&self.archive, method, queries, options);
        };
        if !self.pays(options.k) {
            return answer_batch(&self.archive, method, queries, &options.statistics(Statistics::Moments));
        }
        let allowed = options.allowed(&self.archive)?;
        let mut answers = Vec::with_capacity(queries.len());
        for queries in queries.chunks(PASS) {
            let questions = plan.ask(&Pruned::of(self), queries)?;
            let asked = |(query, question)| {
                let scorer = plan.scorer_without_lists(&self.archive, &question)?;
                Ok(Asked { question, scorer, candidates: allowed.candidates(&self.archive, query) })
            };
            let asked = queries.par_iter().zip(questions).map(asked).collect::<Result<Vec<_>>>()?;
            let best = self.pass().best(&asked, options.k);
            for ((ranking, query), asked) in best.iter().zip(queries).zip(&asked) {
                answers.push(answer(&self.archive, method, query, ranking, Some(&asked.scorer))?);
            }
        }
        Ok(answers)
    }

    /// Returns the `k` rows most similar to each vector, best first, as [`Archive::nearest`] does.
    pub(super) fn nearest(&self, vectors: Queries<'_>, k: usize) -> Result<Vec<Vec<Scored>>> {
        let all = SearchOptions::top(k).allowed(&self.archive)?;
        let mut nearest = Vec::with_capacity(vectors.len());
        for vectors in vectors.as_slice().chunks(PASS * self.archive.dim().max(1)) {
            let of_vector = |vector: &[f32]| Asked {
                question: Question::of_vector(vector.to_vec()),
                scorer: Scorer::Similarity,
                candidates: all.any(),
            };
            let asked: Vec<Asked<'_>> = vectors.chunks_exact(self.archive.dim()).map(of_vector).collect();
            nearest.extend(self.pass().best(&asked, k));
        }
        Ok(nearest)
    }
}
