//! The logarithm of the logistic function, by which evidence is added up.
//!
//! It runs on the calling thread: a block of scores takes microseconds.

use crate::isa::{Isa, Kernel};
use crate::normal::exp_of_negative;
use crate::simd::Simd;

/// A straight line: `at_zero + slope * score`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Its value at 0.
    pub at_zero: f64,
    /// How much it rises for each unit.
    pub slope: f64,
}

/// `ln sigma(odds(s)) + order(s)` of each score `s`, with `sigma(x) = 1 / (1 + e^-x)`.
///
/// It never falls as a score rises, if neither line does. It is within a unit in the last place of the exact value, also where
/// `sigma` itself rounds to 1.
///
/// # Panics
/// If the lengths differ.
pub fn log_sigmoid_of_scores(scores: &[f32], odds: Affine, order: Affine, out: &mut [f32]) {
    assert_eq!(scores.len(), out.len(), "one value for each score");
    Isa::current().run(LogSigmoid { scores, odds, order, out });
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

/// `ln sigma(x) = min(x, 0) - ln(1 + e^-|x|)`, without a branch, so that compilers turn the loop around it into vectors.
///
/// With `s = u / (2 + u)`, `ln(1 + u) = 2 (s + s^3 / 3 + s^5 / 5 + ...)`, where `s` is at most 1/3: what comes after the
/// eleventh term is below 3e-12 of the sum. Being computed in f64, neighboring results in f32 differ by more than the
/// rounding: that keeps it monotone.
#[inline(always)]
fn log_sigmoid<S: Simd>(simd: S, x: f64) -> f64 {
    // Beyond 708 the exponential leaves the normal numbers of f64. NaN passes.
    const FAR: f64 = 708.0;
    let t = if x.abs() > FAR { FAR } else { x.abs() };
    let u = exp_of_negative(simd, -t);
    let s = u / (2.0 + u);
    let square = s * s;
    let mut sum = 1.0 / 21.0;
    for odd in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = simd.mul_add_f64(sum, square, 1.0 / odd);
    }
    let below = if x > 0.0 { 0.0 } else { x };
    below - 2.0 * s * sum
}
