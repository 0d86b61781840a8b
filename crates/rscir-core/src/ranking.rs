use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A row of an archive with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Row of the archive.
    pub row: usize,
    /// Score of the row; higher is better.
    pub score: f32,
}

impl Scored {
    /// Compares in the order of every ranking in this project: higher scores first, then lower rows. The
    /// order is total: NaN ranks below all numbers, and the two zeros are equal.
    pub fn rank_cmp(&self, other: &Self) -> Ordering {
        compare_scores(other.score, self.score).then(self.row.cmp(&other.row))
    }
}

/// Compares two scores as numbers, with NaN below them all.
fn compare_scores(a: f32, b: f32) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// Heap entry. The greatest element of the heap is the worst of the ranking.
#[derive(PartialEq)]
struct Worst(Scored);

impl Eq for Worst {}

impl PartialOrd for Worst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Worst {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.rank_cmp(&other.0)
    }
}

/// Keeps the `k` best of a stream of scored rows.
///
/// The result does not depend on the order in which rows are offered, so that threads may score parts of an
/// archive and merge their lists.
pub struct TopK {
    k: usize,
    heap: BinaryHeap<Worst>,
}

impl TopK {
    /// Makes an empty list for the `k` best rows.
    pub fn new(k: usize) -> Self {
        // No capacity is reserved, because `k` may mean "all" and be far above the number of rows.
        Self { k, heap: BinaryHeap::new() }
    }

    /// Offers one row with its score.
    pub fn offer(&mut self, row: usize, score: f32) {
        let scored = Scored { row, score };
        if self.heap.len() < self.k {
            self.heap.push(Worst(scored));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && scored.rank_cmp(&worst.0).is_lt()
        {
            *worst = Worst(scored);
        }
    }

    /// Offers all rows of another list.
    pub fn merge(&mut self, other: Self) {
        for Worst(s) in other.heap {
            self.offer(s.row, s.score);
        }
    }

    /// Returns the worst row of the list once the list has `k` rows: a row that ranks behind it cannot enter.
    /// `None` before that.
    pub fn threshold(&self) -> Option<Scored> {
        if self.heap.len() < self.k { None } else { self.heap.peek().map(|w| w.0) }
    }

    /// Returns the kept rows, best first.
    pub fn into_ranking(self) -> Vec<Scored> {
        self.heap.into_sorted_vec().into_iter().map(|w| w.0).collect()
    }
}

/// Returns the `k` best rows of a list of scores, best first: higher scores first, then lower rows.
pub fn top_k(scores: &[f32], k: usize) -> Vec<Scored> {
    let mut top = TopK::new(k.min(scores.len()));
    /// Number of scores that are compared with the worst kept score at once.
    const TOGETHER: usize = 64;
    let mut worst = None;
    for (i, chunk) in scores.chunks(TOGETHER).enumerate() {
        // NaN compares as not behind, and the ranking then puts it in its place. Rows ascend, so a tied score
        // is behind.
        if worst.is_some_and(|worst| chunk.iter().fold(true, |behind, score| behind & (*score <= worst))) {
            continue;
        }
        for (row, &score) in (i * TOGETHER..).zip(chunk) {
            top.offer(row, score);
        }
        worst = top.threshold().map(|scored| scored.score);
    }
    top.into_ranking()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_go_to_the_lower_row_and_nan_goes_last() {
        let rows: Vec<_> = top_k(&[0.5, f32::NAN, 0.9, 0.5, -0.0, 0.0], 6).iter().map(|s| s.row).collect();
        assert_eq!(rows, [2, 0, 3, 4, 5, 1]);
        assert!(top_k(&[1.0], 0).is_empty());
        assert_eq!(top_k(&[1.0], usize::MAX).len(), 1);
    }

    proptest! {
        #[test]
        fn equals_a_full_sort_in_any_order_and_in_parts(
            scores in prop::collection::vec(-2i8..3, 0..60),
            k in 0usize..70,
            cut in 0usize..60,
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut all: Vec<_> = scores.iter().enumerate().map(|(row, &score)| Scored { row, score }).collect();
            all.sort_by(Scored::rank_cmp);
            all.truncate(k);
            prop_assert_eq!(&top_k(&scores, k), &all);
            let (mut a, mut b) = (TopK::new(k), TopK::new(k));
            for (row, &score) in scores.iter().enumerate().rev() {
                if row < cut { a.offer(row, score) } else { b.offer(row, score) }
            }
            a.merge(b);
            prop_assert_eq!(a.into_ranking(), all);
        }
    }
}
