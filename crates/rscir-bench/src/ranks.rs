//! Computes the ranks of some rows of a ranking without sorting it.

use std::ops::Range;

use rscir_core::TopK;
use rscir_kernels::{BinSet, Binning, count_above};

/// Number of rows that are scored at a time. Their scores and bins and the histogram fit into a first-level
/// cache.
const CHUNK: usize = 1024;

const BINS: usize = Binning::BINS;

/// Number of bins that share an entry in the table of the relevant rows' places.
const GROUP: usize = 4;

/// Number of relevant rows up to which comparing each with the whole list is faster than the histogram.
const FEW: usize = 24;

/// The scores of an archive's rows, which are computed when they are read.
pub(crate) trait Scores {
    /// Returns the number of rows.
    fn len(&self) -> usize;

    /// Writes the scores of a range of rows into `out`, which has the length of the range.
    fn write(&self, rows: Range<usize>, out: &mut [f32]);

    /// Writes the scores of `rows` into `out`, which has their length.
    fn gather(&mut self, rows: &[usize], out: &mut [f32]);
}

/// Scores that are already computed.
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

/// Counts ranks. Its buffers are reused from list to list.
pub(crate) struct Counter {
    relevant_scores: Vec<f32>,
    scores: Box<[f32; CHUNK]>,
    compared: Compared,
    binned: Binned,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            relevant_scores: Vec::new(),
            scores: Box::new([0.0; CHUNK]),
            compared: Compared::default(),
            binned: Binned::default(),
        }
    }
}

impl Counter {
    /// Returns the rows `relevant`, which are below 2^31, with their ranks from 1, in the order of the
    /// ranking: higher scores first, then lower rows. It also offers every row to `top`. NaN ranks below all
    /// numbers.
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
        let binning = if relevant.len() <= FEW { None } else { span(&self.relevant_scores) };
        match binning {
            Some(binning) => self.binned.start(binning, &self.relevant_scores, relevant),
            None => self.compared.start(&self.relevant_scores, relevant),
        }
        for start in (0..scores.len()).step_by(CHUNK) {
            let rows = start..scores.len().min(start + CHUNK);
            let chunk = &mut self.scores[..rows.len()];
            scores.write(rows, chunk);
            if let Some(top) = top.as_deref_mut() {
                offer(top, chunk, start);
            }
            match binning {
                Some(binning) => self.binned.count(binning, chunk, start),
                None => self.compared.count(chunk, start),
            }
        }
        ranks.clear();
        match binning {
            Some(_) => self.binned.collect(ranks),
            None => self.compared.collect(ranks),
        }
        Ok(())
    }
}

/// Makes bins over the span of the relevant scores. Returns `None` if the span is empty.
fn span(relevant: &[f32]) -> Option<Binning> {
    let low = relevant.iter().copied().fold(f32::INFINITY, f32::min);
    let high = relevant.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    Binning::over(low, high)
}

/// Counts ranks by comparing each relevant row with all others.
#[derive(Default)]
struct Compared {
    /// Relevant rows in ascending order, and their scores.
    rows: Vec<usize>,
    scores: Vec<f32>,
    /// Number of rows that rank before each relevant row.
    before: Vec<u32>,
}

impl Compared {
    fn start(&mut self, scores: &[f32], rows: &[usize]) {
        let mut relevant: Vec<(f32, usize)> = scores.iter().copied().zip(rows.iter().copied()).collect();
        relevant.sort_unstable_by_key(|&(_, row)| row);
        (self.scores, self.rows) = relevant.into_iter().unzip();
        self.before.clear();
        self.before.resize(self.rows.len(), 0);
    }

    /// Counts a chunk of rows, from row `start`. Among rows with the score of a relevant row, the earlier
    /// ones rank before it.
    fn count(&mut self, scores: &[f32], start: usize) {
        let end = start + scores.len();
        let [first, last] = [start, end].map(|bound| self.rows.partition_point(|&row| row < bound));
        count_above(scores, &self.scores[..first], false, &mut self.before[..first]);
        count_above(scores, &self.scores[last..], true, &mut self.before[last..]);
        for i in first..last {
            let (earlier, later) = scores.split_at(self.rows[i] - start);
            count_above(earlier, &self.scores[i..=i], true, &mut self.before[i..=i]);
            count_above(later, &self.scores[i..=i], false, &mut self.before[i..=i]);
        }
    }

