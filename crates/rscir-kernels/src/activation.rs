//! Elementary functions of sixteen lanes: the exponential, and the activations built on it.

use crate::simd::Simd;

/// `e^x` to about an ulp for `x` up to 88; below -87.3, where f32 runs out of normal numbers, it stays at 2^-126.
///
/// `x = n ln 2 + r` with `|r| <= ln 2 / 2` (ln 2 in two parts, the first short enough for its product with `n` to be
/// exact: Cody & Waite, Software Manual for the Elementary Functions, 1980), `e^r` by its Taylor polynomial of
/// degree 7, whose remainder is below 2^-27.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::F) -> S::F {
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = (std::f64::consts::LN_2 - LN_2_HIGH as f64) as f32;
    const LOWEST: f32 = -87.336_54;
    let x = simd.max(simd.splat(LOWEST), x);
    let n = simd.round(simd.mul(x, simd.splat(std::f32::consts::LOG2_E)));
    let r = simd.mul_add(n, simd.splat(-LN_2_HIGH), x);
    let r = simd.mul_add(n, simd.splat(-LN_2_LOW), r);
    let mut sum = simd.splat(1.0 / 5040.0);
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = simd.mul_add(sum, r, simd.splat(coefficient));
    }
    simd.mul(sum, simd.exp2_integral(n))
}

/// `x Phi(x)`, within 2.5e-7 (and the rounding of f32) of the exact value.
///
/// It is `max(x, 0) - |x| Q(|x|)`, with the tail `Q(t) = erfc(t / sqrt 2) / 2` after M. Abramowitz & I. Stegun,
/// Handbook of Mathematical Functions (1964), 7.1.26, whose error is at most 1.5e-7.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(simd: S, x: S::F) -> S::F {
    const P: f32 = (0.3275911 * std::f64::consts::FRAC_1_SQRT_2) as f32;
    const A: [f32; 5] = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
    // Beyond 16 the tail is nothing, and infinity would meet zero.
    const FAR: f32 = 16.0;
    let zero = simd.splat(0.0);
    let t = simd.min(simd.splat(FAR), simd.max(x, simd.sub(zero, x)));
    let w = simd.div(simd.splat(1.0), simd.mul_add(t, simd.splat(P), simd.splat(1.0)));
    let mut sum = simd.splat(A[0]);
    for a in &A[1..] {
        sum = simd.mul_add(sum, w, simd.splat(*a));
    }
    let half_t = simd.mul(t, simd.splat(-0.5));
    let tail = simd.mul(simd.mul(sum, w), exp(simd, simd.mul(half_t, t)));
    simd.mul_add(half_t, tail, simd.max(zero, x))
}

/// `x sigmoid(1.702 x)` (Hendrycks & Gimpel 2016).
#[inline(always)]
pub(crate) fn quick_gelu<S: Simd>(simd: S, x: S::F) -> S::F {
    // The largest argument `exp` takes.
    let power = simd.min(simd.splat(88.0), simd.mul(x, simd.splat(-1.702)));
    simd.div(x, simd.add(simd.splat(1.0), exp(simd, power)))
}
