//! A pass over 8-bit rows in their order, which answers many queries at once.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rayon::prelude::*;
use rscir_core::{Archive, QuantizedPart, Scored};
use rscir_kernels::{CodedQuery, CodedRows};

use super::codes::{Margin, coded_query, upper_ends};
use super::found::{Found, Waiting};
use crate::rows::archive_row;
use crate::search::{Buffers, Candidates, Lists, Question, Scorer};

/// Upper ends that one task computes before it compares them. They fit a second-level cache.
const TASK_VALUES: usize = 64 * 1024;

/// Largest number of rows of a task, so that there are tasks for all threads.
const TASK_ROWS: usize = 32 * GROUP;

/// Rows of a group. The largest upper ends of a group are compared before those of its rows.
const GROUP: usize = CodedRows::BLOCK;

/// Rows without 8-bit copies that one task scores.
const SCORED_AT_ONCE: usize = 512;

/// A query that is ready for a pass.
pub(super) struct Asked<'a> {
    pub(super) question: Question,
    pub(super) scorer: Scorer<'a>,
    pub(super) candidates: Candidates<'a>,
}

/// An archive, the 8-bit copies of its rows, and the rows that have none.
pub(super) struct Pass<'a, A> {
    pub(super) archive: &'a A,
    pub(super) parts: Vec<QuantizedPart<'a>>,
    pub(super) without: &'a [Range<usize>],
}

