use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use rscir_core::{Archive, ComposedQuery, Method, QuantizedPart, QuantizedRun, Queries, Scored, TopK};
use rscir_kernels::{CodedQuery, CodedRows};

use super::codes::{RowCodes, coded_query, upper_ends};
use super::pruned::Pruned;
use crate::search::{Buffers, Candidates, Lists, Plan, Question, Scorer, answer};
use crate::{Answer, Hit, Result, SearchOptions, Statistics, answer_batch};

/// Upper ends that one task computes before it looks at them: they fit a second-level cache.
const TASK_VALUES: usize = 64 * 1024;

/// Rows of a task at most, so that there are tasks for all threads.
const TASK_ROWS: usize = 32 * GROUP;

/// Rows of which the best upper ends are looked at first.
const GROUP: usize = CodedRows::BLOCK;

/// Queries that share a pass over the rows.
const PASS: usize = 64;

/// An answer of more than one row in so many is found by a scan: most of what it holds would be looked up row by row.
const SCARCITY: usize = 64;

/// An 8-bit copy of an archive's rows that answers as the archive itself does, reading a quarter of the bytes.
///
/// A search reads the integers alone, gets from them a bound that no row's score is above, and computes the true scores
/// of those few rows whose bound reaches the answer. It pays from some ten thousand rows of `f32` on, for one query or
/// many, and for answers of up to one row in 64; longer ones are found by a scan.
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
/// q = b1 e1 + b2 e2 + u   e2 quantizes what e1 left, so |u| is about |q| / 60,000
/// ```
///
/// The estimate of the similarity is `t = m.q + a (b1 c.e1 + b2 c.e2)`, its integer products exact. Then
/// `x.q - t = r.q + (a c).u`, and by Cauchy and Schwarz
///
/// ```text
/// x.q <= t + |r| |q| + |a c| |u|
/// ```
///
/// The similarity `s` that a scan computes is not `x.q` itself but its `f32` sum of products, in some order. With
/// `g = n 2^-24 / (1 - n 2^-24)` for `n` terms, `|s - x.q| <= g |x| |q|` in any order (Higham, *Accuracy and Stability of
/// Numerical Algorithms*, 2002, section 3.1). The bound used is the sum of both, and some units in the last place for
/// the arithmetic that evaluates it. Subtracting the mean matters: vectors of one encoder share a few large
/// coordinates, which would set the scale for all others.
///
/// A monotone fusion never falls as a similarity rises, and neither does its rounding, so the score of the bounds is
/// no less than the row's, and that of the best bounds of a few rows no less than any of theirs. A row for which it is
/// below the `k`th best score found so far cannot be in the answer. The true score of any other is computed at once.
pub struct Int8Index<A> {
    archive: A,
    rows: Int8Rows,
}

/// Where the 8-bit rows are.
enum Int8Rows {
    /// Made here, of all rows.
    Made(RowCodes, [QuantizedRun; 1]),
    /// The archive keeps them, but for these rows, whose similarities are computed one by one.
    Kept { without: Vec<Range<usize>> },
}

/// An archive that keeps 8-bit copies of all rows but one in so many is searched by them: similarities one by one take
/// several times as long as in a product.
const FEW_WITHOUT: usize = 16;

impl<A: Archive> fmt::Debug for Int8Index<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Int8Index").field("rows", &self.archive.len()).finish_non_exhaustive()
    }
}

impl<A: Archive> Int8Index<A> {
    /// Takes the 8-bit rows that the archive [keeps](Archive::quantized), or copies all rows if it keeps none, or too few:
    /// then it asks for the archive's [moments](Archive::moments), which an archive in memory computes.
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

    /// Takes the 8-bit rows that the archive keeps, if it does; otherwise gives it back.
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

