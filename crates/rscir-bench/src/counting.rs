//! Ranks of some rows of a ranking without sorting it.

use std::ops::Range;

use rscir_core::TopK;

/// Rows scored at a time: their scores and bins stay in a first-level cache. A power of two.
const CHUNK: usize = 2048;

/// Bins of the histogram: enough that few rows share one with a relevant row, few enough for a first-level cache. A power of
/// two.
const BINS: usize = 4096;

/// Marks the bins that hold a relevant row; the other bits count.
const OCCUPIED: u32 = 1 << 31;

/// Up to this many relevant rows, comparing each with the whole list is faster than the histogram.
const FEW: usize = 10;

/// The scores of an archive's rows, computed when they are looked at.
pub(crate) trait Scores {
    /// Number of rows.
    fn len(&self) -> usize;

    /// Writes the scores of a range of rows into `out`, of the range's length.
    fn write(&self, rows: Range<usize>, out: &mut [f32]);

    /// Writes the scores of some rows into `out`, of their number.
    fn gather(&mut self, rows: &[usize], out: &mut [f32]);
}

/// Scores that are there already.
impl Scores for &[f32] {
    fn len(&self) -> usize {
        <[f32]>::len(self)
    }

    fn write(&self, rows: Range<usize>, out: &mut [f32]) {
        out.copy_from_slice(&self[rows]);
    }

    fn gather(&mut self, rows: &[usize], out: &mut [f32]) {
        for (score, &row) in out.iter_mut().zip(rows) {
            *score = self[row];
        }
    }
}

/// Counts ranks; its room is used again from list to list.
pub(crate) struct Counter {
    /// Of the relevant rows, best first.
    keys: Vec<u64>,
    relevant_scores: Vec<f32>,
    scores: Box<[f32; CHUNK]>,
    bins: Box<[u16; CHUNK]>,
    candidates: Box<[u16; CHUNK]>,
    histogram: Box<[u32; BINS]>,
    /// For each occupied bin, which of `keys` lie in it.
    members: Box<[(u32, u32); BINS]>,
    /// `before[i]`: rows that rank before relevant row `i`, or are it, but do not rank before `i - 1`; with bins, those in
    /// occupied ones alone.
    before: Vec<u32>,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            relevant_scores: Vec::new(),
            scores: Box::new([0.0; CHUNK]),
            bins: Box::new([0; CHUNK]),
            candidates: Box::new([0; CHUNK]),
            histogram: Box::new([0; BINS]),
            members: Box::new([(0, 0); BINS]),
            before: Vec::new(),
        }
    }
}

impl Counter {
    /// The rows `relevant`, below 2^31, in the order of the ranking, score down, then row up, with their ranks from 1. Also
    /// offers every row to `top`. A NaN ranks below all numbers.
    ///
    /// # Errors
    /// The first of `relevant` whose score is NaN.
    pub(crate) fn ranks(
        &mut self,
        scores: &mut impl Scores,
        relevant: &[usize],
        mut top: Option<&mut TopK>,
        ranks: &mut Vec<(usize, usize)>,
    ) -> Result<(), usize> {
        self.relevant_scores.resize(relevant.len(), 0.0);
        scores.gather(relevant, &mut self.relevant_scores);
        if let Some(i) = self.relevant_scores.iter().position(|score| score.is_nan()) {
            return Err(relevant[i]);
        }
        self.keys.clear();
        self.keys.extend(self.relevant_scores.iter().zip(relevant).map(|(&score, &row)| key(score, row)));
        self.keys.sort_unstable();
        self.before.clear();
        self.before.resize(relevant.len() + 1, 0);

        let binning = if relevant.len() <= FEW { None } else { Binning::over(&self.relevant_scores) };
        if let Some(binning) = binning {
            self.occupy(binning);
        }
        for start in (0..scores.len()).step_by(CHUNK) {
            let rows = start..scores.len().min(start + CHUNK);
            let len = rows.len();
            scores.write(rows, &mut self.scores[..len]);
            if let Some(top) = top.as_deref_mut() {
                offer(top, &self.scores[..len], start);
            }
            match binning {
                Some(binning) => self.count_by_bin(binning, start, len),
                None => compare_each(&self.keys, &self.scores[..len], start, &mut self.before),
            }
        }
        self.collect(binning, ranks);
        Ok(())
    }

    /// Marks the bins of the relevant rows.
    fn occupy(&mut self, binning: Binning) {
        self.histogram.fill(0);
        for (i, &key) in (0u32..).zip(&self.keys) {
            let bin = usize::from(binning.bin(score_of(key))) % BINS;
            if self.histogram[bin] == 0 {
                self.histogram[bin] = OCCUPIED;
                self.members[bin].0 = i;
            }
            self.members[bin].1 = i + 1;
        }
    }