impl<A: Archive> Pass<'_, A> {
    /// Ranks the `k` best rows for each query.
    ///
    /// While the pass reads the integers, it does not read the rows themselves: a row whose score may be among
    /// the best waits. Lower bounds raise the limit for the best scores, so that few rows wait in the end. These
    /// are then read together, in their order.
    pub(super) fn best(&self, asked: &[Asked<'_>], k: usize) -> Vec<Vec<Scored>> {
        let found: Vec<Found> = asked.iter().map(|_| Found::new(k)).collect();
        self.score_without(asked, &found);
        self.stream(asked, &found);
        asked.par_iter().zip(&found).for_each(|(asked, found)| self.finish(asked, found));
        found.into_iter().map(Found::into_ranking).collect()
    }

    /// Scores the rows that have no 8-bit copies.
    fn score_without(&self, asked: &[Asked<'_>], found: &[Found]) {
        let cut = |rows: &Range<usize>| {
            let Range { start, end } = *rows;
            (start..end).step_by(SCORED_AT_ONCE).map(move |first| first..end.min(first + SCORED_AT_ONCE))
        };
        let tasks: Vec<Range<usize>> = self.without.iter().flat_map(cut).collect();
        tasks.into_par_iter().for_each_init(Buffers::default, |buffers, rows| {
            self.archive.fetch(rows.clone());
            for row in rows {
                for (asked, found) in asked.iter().zip(found) {
                    if asked.candidates.contain(row) {
                        found.score(row, self.score(asked, row, buffers));
                    }
                }
            }
        });
    }

    /// Reads the integers once. Threads take tasks in the order of the rows, so that files are read from
    /// beginning to end.
    fn stream(&self, asked: &[Asked<'_>], found: &[Found]) {
        let dim = self.archive.dim().max(1);
        let vectors: Vec<&[f32]> =
            asked.iter().flat_map(|asked| asked.question.vectors.chunks_exact(dim)).collect();
        // Quantizes the vectors for all parts in one parallel loop, because an archive may have many parts.
        let (queries, margins): (Vec<CodedQuery>, Vec<Margin>) = (0..self.parts.len() * vectors.len())
            .into_par_iter()
            .map(|at| coded_query(&self.parts[at / vectors.len()], vectors[at % vectors.len()]))
            .unzip();
        let task_rows = (TASK_VALUES / vectors.len().max(1)).clamp(GROUP, TASK_ROWS) / GROUP * GROUP;
        let tasks: Vec<(usize, Range<usize>)> = self
            .parts
            .iter()
            .enumerate()
            .flat_map(|(at, part)| {
                let rows = part.scales.len();
                (0..rows).step_by(task_rows).map(move |start| (at, start..rows.min(start + task_rows)))
            })
            .collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut room = Room::default();
            while let Some((at, rows)) = tasks.get(next.fetch_add(1, Relaxed)) {
                let (part, of_part) = (&self.parts[*at], at * vectors.len()..(at + 1) * vectors.len());
                upper_ends(part, &queries[of_part.clone()], rows.clone(), &mut room.upper_ends);
                let (mut ends, mut margins) = (&room.upper_ends[..], &margins[of_part]);
                for (asked, found) in asked.iter().zip(found) {
                    let (own_ends, other_ends) = ends.split_at(asked.question.lists(dim) * rows.len());
                    let (own_margins, other_margins) = margins.split_at(asked.question.lists(dim));
                    (ends, margins) = (other_ends, other_margins);
                    let upper_ends = Lists::new(own_ends, rows.len());
                    let block = Block { part, rows: rows.clone(), margins: own_margins, upper_ends };
                    self.offer(asked, &block, &mut room.groups, found);
                }
            }
        };
        (0..rayon::current_num_threads()).into_par_iter().with_max_len(1).for_each(|_| work());
    }

    /// Lets those rows of a block wait that may be in the answer to one query.
    fn offer(&self, asked: &Asked<'_>, block: &Block<'_>, room: &mut Groups, found: &Found) {
        let Groups { largest, scores, lower_ends, buffers } = room;
        let count = block.rows.len();
        Scorer::largest(block.upper_ends, GROUP, largest);
        let groups = count.div_ceil(GROUP);
        scores.resize(groups, 0.0);
        asked.scorer.score(Lists::new(largest, groups), buffers, scores);
        for (group, &score) in scores.iter().enumerate() {
            if found.rules_out(score) {
                continue;
            }
            let at = group * GROUP..count.min((group + 1) * GROUP);
            let (mut most, mut least) = ([0.0; GROUP], [0.0; GROUP]);
            let (most, least) = (&mut most[..at.len()], &mut least[..at.len()]);
            asked.scorer.score(block.upper_ends.slice(at.start, at.len()), buffers, most);
            if most.iter().all(|&score| found.rules_out(score)) {
                continue;
            }
            block.lower_ends(at.clone(), lower_ends);
            asked.scorer.score(Lists::new(lower_ends, at.len()), buffers, least);
            for ((row, &upper_end), &lower_end) in (block.rows.start + at.start..).zip(&*most).zip(&*least) {
                if !found.rules_out(upper_end)
                    && let Some(row) = archive_row(block.part.runs, row)
                    && let row = block.part.first_row + row
                    && asked.candidates.contain(row)
                {
                    let due = found.wait(Waiting { row, upper_end }, lower_end);
                    self.score_all(asked, due, found);
                }
            }
        }
    }

    /// Scores the waiting rows, beginning with the `k` of the highest upper ends, whose scores mostly rule out
    /// the others.
    fn finish(&self, asked: &Asked<'_>, found: &Found) {
        let mut best = found.take_waiting();
        let rest = best.split_off(best.len().min(found.k()));
        self.score_all(asked, best, found);
        self.score_all(asked, rest, found);
    }

    /// Scores the rows that may still be in the answer, in their order, so that neighbors are read together.
    fn score_all(&self, asked: &Asked<'_>, mut rows: Vec<Waiting>, found: &Found) {
        rows.retain(|row| !found.rules_out(row.upper_end));
        rows.sort_unstable_by_key(|waiting| waiting.row);
        rows.iter().for_each(|waiting| self.archive.fetch(waiting.row..waiting.row + 1));
        let mut buffers = Buffers::default();
        for Waiting { row, .. } in rows {
            found.score(row, self.score(asked, row, &mut buffers));
        }
    }

    /// Computes the true score of one row.
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

/// Rows of a part, with the upper ends of their similarities to the vectors of one query.
struct Block<'a> {
    part: &'a QuantizedPart<'a>,
    rows: Range<usize>,
    /// The margin of each vector.
    margins: &'a [Margin],
    upper_ends: Lists<'a>,
}

impl Block<'_> {
    /// Computes the lower ends of the similarities of the rows `at` of the block, `[vectors, rows]`.
    fn lower_ends(&self, at: Range<usize>, to: &mut Vec<f32>) {
        to.clear();
        let residuals = &self.part.residuals[self.rows.start + at.start..self.rows.start + at.end];
        for (list, margin) in self.margins.iter().enumerate() {
            let ends = self.upper_ends.slice(at.start, at.len()).list(list);
            to.extend(ends.iter().zip(residuals).map(|(&end, &residual)| margin.lower_end(end, residual)));
        }
    }
}

/// Buffers that a thread reuses from task to task.
#[derive(Default)]
struct Room {
    /// Upper ends, `[lists of all queries, rows]`.
    upper_ends: Vec<f32>,
    groups: Groups,
}

/// Buffers for the largest upper ends of groups, the scores of these, and the lower ends of one group.
#[derive(Default)]
struct Groups {
    largest: Vec<f32>,
    scores: Vec<f32>,
    lower_ends: Vec<f32>,
    buffers: Buffers,
}
