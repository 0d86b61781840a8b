//! Layer normalization.

use rayon::prelude::*;

use crate::isa::{Isa, Kernel};
use crate::simd::{LANES, Simd};

/// Rows in a task: some microseconds of work.
const ROWS: usize = 16;

/// Normalizes each row of `x` to mean 0 and variance 1, then scales and shifts it (Ba, Kiros & Hinton, Layer
/// Normalization, 2016): `out = (x - mean) / sqrt(variance + eps) * weight + bias`.
///
/// Rows are as long as `weight`. The variance is that of the row (with `n`, not `n - 1`), computed from the
/// deviations in a second pass.
///
/// # Panics
/// Panics if `bias` is not as long as `weight`, if `out` is not as long as `x`, or if `x` is not a whole
/// number of rows.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) {
    let width = weight.len();
    assert_eq!(bias.len(), width, "the bias is as long as the weight");
    assert_eq!(out.len(), x.len(), "one output for each input");
    if x.is_empty() {
        return;
    }
    assert!(width > 0 && x.len().is_multiple_of(width), "whole rows of {width}");
    let isa = Isa::current();
    out.par_chunks_mut(ROWS * width).zip(x.par_chunks(ROWS * width)).for_each(|(out, x)| {
        isa.run(LayerNorm { x, weight, bias, eps, out });
    });
}

struct LayerNorm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.weight.len();
        let (weight, last_weight) = self.weight.as_chunks::<LANES>();
        let (bias, last_bias) = self.bias.as_chunks::<LANES>();
        for (x, out) in self.x.chunks_exact(width).zip(self.out.chunks_exact_mut(width)) {
            let (x, last_x) = x.as_chunks::<LANES>();
            let (out, last_out) = out.as_chunks_mut::<LANES>();

            let mut sum = simd.load_partial(last_x);
            for x in x {
                sum = simd.add(sum, simd.load(x));
            }
            let mean = simd.splat(simd.sum(sum) / width as f32);

            // Lanes beyond the row must not count, so the last deviations go through memory.
            let mut rest = [0.0; LANES];
            simd.store_partial(simd.sub(simd.load_partial(last_x), mean), &mut rest[..last_x.len()]);
            let last_deviation = simd.load(&rest);
            let mut squares = simd.mul(last_deviation, last_deviation);
            for x in x {
                let deviation = simd.sub(simd.load(x), mean);
                squares = simd.mul_add(deviation, deviation, squares);
            }
            let scale = simd.splat((simd.sum(squares) / width as f32 + self.eps).sqrt().recip());

            for i in 0..x.len() {
                let normal = simd.mul(simd.sub(simd.load(&x[i]), mean), scale);
                simd.store(simd.mul_add(normal, simd.load(&weight[i]), simd.load(&bias[i])), &mut out[i]);
            }
            let normal = simd.mul(last_deviation, scale);
            let last = simd.mul_add(normal, simd.load_partial(last_weight), simd.load_partial(last_bias));
            simd.store_partial(last, last_out);
        }
    }
}
