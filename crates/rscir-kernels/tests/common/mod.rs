//! What the tests share: reproducible numbers, instruction sets and pools to run on, and plain f64 references.
#![allow(dead_code, reason = "each test uses a part")]

use rscir_kernels::Isa;

/// `n` numbers in [-1, 1), the same for the same seed (Marsaglia, Xorshift RNGs, 2003).
pub(crate) fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Runs `work` on every instruction set of this machine and hands each result, with the portable one's, to `check`.
pub(crate) fn on_every_isa<T>(work: impl Fn() -> T, check: impl Fn(Isa, &T, &T)) {
    let portable = Isa::Portable.force(&work);
    for isa in Isa::available() {
        check(isa, &isa.force(&work), &portable);
    }
}

/// Runs `work` in a pool of so many threads.
pub(crate) fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(work)
}

pub(crate) fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// `a[m, k] . b[n, k]^T` in f64, and for each element the sum of the products' magnitudes, which scales its error.
pub(crate) fn reference(a: &[f32], b: &[f32], m: usize, n: usize, k: usize) -> Vec<(f64, f64)> {
    let mut out = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            let products = (0..k).map(|p| f64::from(a[i * k + p]) * f64::from(b[j * k + p]));
            out.push((products.clone().sum(), products.map(f64::abs).sum()));
        }
    }
    out
}

/// The bound on the error of a chain of `k` f32 additions (Higham, Accuracy and Stability of Numerical Algorithms,
/// 2002, section 3.1).
pub(crate) fn chain_bound(k: usize, magnitude: f64) -> f64 {
    (k + 1) as f64 * f64::from(f32::EPSILON) / 2.0 * magnitude
}

/// `Q(z) = erfc(z / sqrt 2) / 2` in f64: the Taylor series of `Phi` near zero, the continued fraction of the Mills
/// ratio beyond (Abramowitz & Stegun 26.2.11 and 26.2.14).
pub(crate) fn survival(z: f64) -> f64 {
    let t = z.abs();
    let density = (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let tail = if t < 3.0 {
        let (mut term, mut sum, mut odd) = (t, t, 1.0);
        while term > 1e-18 {
            odd += 2.0;
            term *= t * t / odd;
            sum += term;
        }
        0.5 - density * sum
    } else {
        let fraction = (1..200).rev().fold(t, |below, i| t + f64::from(i) / below);
        density / fraction
    };
    if z < 0.0 { 1.0 - tail } else { tail }
}
