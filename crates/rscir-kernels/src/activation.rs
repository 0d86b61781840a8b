//! Elementary functions of sixteen lanes: the exponential, and the activations built on it.

use crate::simd::Simd;

/// Computes `e^x` to about one unit in the last place, for `x` up to 88. Below -87.3, where f32 runs out of
/// normal numbers, the result stays at 2^-126.
///
/// The reduction is `x = n ln 2 + r` with `|r| <= ln 2 / 2`. ln 2 is in two parts, the first short enough for
/// its product with `n` to be exact (Cody & Waite, Software Manual for the Elementary Functions, 1980). `e^r`
/// is the polynomial of degree 6 with the least relative error there, 1.9e-9 (Remez' exchange at 40 digits),
/// with its last two coefficients rounded to 1.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::F) -> S::F {
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = (std::f64::consts::LN_2 - LN_2_HIGH as f64) as f32;
    const LOWEST: f32 = -87.336_54;
    const C: [f32; 7] =
        [1.383_679_25e-3, 8.374_857_1e-3, 4.166_822_87e-2, 1.666_641_97e-1, 4.999_999_21e-1, 1.0, 1.0];
    let x = simd.max(simd.splat(LOWEST), x);
    let n = simd.round(simd.mul(x, simd.splat(std::f32::consts::LOG2_E)));
    let r = simd.mul_add(n, simd.splat(-LN_2_HIGH), x);
    let r = simd.mul_add(n, simd.splat(-LN_2_LOW), r);
    let mut sum = simd.splat(C[0]);
    for c in &C[1..] {
        sum = simd.mul_add(sum, r, simd.splat(*c));
    }
    simd.mul(sum, simd.exp2_integral(n))
}

/// Computes `x Phi(x)`, within 2.5e-7 (and the rounding of f32) of the exact value.
///
/// The result is `max(x, 0) - t Q(t)` with `t = |x|` and `Q(t) = erfc(t / sqrt 2) / 2`. On [0, 5.25], `Q` is
/// a polynomial of degree 15 in `u = t / 2.625 - 1`, fitted for the least error of `t Q(t)` (Lawson's
/// reweighted least squares at 400 Chebyshev nodes), without an exponential or a division. Above 5.25, where
/// `t Q(t)` is below 4e-7, it keeps its value at 5.25.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(simd: S, x: S::F) -> S::F {
    const FAR: f32 = 5.25;
    const Q: [f32; 16] = [
        -3.844_010_77e-3,
        5.722_893_74e-3,
        1.727_326_61e-2,
        -3.728_161_02e-2,
        -1.649_451_07e-2,
        9.825_930_72e-2,
        -6.333_144_40e-2,
        -9.550_709_65e-2,
        1.967_343_65e-1,
        -9.772_029_83e-2,
        -1.209_926_28e-1,
        2.571_181_98e-1,
        -2.259_429_63e-1,
        1.150_753_88e-1,
        -3.340_124_91e-2,
        4.332_459_06e-3,
    ];
    let zero = simd.splat(0.0);
    let t = simd.min(simd.splat(FAR), simd.max(x, simd.sub(zero, x)));
    let u = simd.mul_add(t, simd.splat(2.0 / FAR), simd.splat(-1.0));
    let mut q = simd.splat(Q[0]);
    for coefficient in &Q[1..] {
        q = simd.mul_add(q, u, simd.splat(*coefficient));
    }
    simd.sub(simd.max(zero, x), simd.mul(t, q))
}

/// Computes `x sigmoid(1.702 x)` (Hendrycks & Gimpel 2016).
#[inline(always)]
pub(crate) fn quick_gelu<S: Simd>(simd: S, x: S::F) -> S::F {
    gated(simd, x, simd.mul(x, simd.splat(-1.702)))
}

/// Computes `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` (Hendrycks & Gimpel 2016), using `(1 + tanh
/// z) / 2 = sigmoid(2 z)`.
#[inline(always)]
pub(crate) fn gelu_tanh<S: Simd>(simd: S, x: S::F) -> S::F {
    const SLOPE: f32 = -2.0 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;
    let slope = simd.mul_add(simd.mul(x, x), simd.splat(SLOPE * 0.044_715), simd.splat(SLOPE));
    gated(simd, x, simd.mul(x, slope))
}

/// Computes `x / (1 + e^power)`.
#[inline(always)]
fn gated<S: Simd>(simd: S, x: S::F, power: S::F) -> S::F {
    // 88 is the largest argument of `exp`.
    let power = simd.min(simd.splat(88.0), power);
    simd.div(x, simd.add(simd.splat(1.0), exp(simd, power)))
}
