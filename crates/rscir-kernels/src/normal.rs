//! The upper tail of the normal distribution, and the moments that standardize scores.
//!
//! The calling thread computes them: a block of scores takes microseconds.

use crate::isa::{Isa, Kernel};
use crate::simd::{LANES, Simd};

/// Holds the formula by which [`survival`] computes the upper tail of the normal distribution: for `z` from 0 on
/// `Q(z) = exp(-z^2 / 2) numerator(z) / denominator(z)`, and `1 - Q(-z)` below. Code that computes the tail
/// elsewhere, such as in SQL, takes it from here.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TailRatio {
    /// The numerator's coefficients, from the highest power down.
    pub numerator: [f64; 6],
    /// The denominator's coefficients, from the highest power down.
    pub denominator: [f64; 7],
    /// What `z` is capped at: beyond, the tail leaves the normal numbers of f64.
    pub far: f64,
}

/// Gives the coefficients of [`survival`].
///
/// The form is that of W. J. Cody, Rational Chebyshev Approximations for the Error Function, Math. Comp. 23
/// (1969). The coefficients are our own: minimax in relative error on [0, 14.5], found by Remez' exchange at 60
/// digits, with an error of at most 8.3e-11, and all positive, so that nothing cancels.
pub const TAIL_RATIO: TailRatio = TailRatio {
    numerator: [
        8.870_684_920_873_554_3e-4,
        1.161_963_500_466_431_9e-2,
        7.120_383_213_191_591_6e-2,
        2.503_244_250_597_938_1e-1,
        5.072_584_267_671_636_4e-1,
        4.999_999_999_589_375_1e-1,
    ],
    denominator: [
        2.223_553_784_970_924_6e-3,
        2.912_591_656_651_698_1e-2,
        1.807_107_349_870_410_1e-1,
        6.564_961_244_046_540_4e-1,
        1.446_736_071_794_235_7,
        1.812_401_406_458_323_9,
        1.0,
    ],
    far: 37.0,
};

/// Computes the survival function `Q(z) = 1 - Phi(z)` of each element.
///
/// The result never increases with `z` and is within 0.51 units in the last place of the exact value. So it
/// keeps the order of large `z`, for which `1 - Phi(z)` computed from `Phi` would be zero. f32 runs out of
/// normal numbers at `z` = 12.9 and of all numbers at 14.2.
///
/// # Panics
/// Panics if the lengths differ.
pub fn survival(z: &[f32], out: &mut [f32]) {
    survival_of_scores(z, 0.0, 1.0, out);
}

/// Computes the [`survival`] of `(score - mean) / deviation`, which is not rounded to f32 in between.
///
/// A deviation of zero gives what IEEE 754 makes of the quotient: 0 above the mean, 1 below it, NaN at it.
///
/// # Panics
/// Panics if the lengths differ.
pub fn survival_of_scores(scores: &[f32], mean: f64, deviation: f64, out: &mut [f32]) {
    assert_eq!(scores.len(), out.len(), "one tail for each score");
    Isa::current().run(Survival { scores, mean, scale: deviation.recip(), out });
}

/// Computes the mean and the standard deviation (with `n - 1`) of `x`, in f64 and in two passes.
///
/// Returns (NaN, NaN) for an empty slice, and a deviation of NaN for a single element.
pub fn mean_and_std_dev(x: &[f32]) -> (f64, f64) {
    if x.is_empty() {
        return (f64::NAN, f64::NAN);
    }
    let isa = Isa::current();
    let n = x.len() as f64;
    let mean = isa.run(PowerSum { x, center: 0.0, square: false }) / n;
    let squares = isa.run(PowerSum { x, center: mean, square: true });
    (mean, (squares / (n - 1.0)).sqrt())
}

struct Survival<'a> {
    scores: &'a [f32],
    mean: f64,
    scale: f64,
    out: &'a mut [f32],
}

impl Kernel for Survival<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (out, &score) in self.out.iter_mut().zip(self.scores) {
            *out = tail(simd, (f64::from(score) - self.mean) * self.scale) as f32;
        }
    }
}

/// Computes `Q(z)` without a branch, so that compilers turn the loop around it into vector instructions.
///
/// [`TAIL_RATIO`] is its formula. In f64, neighboring results differ by more than their rounding, which keeps
/// the function monotone.
#[inline(always)]
fn tail<S: Simd>(simd: S, z: f64) -> f64 {
    let TailRatio { numerator: above, denominator: below, far } = TAIL_RATIO;
    // NaN stays NaN.
    let t = if z.abs() > far { far } else { z.abs() };
    let (mut numerator, mut denominator) = (above[0], below[0]);
    for coefficient in &above[1..] {
        numerator = simd.mul_add_f64(numerator, t, *coefficient);
    }
    for coefficient in &below[1..] {
        denominator = simd.mul_add_f64(denominator, t, *coefficient);
    }
    let q = exp_of_negative(simd, -0.5 * t * t) * numerator / denominator;
    if z < 0.0 { 1.0 - q } else { q }
}

/// Computes `e^x` for `x` from -708 to 0 with a relative error of 3e-10, by `x = n ln 2 + r` with `|r| <= ln
/// 2 / 2` and the Taylor polynomial of `e^r` of degree 8.
#[inline(always)]
pub(crate) fn exp_of_negative<S: Simd>(simd: S, x: f64) -> f64 {
    // Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits of the significand.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let shifted = simd.mul_add_f64(x, std::f64::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = simd.mul_add_f64(n, -std::f64::consts::LN_2, x);
    let mut sum = 1.0 / 40_320.0;
    for coefficient in [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = simd.mul_add_f64(sum, r, coefficient);
    }
    sum * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
}

/// The sum of `x - center`, or of its squares.
struct PowerSum<'a> {
    x: &'a [f32],
    center: f64,
    square: bool,
}

impl Kernel for PowerSum<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        if self.square { self.sum::<2>() } else { self.sum::<1>() }
    }
}

impl PowerSum<'_> {
    #[inline(always)]
    fn sum<const POWER: i32>(&self) -> f64 {
        let mut sums = [0.0; 4 * LANES];
        let (chunks, rest) = self.x.as_chunks::<{ 4 * LANES }>();
        for chunk in chunks {
            for i in 0..4 * LANES {
                sums[i] += (f64::from(chunk[i]) - self.center).powi(POWER);
            }
        }
        for i in 0..rest.len() {
            sums[i] += (f64::from(rest[i]) - self.center).powi(POWER);
        }
        sums.iter().sum()
    }
}