    fn collect(&self, ranks: &mut Vec<(usize, usize)>) {
        ranks.extend(self.rows.iter().zip(&self.before).map(|(&row, &before)| (row, before as usize + 1)));
        ranks.sort_unstable_by_key(|&(_, rank)| rank);
    }
}

/// Counts ranks by a histogram of all scores. Only the rows of bins that hold a relevant row are compared
/// with it.
struct Binned {
    /// Keys of the relevant rows, best first.
    keys: Vec<u64>,
    /// Bins of the relevant rows.
    key_bins: Vec<u16>,
    /// The bins with a relevant row.
    occupied: BinSet,
    /// For each group of bins, the index in `keys` after its last relevant row, which is the first of the
    /// group below it.
    ends: Box<[u32; BINS / GROUP + 1]>,
    /// Number of rows by bin since they were last added to `before`. The total is below 2^16.
    histogram: Box<[u16; BINS]>,
    counted: usize,
    /// `before[i]` is the number of rows that rank before relevant row `i`, or are it, but do not rank before
    /// `i - 1`.
    before: Vec<u32>,
    bins: Box<[u16; CHUNK]>,
    /// The rows of a chunk that lie in occupied bins, as one bit each and as positions.
    candidates: [u64; CHUNK / 64],
    positions: [u16; CHUNK + 64],
}

impl Default for Binned {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            key_bins: Vec::new(),
            occupied: BinSet::default(),
            ends: Box::new([0; BINS / GROUP + 1]),
            histogram: Box::new([0; BINS]),
            counted: 0,
            before: Vec::new(),
            bins: Box::new([0; CHUNK]),
            candidates: [0; CHUNK / 64],
            positions: [0; CHUNK + 64],
        }
    }
}

impl Binned {
    fn start(&mut self, binning: Binning, scores: &[f32], rows: &[usize]) {
        self.sort(binning, scores, rows);
        self.occupied.clear();
        for &bin in &self.key_bins {
            self.occupied.insert(bin.into());
        }
        self.before.clear();
        self.before.resize(self.keys.len() + 1, 0);
        self.histogram.fill(0);
        self.counted = 0;
    }

    /// Sorts the relevant rows by counting into groups of bins, which usually leaves at most one to a group.
    fn sort(&mut self, binning: Binning, scores: &[f32], rows: &[usize]) {
        let Self { keys, key_bins, ends, .. } = self;
        key_bins.resize(scores.len(), 0);
        binning.bins(scores, key_bins);
        ends.fill(0);
        for &bin in &*key_bins {
            ends[group(bin)] += 1;
        }
        let mut better = 0;
        for end in ends.iter_mut().rev() {
            let own = *end;
            *end = better;
            better += own;
        }
        keys.resize(scores.len(), 0);
        for ((&score, &row), &bin) in scores.iter().zip(rows).zip(&*key_bins) {
            let end = &mut ends[group(bin)];
            keys[*end as usize] = key(score, row);
            *end += 1;
        }
        for i in 1..keys.len() {
            if keys[i - 1] > keys[i] {
                let group = group(binning.bin(score_of(keys[i])) as u16);
                keys[ends[group + 1] as usize..ends[group] as usize].sort_unstable();
            }
        }
        for (bin, &key) in key_bins.iter_mut().zip(&*keys) {
            *bin = binning.bin(score_of(key)) as u16;
        }
    }

    /// Counts a chunk of rows, from row `start`.
    fn count(&mut self, binning: Binning, scores: &[f32], start: usize) {
        if self.counted + scores.len() > usize::from(u16::MAX) {
            self.add_up();
        }
        self.counted += scores.len();
        let Self { keys, occupied, ends, histogram, before, bins, candidates, positions, .. } = self;
        // As slices they stay in registers.
        let (keys, before) = (&keys[..], &mut before[..]);
        let (ends, histogram) = (&**ends, &mut **histogram);
        let bins = &mut bins[..scores.len()];
        binning.bins(scores, bins);
        for &bin in &*bins {
            histogram[usize::from(bin) % BINS] += 1;
        }
        let candidates = &mut candidates[..scores.len().div_ceil(64)];
        occupied.find(bins, candidates);
        for &i in positions_of(candidates, positions) {
            let (score, bin) = (scores[usize::from(i)], bins[usize::from(i)]);
            let key = key(score, start + usize::from(i));
            let place = ends[group(bin) + 1] as usize;
            before[place + better_than(key, &keys[place..])] += 1;
        }
    }

