//! Lists of scores: weighted sums, comparison with thresholds, and binning.
//!
//! The calling thread computes them: a list of scores takes microseconds.

use crate::isa::{Isa, Kernel};
#[cfg(target_arch = "x86_64")]
use crate::simd::LANES;
use crate::simd::Simd;

/// Computes `out = weights[0] * a + weights[1] * b`, with each product rounded before the sum.
///
/// # Panics
/// Panics if the lengths differ.
pub fn weighted_sum(a: &[f32], b: &[f32], weights: [f32; 2], out: &mut [f32]) {
    assert!(a.len() == out.len() && b.len() == out.len(), "all lists have one length");
    Isa::current().run(WeightedSum { a, b, weights, out });
}

/// Adds to `counts[i]` the number of scores above `thresholds[i]`, or above or equal to it if `or_equal`. NaN
/// is above nothing.
///
/// # Panics
/// Panics if there is not one count for each threshold, or if a count overflows.
pub fn count_above(scores: &[f32], thresholds: &[f32], or_equal: bool, counts: &mut [u32]) {
    assert_eq!(thresholds.len(), counts.len(), "one count for each threshold");
    assert!(u32::try_from(scores.len()).is_ok(), "fewer than 2^32 scores");
    let above = if or_equal { above_on_this_machine::<true> } else { above_on_this_machine::<false> };
    for (thresholds, counts) in thresholds.chunks(TOGETHER).zip(counts.chunks_mut(TOGETHER)) {
        let mut together = [f32::INFINITY; TOGETHER];
        together[..thresholds.len()].copy_from_slice(thresholds);
        for (count, above) in counts.iter_mut().zip(above(scores, &together)) {
            *count += above;
        }
    }
}

/// A monotone map from scores to bins. Only scores outside its span may be out of order among themselves.
///
/// Scores within the span fall into bins of equal width. Scores below it go to the first [`Binning::OUTSIDE`]
/// bins and scores above it to as many last ones, in turn by position, so that a loop that counts them does
/// not wait for the same counter again and again. NaN is below the span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binning {
    low: f32,
    scale: f32,
}

impl Binning {
    /// Number of bins. Their counters, of 16 bits, fill a third of a first-level cache of 48 kB.
    pub const BINS: usize = 8192;

    /// Number of bins for scores below the span, and for those above it: more than the counts that are in
    /// flight at a time.
    pub const OUTSIDE: usize = 32;

    /// Number of steps from the lowest bin of the span to its highest.
    const STEPS: f32 = (Self::BINS - 2 * Self::OUTSIDE - 1) as f32;

    /// Makes a map whose span is from `low` to `high`. Returns `None` if the span is empty, infinite, or so
    /// narrow or wide that the size of a step is not finite.
    pub fn over(low: f32, high: f32) -> Option<Self> {
        let scale = Self::STEPS / (high - low);
        (scale.is_finite() && scale > 0.0).then_some(Self { low, scale })
    }

    /// Returns the bin of one score of the span.
    #[inline]
    pub fn bin(self, score: f32) -> usize {
        self.bin_at(score, 0) as usize
    }

    /// Writes the bins of scores.
    ///
    /// # Panics
    /// Panics if the lengths differ.
    pub fn bins(self, scores: &[f32], bins: &mut [u16]) {
        assert_eq!(scores.len(), bins.len(), "one bin for each score");
        Isa::current().run(Bins { binning: self, scores, bins });
    }

    /// Returns the bin of a score at a position of its list. Every step rounds, but none reverses an order:
    /// subtraction, multiplication by a positive number, bounds, addition.
    #[inline(always)]
    fn bin_at(self, score: f32, position: u32) -> u32 {
        let step = (score - self.low) * self.scale;
        // In this form a bound is one instruction. NaN is not above -1.
        let step = if step > -1.0 { step } else { -1.0 };
        let step = if step < Self::STEPS + 1.0 { step } else { Self::STEPS + 1.0 };
        // From 2^23 on numbers have no fraction, so the sum leaves the nearest integer in the low bits,
        // without the range check of a cast. 0 is below the span.
        const INTEGERS: f32 = 8_388_608.0;
        let place = (step + (1.0 + INTEGERS)).to_bits() - INTEGERS.to_bits();
        let turn = position % Self::OUTSIDE as u32;
        let above = Self::STEPS as u32 + 2;
        let first = if place == 0 { 0 } else { place + (Self::OUTSIDE as u32 - 1) };
        first + if place == 0 || place == above { turn } else { 0 }
    }
}