    /// Counts a chunk of rows, from `start` on: by bin, and within an occupied bin by comparing with its relevant rows.
    fn count_by_bin(&mut self, binning: Binning, start: usize, len: usize) {
        let scores = &self.scores[..len];
        let bins = &mut self.bins[..len];
        binning.bins(scores, bins);
        let mut found = 0;
        for (i, &bin) in (0u16..).zip(&*bins) {
            let count = &mut self.histogram[usize::from(bin) % BINS];
            self.candidates[found % CHUNK] = i;
            // Without a branch: it could not be foretold.
            found += (*count >> 31) as usize;
            *count += 1;
        }
        for &i in &self.candidates[..found] {
            let i = usize::from(i);
            let key = key(scores[i], start + i);
            let (first, end) = self.members[usize::from(bins[i]) % BINS];
            let members = &self.keys[first as usize..end as usize];
            self.before[first as usize + members.partition_point(|member| *member < key)] += 1;
        }
    }

    /// Adds the counts up, from the best relevant row to the worst.
    fn collect(&mut self, binning: Option<Binning>, ranks: &mut Vec<(usize, usize)>) {
        if binning.is_some() {
            // From here on a bin has the rows in unoccupied bins above it.
            let mut above = 0;
            for count in self.histogram.iter_mut().rev() {
                let own = if *count & OCCUPIED == 0 { *count } else { 0 };
                *count = above;
                above += own;
            }
        }
        let mut within = 0;
        ranks.clear();
        for (&key, &before) in self.keys.iter().zip(&self.before) {
            let above = binning.map_or(0, |b| self.histogram[usize::from(b.bin(score_of(key))) % BINS]);
            within += before;
            ranks.push((row_of(key), (above + within) as usize));
        }
    }
}

/// Adds to `before[i]` the rows of a chunk that rank before relevant row `i`, or are it, but do not rank before `i - 1`.
fn compare_each(keys: &[u64], scores: &[f32], start: usize, before: &mut [u32]) {
    let mut counted = 0;
    for (&key, before) in keys.iter().zip(before) {
        let own = score_of(key);
        // Of rows with an equal score, the earlier ones and the row itself count.
        let earlier = (row_of(key) + 1).saturating_sub(start).min(scores.len());
        let (earlier, later) = scores.split_at(earlier);
        let count = earlier.iter().map(|&s| u32::from(s >= own)).sum::<u32>()
            + later.iter().map(|&s| u32::from(s > own)).sum::<u32>();
        *before += count - counted;
        counted = count;
    }
}

/// Offers a chunk to a heap that most rows do not enter.
fn offer(top: &mut TopK, scores: &[f32], start: usize) {
    for (row, &score) in (start..).zip(scores) {
        if top.threshold().is_none_or(|worst| score > worst.score) {
            top.offer(row, score);
        }
    }
}

/// A row's place in a ranking as a number: the lower, the better. The score, which is no NaN, stands in the upper half so that
/// greater scores give lower numbers, the row in the lower half.
fn key(score: f32, row: usize) -> u64 {
    // Adding 0 makes the two zeros one. Then floats order as integers do, once the bits of negative ones are turned.
    let bits = (score + 0.0).to_bits();
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(!ascending) << 32 | row as u64
}

fn score_of(key: u64) -> f32 {
    let ascending = !((key >> 32) as u32);
    f32::from_bits(if ascending >> 31 == 1 { ascending & !(1 << 31) } else { !ascending })
}

fn row_of(key: u64) -> usize {
    key as u32 as usize
}

/// A map from scores to bins that never falls: bin 0 for what lies below every relevant score, the last bin for what lies
/// above, and the bins between them in equal steps.
#[derive(Debug, Clone, Copy)]
struct Binning {
    low: f32,
    scale: f32,
}

impl Binning {
    /// Over the span of the relevant scores. `None` if they have none, or one that overflows.
    fn over(relevant: &[f32]) -> Option<Self> {
        let low = relevant.iter().copied().fold(f32::INFINITY, f32::min);
        let high = relevant.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let scale = (BINS - 3) as f32 / (high - low);
        (scale.is_finite() && scale > 0.0).then_some(Self { low, scale })
    }

    /// The bins of some scores, by the widest vectors of the machine.
    fn bins(self, scores: &[f32], bins: &mut [u16]) {
        pulp::Arch::new().dispatch(|| {
            for (bin, &score) in bins.iter_mut().zip(scores) {
                *bin = self.bin(score);
            }
        });
    }

