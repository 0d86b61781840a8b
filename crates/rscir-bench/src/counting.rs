//! Ranks of some rows of a score list without sorting it.

use rscir_core::Scored;

/// Up to this many relevant rows, comparing each with the whole list is the fastest: the comparison vectorises.
const FEW: usize = 12;

/// Bins of the histogram for more: enough that few rows share a bin with a relevant one, few enough for a first-level
/// cache.
const BINS: usize = 2048;

/// Room that is used again from list to list.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    bins: Vec<u16>,
    candidates: Vec<u32>,
    relevant: Vec<Scored>,
}

impl Counter {
    /// The ranks, from 1 and ascending, of the rows `relevant` in the ranking of `scores`: score down, then row up.
    ///
    /// `scores` holds no NaN.
    pub(crate) fn ranks(&mut self, scores: &[f32], relevant: &[usize], ranks: &mut Vec<usize>) {
        ranks.clear();
        if relevant.len() <= FEW {
            ranks.extend(relevant.iter().map(|&row| 1 + rows_before(scores, row)));
            ranks.sort_unstable();
            return;
        }
        self.relevant.clear();
        self.relevant.extend(relevant.iter().map(|&row| Scored { row, score: scores[row] }));
        self.relevant.sort_unstable_by(Scored::rank_cmp);
        self.count(scores, ranks);
    }

    /// Counts by a histogram over the span of the relevant scores, then exactly within the bins that hold one.
    fn count(&mut self, scores: &[f32], ranks: &mut Vec<usize>) {
        let (Some(best), Some(worst)) = (self.relevant.first(), self.relevant.last()) else { return };
        let (low, span) = (worst.score, best.score - worst.score);
        // Monotone in the score: subtraction, multiplication by a positive number and truncation all are. Bin 0 takes what
        // lies below every relevant score, the last bin what lies above. Without a span only equality matters; with an
        // infinite one, everything is looked at exactly.
        let scale = if span > 0.0 { (BINS - 3) as f32 / span } else { f32::MAX };
        let bin = |score: f32| {
            if span.is_finite() {
                ((score - low) * scale + 1.0).clamp(0.0, (BINS - 1) as f32) as u16
            } else {
                1
            }
        };
        self.bins.clear();
        self.bins.extend(scores.iter().map(|&score| bin(score)));
        let mut histogram = [0u32; BINS];
        for &bin in &self.bins {
            histogram[usize::from(bin) % BINS] += 1;
        }
        let mut holds_relevant = [0u8; BINS];
        for scored in &self.relevant {
            holds_relevant[usize::from(bin(scored.score)) % BINS] = 1;
        }
        // Rows in the bins that need an exact look.
        self.candidates.resize(scores.len() + 1, 0);
        let mut found = 0;
        for (row, &bin) in (0u32..).zip(&self.bins) {
            self.candidates[found] = row;
            found += usize::from(holds_relevant[usize::from(bin) % BINS]);
        }
        let mut candidates: Vec<Scored> = self.candidates[..found]
            .iter()
            .map(|&row| Scored { row: row as usize, score: scores[row as usize] })
            .collect();
        candidates.sort_unstable_by(Scored::rank_cmp);

        // From the best on: all rows of higher bins, then the candidates before the relevant one within its bin.
        let mut above = 0usize;
        let mut next_bin = BINS;
        let (mut bin_start, mut candidate) = (0, 0);
        for scored in &self.relevant {
            let own = usize::from(bin(scored.score));
            while next_bin > own + 1 {
                next_bin -= 1;
                above += histogram[next_bin] as usize;
            }
            while usize::from(bin(candidates[bin_start].score)) > own {
                bin_start += 1;
            }
            candidate = candidate.max(bin_start);
            while candidates[candidate].rank_cmp(scored).is_lt() {
                candidate += 1;
            }
            ranks.push(1 + above + candidate - bin_start);
        }
    }
}

/// How many rows rank before `row`.
fn rows_before(scores: &[f32], row: usize) -> usize {
    let own = scores[row];
    let (earlier, later) = scores.split_at(row);
    let count = |scores: &[f32], before: fn(f32, f32) -> bool| -> usize {
        scores
            .chunks(1 << 14)
            .map(|c| c.iter().map(|&s| u32::from(before(s, own))).sum::<u32>() as usize)
            .sum()
    };
    count(earlier, |s, own| s >= own) + count(later, |s, own| s > own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_sorting(scores: &[f32], relevant: &[usize]) -> Vec<usize> {
        let ranking = rscir_core::top_k(scores, scores.len());
        let mut ranks: Vec<usize> =
            relevant.iter().map(|row| 1 + ranking.iter().position(|s| s.row == *row).unwrap()).collect();
        ranks.sort_unstable();
        ranks
    }

    proptest! {
        #[test]
        fn equals_sorting(
            scores in prop::collection::vec(prop_oneof![-1.0f32..1.0, (-3i8..3).prop_map(f32::from), Just(-0.0)], 1..300),
            chosen in prop::collection::btree_set(0usize..300, 0..80),
        ) {
            let relevant: Vec<usize> = chosen.into_iter().filter(|row| *row < scores.len()).collect();
            let mut ranks = Vec::new();
            Counter::default().ranks(&scores, &relevant, &mut ranks);
            prop_assert_eq!(ranks, by_sorting(&scores, &relevant));
        }
    }

    #[test]
    fn infinite_and_equal_scores() {
        let mut scores = vec![0.5f32; 100];
        scores[3] = f32::INFINITY;
        scores[4] = f32::NEG_INFINITY;
        for relevant in [(10..40).collect::<Vec<_>>(), (0..20).collect(), vec![3, 4]] {
            let mut ranks = Vec::new();
            Counter::default().ranks(&scores, &relevant, &mut ranks);
            assert_eq!(ranks, by_sorting(&scores, &relevant));
        }
    }
}