/// A set of bins below [`Binning::BINS`].
#[derive(Debug, Clone)]
pub struct BinSet([u16; Binning::BINS / 16]);

impl Default for BinSet {
    fn default() -> Self {
        Self([0; Binning::BINS / 16])
    }
}

impl BinSet {
    /// Removes all bins.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Adds a bin. Returns `false` if the set had it already.
    ///
    /// # Panics
    /// Panics if there is no such bin.
    #[inline]
    pub fn insert(&mut self, bin: usize) -> bool {
        let (word, bit) = (&mut self.0[bin / 16], 1 << (bin % 16));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Finds which of `bins` are in the set: bit `i` of `hits[w]` stands for bin `64 w + i`. A bin is taken
    /// modulo [`Binning::BINS`].
    ///
    /// # Panics
    /// Panics if there is not one word for every 64 bins.
    pub fn find(&self, bins: &[u16], hits: &mut [u64]) {
        assert_eq!(bins.len().div_ceil(64), hits.len(), "one word for every 64 bins");
        let (chunks, rest) = bins.as_chunks::<64>();
        let (hits, rest_hits) = hits.split_at_mut(chunks.len());
        #[cfg(target_arch = "x86_64")]
        if Isa::current().has_avx512() {
            // SAFETY: an `Isa` is current only on a CPU that has its features.
            unsafe { self.find_avx512(chunks, hits) };
            return rest_hits.iter_mut().for_each(|hits| *hits = self.hits(rest));
        }
        for (chunk, hits) in chunks.iter().zip(hits) {
            *hits = self.hits(chunk);
        }
        rest_hits.iter_mut().for_each(|hits| *hits = self.hits(rest));
    }

    /// Returns the bits of at most 64 bins.
    fn hits(&self, bins: &[u16]) -> u64 {
        let bit = |bin: u16| u64::from(self.0[usize::from(bin / 16) % self.0.len()] >> (bin % 16) & 1);
        (0..).zip(bins).map(|(i, &bin)| bit(bin) << i).sum()
    }

    /// Finds the bins with the set in sixteen registers: the upper nine bits of a bin select its word, the
    /// lower four its bit.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn find_avx512(&self, chunks: &[[u16; 64]], hits: &mut [u64]) {
        use std::arch::x86_64::*;
        const HALF: usize = 2 * LANES;
        let (words, _) = self.0.as_chunks::<HALF>();
        let mut table = [_mm512_setzero_si512(); Binning::BINS / 16 / HALF];
        for (register, words) in table.iter_mut().zip(words) {
            // SAFETY: a chunk is 64 readable bytes.
            *register = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
        }
        let (bit_6, bit_7) = (_mm512_set1_epi16(1 << 6), _mm512_set1_epi16(1 << 7));
        let bit_8 = _mm512_set1_epi16(1 << 8);
        let (one, low_bits) = (_mm512_set1_epi16(1), _mm512_set1_epi16(LANES as i16 - 1));
        let half = |bins: &[u16]| {
            // SAFETY: half a chunk is 64 readable bytes.
            let bin = unsafe { _mm512_loadu_si512(bins[..HALF].as_ptr().cast()) };
            let index = _mm512_srli_epi16::<4>(bin);
            // A lookup takes the lower six bits of the index. The three bits above select among the eight
            // lookups.
            let (by_6, by_7) = (_mm512_test_epi16_mask(index, bit_6), _mm512_test_epi16_mask(index, bit_7));
            let by_8 = _mm512_test_epi16_mask(index, bit_8);
            let lookup = |i: usize| _mm512_permutex2var_epi16(table[2 * i], index, table[2 * i + 1]);
            let of_two = |i: usize| _mm512_mask_blend_epi16(by_6, lookup(i), lookup(i + 1));
            let of_four = |i: usize| _mm512_mask_blend_epi16(by_7, of_two(i), of_two(i + 2));
            let word = _mm512_mask_blend_epi16(by_8, of_four(0), of_four(4));
            u64::from(_mm512_test_epi16_mask(word, _mm512_sllv_epi16(one, _mm512_and_si512(bin, low_bits))))
        };
        for (chunk, hits) in chunks.iter().zip(hits) {
            *hits = half(chunk) | half(&chunk[HALF..]) << HALF;
        }
    }
}

