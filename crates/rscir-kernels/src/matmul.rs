//! Products of two row-major matrices that share their inner dimension, neither of them packed.

use rayon::prelude::*;

/// `out[m, n] = a[m, k] . b[n, k]^T`, all row-major: the dot product of every row of `a` with every row of `b`.
///
/// Each element is the [`dot`] of its two rows, bit for bit: it depends neither on the number of threads
/// nor on the other rows of the batch.
///
/// # Panics
/// If a slice's length is not what `m`, `n` and `k` say.
pub fn matmul_nt(a: &[f32], b: &[f32], m: usize, n: usize, k: usize, out: &mut [f32]) {
    assert_eq!(a.len(), m * k, "a has m x k elements");
    assert_eq!(b.len(), n * k, "b has n x k elements");
    assert_eq!(out.len(), m * n, "out has m x n elements");
    out.par_chunks_mut(n.max(1)).enumerate().for_each(|(i, out)| {
        for (j, out) in out.iter_mut().enumerate() {
            *out = dot(&a[i * k..(i + 1) * k], &b[j * k..(j + 1) * k]);
        }
    });
}

/// The dot product of two vectors of one length.
///
/// # Panics
/// If the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "both vectors have one length");
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The dot products of one row with two queries, in one pass over the row.
///
/// # Panics
/// If the lengths differ.
pub fn dot2(row: &[f32], first: &[f32], second: &[f32]) -> (f32, f32) {
    (dot(row, first), dot(row, second))
}
