use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A row of an archive with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Row of the archive.
    pub row: usize,
    /// Its score, higher is better.
    pub score: f32,
}

impl Scored {
    /// Compares in the order of every ranking here: score down, then row up. Total: NaN ranks below all numbers, and the two
    /// zeros are equal.
    pub fn rank_cmp(&self, other: &Self) -> Ordering {
        compare_scores(other.score, self.score).then(self.row.cmp(&other.row))
    }
}

/// Numbers in their order, NaN below them all.
fn compare_scores(a: f32, b: f32) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// Heap entry whose greatest element is the worst of the ranking.
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
/// The result does not depend on the order in which rows come, so parts of an archive may be scored by different
/// threads and merged.
pub struct TopK {
    k: usize,
    heap: BinaryHeap<Worst>,
}

impl TopK {
    /// Makes a list for the `k` best.
    pub fn new(k: usize) -> Self {
        // Nothing is reserved: k may be "all", far above the number of rows.
        Self { k, heap: BinaryHeap::new() }
    }

    /// Offers one row.
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

    /// Offers all that another one kept.
    pub fn merge(&mut self, other: Self) {
        for Worst(s) in other.heap {
            self.offer(s.row, s.score);
        }
    }

    /// Returns the worst that is kept, once `k` rows are: nothing ranking behind it can enter.
    pub fn threshold(&self) -> Option<Scored> {
        if self.heap.len() < self.k { None } else { self.heap.peek().map(|w| w.0) }
    }

    /// Returns the kept rows, best first.
    pub fn into_ranking(self) -> Vec<Scored> {
        self.heap.into_sorted_vec().into_iter().map(|w| w.0).collect()
    }
}

/// Returns the `k` best rows of a score list, best first: score down, row up.
pub fn top_k(scores: &[f32], k: usize) -> Vec<Scored> {
    let mut top = TopK::new(k.min(scores.len()));
    /// Scores that are compared with the worst together.
    const TOGETHER: usize = 64;
    let mut worst = None;
    for (i, chunk) in scores.chunks(TOGETHER).enumerate() {
        // What is not a number is not behind: the ranking puts it in its place. Rows rise, so what ties is behind.
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