struct WeightedSum<'a> {
    a: &'a [f32],
    b: &'a [f32],
    weights: [f32; 2],
    out: &'a mut [f32],
}

impl Kernel for WeightedSum<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let [wa, wb] = self.weights;
        for ((out, &a), &b) in self.out.iter_mut().zip(self.a).zip(self.b) {
            *out = wa * a + wb * b;
        }
    }
}

/// Number of thresholds that are compared for each load of scores.
const TOGETHER: usize = 4;

/// Counts the scores above each threshold, on the fastest instruction set.
fn above_on_this_machine<const OR_EQUAL: bool>(
    scores: &[f32],
    thresholds: &[f32; TOGETHER],
) -> [u32; TOGETHER] {
    #[cfg(target_arch = "x86_64")]
    if Isa::current().has_avx512() {
        // SAFETY: an `Isa` is current only on a CPU that has its features.
        return unsafe { above_avx512::<OR_EQUAL>(scores, thresholds) };
    }
    above::<OR_EQUAL>(scores, thresholds)
}

/// Counts the scores above each threshold, in plain Rust.
fn above<const OR_EQUAL: bool>(scores: &[f32], thresholds: &[f32; TOGETHER]) -> [u32; TOGETHER] {
    thresholds.map(|t| scores.iter().map(|&s| u32::from(if OR_EQUAL { s >= t } else { s > t })).sum())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn above_avx512<const OR_EQUAL: bool>(scores: &[f32], thresholds: &[f32; TOGETHER]) -> [u32; TOGETHER] {
    use std::arch::x86_64::*;
    let mut counts = [_mm512_setzero_si512(); TOGETHER];
    let own = thresholds.map(|t| _mm512_set1_ps(t));
    let one = _mm512_set1_epi32(1);
    let (chunks, rest) = scores.as_chunks::<LANES>();
    for chunk in chunks {
        // SAFETY: a chunk is sixteen readable f32.
        let chunk = unsafe { _mm512_loadu_ps(chunk.as_ptr()) };
        for (count, &own) in counts.iter_mut().zip(&own) {
            let above = if OR_EQUAL {
                _mm512_cmp_ps_mask::<_CMP_GE_OQ>(chunk, own)
            } else {
                _mm512_cmp_ps_mask::<_CMP_GT_OQ>(chunk, own)
            };
            *count = _mm512_mask_add_epi32(*count, above, *count, one);
        }
    }
    let mut sums = above::<OR_EQUAL>(rest, thresholds);
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += _mm512_reduce_add_epi32(count) as u32;
    }
    sums
}

struct Bins<'a> {
    binning: Binning,
    scores: &'a [f32],
    bins: &'a mut [u16],
}

impl Kernel for Bins<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        const TURN: usize = Binning::OUTSIDE;
        let binning = self.binning;
        let (scores, rest) = self.scores.as_chunks::<TURN>();
        let (bins, rest_bins) = self.bins.as_chunks_mut::<TURN>();
        for (scores, bins) in scores.iter().zip(bins) {
            for i in 0..TURN {
                bins[i] = binning.bin_at(scores[i], i as u32) as u16;
            }
        }
        for (i, (&score, bin)) in (0..).zip(rest.iter().zip(rest_bins)) {
            *bin = binning.bin_at(score, i) as u16;
        }
    }
}
