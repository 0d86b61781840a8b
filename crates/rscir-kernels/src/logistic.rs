//! The logarithm of the logistic function, by which evidence is added up.
//!
//! The calling thread computes it: a block of scores takes microseconds.

use crate::isa::{Isa, Kernel};
use crate::normal::exp_of_negative;
use crate::simd::{F64_LANES, Simd};

/// A line `at_zero + slope * score`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Value at a score of 0.
    pub at_zero: f64,
    /// Increase for each unit of the score.
    pub slope: f64,
}

/// Computes `ln sigma(odds(s)) + order(s)` for each score `s`, with `sigma(x) = 1 / (1 + e^-x)`.
///
/// The result never falls as the score rises if neither line does. It is within one unit in the last place of
/// the exact value, also where `sigma` itself rounds to 1.
///
/// # Panics
/// Panics if the lengths differ.
pub fn log_sigmoid_of_scores(scores: &[f32], odds: Affine, order: Affine, out: &mut [f32]) {
    assert_eq!(scores.len(), out.len(), "one value for each score");
    Isa::current().run(LogSigmoid { scores, odds, order, out });
}

/// Computes the sums of `r`, `r x` and `r x^2` over the points `x = first + i step`, with `r = counts[i]
/// sigma(odds(x))`. A step of a fit of two groups needs these sums. They are computed in eight lanes, which
/// are then added in order.
pub fn sigmoid_moments(first: f64, step: f64, counts: &[f64], odds: Affine) -> [f64; 3] {
    Isa::current().run(SigmoidMoments { first, step, counts, odds })
}

struct SigmoidMoments<'a> {
    first: f64,
    step: f64,
    counts: &'a [f64],
    odds: Affine,
}

impl Kernel for SigmoidMoments<'_> {
    type Output = [f64; 3];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [f64; 3] {
        let Self { first, step, counts, odds } = self;
        let mut sums = [[0.0; F64_LANES]; 3];
        let (chunks, rest) = counts.as_chunks::<F64_LANES>();
        let mut add = |lane: usize, place: usize, count: f64| {
            let x = simd.mul_add_f64(place as f64, step, first);
            let r = count * sigmoid(simd, simd.mul_add_f64(x, odds.slope, odds.at_zero));
            sums[0][lane] += r;
            sums[1][lane] += r * x;
            sums[2][lane] += r * x * x;
        };
        for (i, chunk) in chunks.iter().enumerate() {
            for (lane, &count) in chunk.iter().enumerate() {
                add(lane, i * F64_LANES + lane, count);
            }
        }
        for (lane, &count) in rest.iter().enumerate() {
            add(lane, chunks.len() * F64_LANES + lane, count);
        }
        sums.map(|lanes| lanes.iter().sum())
    }
}

/// Computes `sigma(x)` without a branch.
#[inline(always)]
fn sigmoid<S: Simd>(simd: S, x: f64) -> f64 {
    let u = exp_of_negative(simd, -bounded(x));
    let above = if x < 0.0 { u } else { 1.0 };
    above / (1.0 + u)
}

/// Returns `|x|`, or 708 if it is greater: `e^-x` then stays within the normal numbers of f64. NaN stays NaN.
#[inline(always)]
fn bounded(x: f64) -> f64 {
    const FAR: f64 = 708.0;
    if x.abs() > FAR { FAR } else { x.abs() }
}

struct LogSigmoid<'a> {
    scores: &'a [f32],
    odds: Affine,
    order: Affine,
    out: &'a mut [f32],
}

impl Kernel for LogSigmoid<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { odds, order, .. } = self;
        for (out, &score) in self.out.iter_mut().zip(self.scores) {
            let score = f64::from(score);
            let x = simd.mul_add_f64(score, odds.slope, odds.at_zero);
            *out = (log_sigmoid(simd, x) + simd.mul_add_f64(score, order.slope, order.at_zero)) as f32;
        }
    }
}

/// Computes `ln sigma(x) = min(x, 0) - ln(1 + e^-|x|)` without a branch, so that compilers turn the loop
/// around it into vector instructions.
///
/// With `s = u / (2 + u)`, `ln(1 + u) = 2 (s + s^3 / 3 + s^5 / 5 + ...)`, where `s` is at most 1/3. The terms
/// after the eleventh are below 3e-12 of the sum. In f64, the results of neighboring f32 differ by more than
/// the rounding, which keeps the function monotone.
#[inline(always)]
fn log_sigmoid<S: Simd>(simd: S, x: f64) -> f64 {
    let u = exp_of_negative(simd, -bounded(x));
    let s = u / (2.0 + u);
    let square = s * s;
    let mut sum = 1.0 / 21.0;
    for odd in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = simd.mul_add_f64(sum, square, 1.0 / odd);
    }
    let below = if x > 0.0 { 0.0 } else { x };
    below - 2.0 * s * sum
}
