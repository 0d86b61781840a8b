//! The upper tail of the normal distribution, and the moments that standardise scores.

/// The survival function `Q(z) = 1 - Phi(z)` of each element.
///
/// It never increases, it is right to f32 rounding in relative terms, and so keeps the order of large `z`,
/// where `1 - Phi(z)` computed from `Phi` is all zeros.
///
/// # Panics
/// If the lengths differ.
pub fn survival(z: &[f32], out: &mut [f32]) {
    survival_of_scores(z, 0.0, 1.0, out);
}

/// [`survival`] of `(score - mean) / deviation`.
///
/// A deviation of zero gives what IEEE 754 makes of the quotient: 0 above the mean, 1 below it, NaN on it.
///
/// # Panics
/// If the lengths differ.
pub fn survival_of_scores(scores: &[f32], mean: f64, deviation: f64, out: &mut [f32]) {
    assert_eq!(scores.len(), out.len(), "one tail for each score");
    for (out, &score) in out.iter_mut().zip(scores) {
        *out = survival_of((f64::from(score) - mean) / deviation) as f32;
    }
}

/// The mean and the standard deviation (with `n - 1`) of `x`, in f64.
///
/// (NaN, NaN) for an empty slice, a deviation of NaN for a single element.
pub fn mean_and_deviation(x: &[f32]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let squares: f64 = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// `Q(z)` by a rational approximation of `Q(t) exp(t^2 / 2)` for `t = |z|`:
/// J. F. Hart et al., Computer Approximations (1968), algorithm 5666, as given by G. West,
/// Better approximations to cumulative normal functions, Wilmott (2005).
pub(crate) fn survival_of(z: f64) -> f64 {
    const P: [f64; 7] = [
        3.52624965998911e-02,
        0.700383064443688,
        6.37396220353165,
        33.912866078383,
        112.079291497871,
        221.213596169931,
        220.206867912376,
    ];
    const D: [f64; 8] = [
        8.83883476483184e-02,
        1.75566716318264,
        16.064177579207,
        86.7807322029461,
        296.564248779674,
        637.333633378831,
        793.826512519948,
        440.413735824752,
    ];
    let t = z.abs();
    let horner = |c: &[f64]| c.iter().fold(0.0, |sum, c| sum * t + c);
    let q = if t < 38.0 { (-0.5 * t * t).exp() * horner(&P) / horner(&D) } else { 0.0 };
    if z < 0.0 { 1.0 - q } else { q }
}