    fn parts(&self) -> Vec<QuantizedPart<'_>> {
        match &self.rows {
            Int8Rows::Made(rows, all) => vec![rows.part(all)],
            Int8Rows::Kept { .. } => self.archive.quantized(),
        }
    }

    /// The archive that it answers for.
    pub fn archive(&self) -> &A {
        &self.archive
    }

    /// True if an answer of `k` rows is found by bounds, and not by a scan.
    pub(crate) fn pays(&self, k: usize) -> bool {
        k > 0 && k <= (self.archive.len() / SCARCITY).max(SCARCITY)
    }

    /// The best rows for one query: the answer of [`search_with`](crate::search_with) with
    /// [`Statistics::Moments`](crate::Statistics::Moments), to the bit.
    ///
    /// A method that is no monotone fusion and takes no evidence is left to that function.
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
        let answers = self.answer_batch(method, queries, options)?;
        Ok(answers.into_iter().map(|answer| answer.hits).collect())
    }

    /// [`Int8Index::search_batch`], with what the method learned on the way.
    ///
    /// # Errors
    /// As [`Int8Index::search_batch`].
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
            let best = self.best(&asked, options.k);
            for ((ranking, query), asked) in best.iter().zip(queries).zip(&asked) {
                answers.push(answer(&self.archive, method, query, ranking, Some(&asked.scorer))?);
            }
        }
        Ok(answers)
    }

    /// The `k` rows most similar to each vector, best first, as [`Archive::nearest`] of the archive finds them.
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
            nearest.extend(self.best(&asked, k));
        }
        Ok(nearest)
    }

    /// The ranking of the `k` best rows for each query.
    fn best(&self, asked: &[Asked<'_>], k: usize) -> Vec<Vec<Scored>> {
        let dim = self.archive.dim().max(1);
        let vectors: Vec<&[f32]> =
            asked.iter().flat_map(|asked| asked.question.vectors.chunks_exact(dim)).collect();
        let parts = self.parts();
        // For each part the vectors as its integers, at once: an archive may have many parts.
        let codes: Vec<CodedQuery> = (0..parts.len() * vectors.len())
            .into_par_iter()
            .map(|at| coded_query(&parts[at / vectors.len()], vectors[at % vectors.len()]))
            .collect();
        let best: Vec<Best> = asked.iter().map(|_| Best::new(k)).collect();
        let task_rows = (TASK_VALUES / vectors.len().max(1)).clamp(GROUP, TASK_ROWS) / GROUP * GROUP;
        let tasks: Vec<(usize, Range<usize>)> = parts
            .iter()
            .enumerate()
            .flat_map(|(at, part)| {
                let rows = part.scales.len();
                (0..rows).step_by(task_rows).map(move |start| (at, start..rows.min(start + task_rows)))
            })
            .collect();
        tasks.into_par_iter().for_each_init(Room::default, |room, (at, rows)| {
            let codes = &codes[at * vectors.len()..][..vectors.len()];
            upper_ends(&parts[at], codes, rows.clone(), &mut room.upper_ends);
            let mut rest = &room.upper_ends[..];
            for (asked, best) in asked.iter().zip(&best) {
                let (own, others) = rest.split_at(asked.question.lists(dim) * rows.len());
                rest = others;
                let lists = Lists::new(own, rows.len());
                self.offer(asked, (&parts[at], rows.clone()), lists, &mut room.groups, best);
            }
        });
        if let Int8Rows::Kept { without } = &self.rows {
            let rows: Vec<usize> = without.iter().cloned().flatten().collect();
            rows.par_iter().for_each_init(Buffers::default, |buffers, &row| {
                for (asked, best) in
                    asked.iter().zip(&best).filter(|(asked, _)| asked.candidates.contain(row))
                {
                    best.offer(row, self.score(asked, row, buffers));
                }
            });
        }
        best.into_iter().map(Best::into_ranking).collect()
    }

    /// Scores those rows of a part that may be in the answer to one query.
    fn offer(
        &self,
        asked: &Asked<'_>,
        (part, rows): (&QuantizedPart<'_>, Range<usize>),
        upper_ends: Lists<'_>,
        room: &mut Groups,
        best: &Best,
    ) {
        let Groups { largest, scores, buffers } = room;
        Scorer::largest(upper_ends, GROUP, largest);
        let groups = rows.len().div_ceil(GROUP);
        scores.resize(groups, 0.0);
        asked.scorer.score(Lists::new(largest, groups), buffers, scores);
        for (group, &score) in scores.iter().enumerate() {
            if best.rules_out(score) {
                continue;
            }
            let at = group * GROUP..rows.len().min((group + 1) * GROUP);
            let mut scores = [0.0; GROUP];
            let scores = &mut scores[..at.len()];
            asked.scorer.score(upper_ends.slice(at.start, at.len()), buffers, scores);
            for (row, &score) in (rows.start + at.start..).zip(&*scores) {
                if !best.rules_out(score)
                    && let Some(row) = row_of(part, row)
                    && asked.candidates.contain(row)
                {
                    best.offer(row, self.score(asked, row, buffers));
                }
            }
        }
    }

    /// The true score of one row.
    fn score(&self, asked: &Asked<'_>, row: usize, buffers: &mut Buffers) -> f32 {
        let stored = self.archive.vector(row);
        let vectors = asked.question.vectors.chunks_exact(self.archive.dim().max(1));
        buffers.similarities.clear();
        buffers.similarities.extend(vectors.map(|vector| rscir_kernels::dot(vector, &stored)));
        let similarities = std::mem::take(&mut buffers.similarities);
        let mut score = [0.0];
        asked.scorer.score(Lists::new(&similarities, 1), buffers, &mut score);
        buffers.similarities = similarities;
        score[0]
    }
}

/// The archive's row that a row of a part is, if it is one.
fn row_of(part: &QuantizedPart<'_>, row: usize) -> Option<usize> {
    let run = part.runs.get(part.runs.partition_point(|run| run.rows.end <= row))?;
    run.rows.contains(&row).then(|| part.first_row + run.first_row + row - run.rows.start)
}

/// A query, ready to be answered.
struct Asked<'a> {
    question: Question,
    scorer: Scorer<'a>,
    candidates: Candidates<'a>,
}

/// What a thread keeps from task to task.
#[derive(Default)]
struct Room {
    /// `[lists of all queries, rows]`.
    upper_ends: Vec<f32>,
    groups: Groups,
}

/// The best upper ends of groups of rows, and the scores of those.
#[derive(Default)]
struct Groups {
    largest: Vec<f32>,
    scores: Vec<f32>,
    buffers: Buffers,
}

/// The best rows so far, found by all threads together.
struct Best {
    top: Mutex<TopK>,
    /// Bits of the worst score that is kept, once `k` are; of negative infinity before.
    worst: AtomicU32,
}

impl Best {
    fn new(k: usize) -> Self {
        Self { top: Mutex::new(TopK::new(k)), worst: AtomicU32::new(f32::NEG_INFINITY.to_bits()) }
    }

    /// True if a row cannot be in the answer whose score is no more than `upper_end`.
    fn rules_out(&self, upper_end: f32) -> bool {
        // What is not a number rules nothing out and is not ruled out: its row is scored.
        upper_end < f32::from_bits(self.worst.load(Relaxed))
    }

    fn offer(&self, row: usize, score: f32) {
        let mut top = self.top.lock().unwrap_or_else(PoisonError::into_inner);
        top.offer(row, score);
        if let Some(worst) = top.threshold() {
            self.worst.store(worst.score.to_bits(), Relaxed);
        }
    }

    fn into_ranking(self) -> Vec<Scored> {
        self.top.into_inner().unwrap_or_else(PoisonError::into_inner).into_ranking()
    }
}
