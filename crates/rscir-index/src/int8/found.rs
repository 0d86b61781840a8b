use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rscir_core::{Scored, TopK};

/// Rows of one query that may wait for their score before some of them are scored. The limit keeps the memory
/// small (64 KB) for archives whose rows 8 bits cannot tell apart.
const WAITING: usize = 4096;

/// What all threads together have found for one query.
pub(super) struct Found {
    state: Mutex<State>,
    /// Bits of the limit: no row with a lower score is in the answer. Begins at negative infinity and rises.
    least: AtomicU32,
}

struct State {
    k: usize,
    /// The best lower ends of scores of rows that waited.
    lower_ends: TopK,
    /// The best scores of the rows that were scored.
    scores: TopK,
    waiting: Vec<Waiting>,
    /// Number of rows that may wait.
    room: usize,
}

/// A row whose score is not computed yet.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    pub(super) row: usize,
    /// Upper end of the score.
    pub(super) upper_end: f32,
}

impl Found {
    pub(super) fn new(k: usize) -> Self {
        let state = State {
            k,
            lower_ends: TopK::new(k),
            scores: TopK::new(k),
            waiting: Vec::new(),
            // An answer has k rows, and several rows wait for each of them.
            room: WAITING.max(k.saturating_mul(8)),
        };
        Self { state: Mutex::new(state), least: AtomicU32::new(f32::NEG_INFINITY.to_bits()) }
    }

    /// Tells whether a row with this upper end of its score cannot be in the answer.
    pub(super) fn rules_out(&self, upper_end: f32) -> bool {
        // A comparison with NaN is false, so a row with NaN is not ruled out, but scored.
        upper_end < f32::from_bits(self.least.load(Relaxed))
    }

    /// Adds a row whose score lies between two ends. Returns rows that must be scored now, if too many wait.
    #[must_use]
    pub(super) fn wait(&self, row: Waiting, lower_end: f32) -> Vec<Waiting> {
        let mut state = self.state();
        state.lower_ends.offer(row.row, lower_end);
        state.waiting.push(row);
        self.raise(&state);
        if state.waiting.len() < state.room {
            return Vec::new();
        }
        state.waiting.retain(|row| !self.rules_out(row.upper_end));
        // Afterwards half of the room or all of it is free, so this happens seldom.
        if state.waiting.len() <= state.room / 2 { Vec::new() } else { std::mem::take(&mut state.waiting) }
    }

    /// Adds the score of a row.
    pub(super) fn score(&self, row: usize, score: f32) {
        let mut state = self.state();
        state.scores.offer(row, score);
        self.raise(&state);
    }

    /// Takes all waiting rows that may be in the answer, those with the highest upper ends first.
    pub(super) fn take_waiting(&self) -> Vec<Waiting> {
        let mut waiting = std::mem::take(&mut self.state().waiting);
        waiting.retain(|row| !self.rules_out(row.upper_end));
        waiting.sort_unstable_by(|a, b| b.upper_end.total_cmp(&a.upper_end).then(a.row.cmp(&b.row)));
        waiting
    }

    /// Returns the best rows, after all waiting rows were scored.
    pub(super) fn into_ranking(self) -> Vec<Scored> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).scores.into_ranking()
    }

    /// Returns the number of rows that the answer may have.
    pub(super) fn k(&self) -> usize {
        self.state().k
    }

    /// Raises the limit. At least `k` rows have scores of at least the worst of the best lower ends, and at least
    /// `k` rows scores of at least the worst of the best scores, so the higher of the two is a limit.
    fn raise(&self, state: &State) {
        for best in [&state.lower_ends, &state.scores] {
            if let Some(worst) = best.threshold()
                && worst.score > f32::from_bits(self.least.load(Relaxed))
            {
                self.least.store(worst.score.to_bits(), Relaxed);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // Rows are offered with ends around their scores, in any order. The answer is that of the scores,
        // whatever the room.
        #[test]
        fn the_best_scores_are_found_by_their_ends(
            scores in prop::collection::vec((-20i8..20, 0u8..8, 0u8..8), 0..300),
            k in 1usize..12,
            room in 1usize..40,
        ) {
            let found = Found::new(k);
            found.state().room = room;
            let score = |row: usize| f32::from(scores[row].0);
            let mut computed = 0;
            let mut compute = |rows: Vec<Waiting>| {
                computed += rows.len();
                rows.into_iter().for_each(|row| found.score(row.row, score(row.row)));
            };
            for (row, &(_, above, below)) in scores.iter().enumerate() {
                let upper_end = score(row) + f32::from(above);
                if !found.rules_out(upper_end) {
                    compute(found.wait(Waiting { row, upper_end }, score(row) - f32::from(below)));
                }
            }
            compute(found.take_waiting());
            prop_assert!(found.take_waiting().is_empty());
            let mut expected = TopK::new(k);
            (0..scores.len()).for_each(|row| expected.offer(row, score(row)));
            prop_assert_eq!(found.into_ranking(), expected.into_ranking());
            prop_assert!(computed <= scores.len());
        }
    }

    #[test]
    fn what_is_no_number_rules_nothing_out_and_is_not_ruled_out() {
        let found = Found::new(1);
        assert!(found.wait(Waiting { row: 0, upper_end: f32::NAN }, f32::NAN).is_empty());
        assert!(!found.rules_out(f32::NEG_INFINITY));
        assert!(found.wait(Waiting { row: 1, upper_end: 2.0 }, 1.0).is_empty());
        assert!(found.rules_out(0.5) && !found.rules_out(1.0) && !found.rules_out(f32::NAN));
        assert_eq!(found.take_waiting().len(), 2);
    }
}