    /// Adds the histogram to `before`, without the rows in occupied bins, which are already counted.
    fn add_up(&mut self) {
        let Self { key_bins, histogram, before, counted, .. } = self;
        for &bin in &*key_bins {
            histogram[usize::from(bin) % BINS] = 0;
        }
        let all = sum_up(histogram);
        let mut passed = 0;
        for (&bin, before) in key_bins.iter().zip(before) {
            let above = all - u32::from(histogram[usize::from(bin) % BINS]);
            *before += above - passed;
            passed = above;
        }
        histogram.fill(0);
        *counted = 0;
    }

    fn collect(&mut self, ranks: &mut Vec<(usize, usize)>) {
        self.add_up();
        let mut rank = 0;
        for (&key, &before) in self.keys.iter().zip(&self.before) {
            rank += before as usize;
            ranks.push((row_of(key), rank));
        }
    }
}

/// Returns the positions of set bits. They are written eight at a time, whatever their number, so that few
/// branches depend on it.
fn positions_of<'a>(words: &[u64], out: &'a mut [u16; CHUNK + 64]) -> &'a [u16] {
    const TOGETHER: usize = 8;
    let mut len = 0;
    for (start, &word) in (0..).step_by(64).zip(words) {
        let (mut bits, mut end) = (word, len);
        while bits != 0 {
            for position in &mut out[end..end + TOGETHER] {
                *position = start + bits.trailing_zeros() as u16;
                bits &= bits.wrapping_sub(1);
            }
            end += TOGETHER;
        }
        len += word.count_ones() as usize;
    }
    &out[..len]
}

/// Returns the group of a bin.
#[inline]
fn group(bin: u16) -> usize {
    usize::from(bin) % BINS / GROUP
}

/// Replaces each counter by the sum of the counters up to it, and returns the sum of all, which must be below
/// 2^16.
fn sum_up(counters: &mut [u16; BINS]) -> u32 {
    // A word holds four counters. Multiplication by this number adds to each counter those below it.
    const ONES: u64 = 0x0001_0001_0001_0001;
    let mut below = 0;
    for four in counters.as_chunks_mut::<4>().0 {
        let [a, b, c, d] = four.map(u64::from);
        let sums = (d << 48 | c << 32 | b << 16 | a).wrapping_mul(ONES);
        let all = sums + below * ONES;
        *four = [all as u16, (all >> 16) as u16, (all >> 32) as u16, (all >> 48) as u16];
        below += sums >> 48;
    }
    below as u32
}

/// Returns how many of `members`, which ascend, are below `key`. Usually that is none or one, and then the
/// last of the first few is not below it.
#[inline]
fn better_than(key: u64, members: &[u64]) -> usize {
    const NEAR: usize = 4;
    match members.first_chunk::<NEAR>() {
        // The sum has no branch, which would be mispredicted.
        Some(near) if near[NEAR - 1] >= key => near.iter().map(|member| usize::from(*member < key)).sum(),
        _ => members.partition_point(|member| *member < key),
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

/// Returns the place of a row in a ranking as a number that is lower for a better place. The upper half holds
/// the score, which is not NaN, so that a higher score gives a lower number; the lower half holds the row.
fn key(score: f32, row: usize) -> u64 {
    // Adding 0 makes the two zeros equal. Then floats order like integers once the bits of negative ones are
    // flipped.
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
    fn more_rows_than_a_counter_holds() {
        // Every second row has one score, between those of the others.
        let score =
            |i: u32| if i.is_multiple_of(2) { 500.5 } else { (i.wrapping_mul(2_654_435_761) % 991) as f32 };
        let scores: Vec<f32> = (0..300_000).map(score).collect();
        // Without relevant rows in the full bin, and with some.
        for step in [5_998, 5_999] {
            let relevant: Vec<usize> = (1..300_000).step_by(step).collect();
            assert_eq!(counted(&scores, &relevant), by_sorting(&scores, &relevant));
        }
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