    /// Every step rounds, none reverses an order: subtracting, multiplying by a positive number, bounding, adding.
    #[inline(always)]
    fn bin(self, score: f32) -> u16 {
        const LAST: f32 = (BINS - 2) as f32;
        let step = (score - self.low) * self.scale;
        // In this form a bound is one instruction.
        let step = if step < -1.0 { -1.0 } else { step };
        let step = if step > LAST { LAST } else { step };
        // From 2^23 on numbers have no fraction: the nearest integer is left in the low bits, without the range check of a
        // cast.
        (step + (1.0 + 8_388_608.0)).to_bits() as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_sorting(scores: &[f32], relevant: &[usize]) -> Vec<(usize, usize)> {
        let ranking = rscir_core::top_k(scores, scores.len());
        let places = (1..).zip(&ranking).filter(|(_, s)| relevant.contains(&s.row));
        places.map(|(rank, s)| (s.row, rank)).collect()
    }

    fn counted(scores: &[f32], relevant: &[usize]) -> Vec<(usize, usize)> {
        let mut ranks = Vec::new();
        Counter::default().ranks(&mut &*scores, relevant, None, &mut ranks).unwrap();
        ranks
    }

    /// Repeats and halves a few hundred scores, to fill several chunks.
    fn lengthened(scores: &[f32], times: usize) -> Vec<f32> {
        (0..times)
            .flat_map(|time| scores.iter().map(move |s| if time % 2 == 0 { *s } else { s * 0.5 }))
            .collect()
    }

    proptest! {
        #[test]
        fn equals_sorting(
            scores in prop::collection::vec(
                prop_oneof![-1.0f32..1.0, (-3i8..3).prop_map(f32::from), Just(-0.0)],
                1..300,
            ),
            times in 1usize..20,
            exponent in -44i32..38,
            chosen in prop::collection::btree_set(0usize..3000, 0..80),
        ) {
            let scores = lengthened(&scores, times);
            let scores: Vec<f32> = scores.iter().map(|score| score * 10f32.powi(exponent)).collect();
            let relevant: Vec<usize> = chosen.into_iter().filter(|row| *row < scores.len()).collect();
            prop_assert_eq!(counted(&scores, &relevant), by_sorting(&scores, &relevant));
        }

        #[test]
        fn keys_keep_score_and_row(
            score in prop::num::f32::NORMAL | prop::num::f32::ZERO | prop::num::f32::SUBNORMAL,
            row in 0usize..1 << 31,
        ) {
            prop_assert_eq!((score_of(key(score, row)), row_of(key(score, row))), (score, row));
        }

        #[test]
        fn the_best_are_kept_on_the_way(
            scores in prop::collection::vec(-4i8..4, 1..5000),
            k in 0usize..30,
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut top = TopK::new(k);
            Counter::default().ranks(&mut scores.as_slice(), &[0], Some(&mut top), &mut Vec::new()).unwrap();
            prop_assert_eq!(top.into_ranking(), rscir_core::top_k(&scores, k));
        }
    }

    #[test]
    fn infinite_and_equal_scores() {
        let mut scores = vec![0.5f32; 100];
        scores[3] = f32::INFINITY;
        scores[4] = f32::NEG_INFINITY;
        scores[5] = 0.5f32.next_up();
        for relevant in [(10..40).collect::<Vec<_>>(), (0..20).collect(), (4..30).collect(), vec![3, 4]] {
            assert_eq!(counted(&scores, &relevant), by_sorting(&scores, &relevant));
        }
    }

    #[test]
    fn nan_ranks_last_and_is_named_where_it_matters() {
        let mut scores: Vec<f32> = (0..50u8).map(f32::from).collect();
        scores[49] = f32::NAN;
        for relevant in [(0..30).collect::<Vec<_>>(), vec![48]] {
            assert_eq!(counted(&scores, &relevant), by_sorting(&scores, &relevant));
        }
        let outcome = Counter::default().ranks(&mut scores.as_slice(), &[3, 49], None, &mut Vec::new());
        assert_eq!(outcome, Err(49));
    }

    #[test]
    fn a_thousand_relevant_rows_in_one_bin() {
        // One far outlier squeezes all other relevant scores together.
        let scores: Vec<f32> = (0..6000u32)
            .map(|i| if i == 0 { 1e6 } else { (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e8 })
            .collect();
        let relevant: Vec<usize> = (0..6000).step_by(5).collect();
        assert_eq!(counted(&scores, &relevant), by_sorting(&scores, &relevant));
    }
}
