//! Linear layers in bf16: weights and activations rounded to nearest, products summed in f32.

use super::{Epilogue, Format, Panels, ROWS_WORTH_UNFOLDING_FOR, Unfolded};
use crate::isa::Isa;
use crate::simd::Simd;
use crate::tile::Bf16;

/// Weights of a linear layer in bf16, in the layout of the product.
#[derive(Debug)]
pub struct PackedBf16(Panels);

impl PackedBf16 {
    /// Rounds row-major `weights[n, k]` (`n` outputs, `k` inputs) to bf16, halves to even, and packs them.
    ///
    /// # Panics
    /// Panics if `weights` does not have `n * k` elements.
    pub fn pack(weights: &[f32], n: usize, k: usize) -> Self {
        Self(Panels::pack::<Bf16>(weights, n, k).0)
    }

    /// Returns the number of outputs.
    pub fn n(&self) -> usize {
        self.0.n
    }

    /// Returns the number of inputs.
    pub fn k(&self) -> usize {
        self.0.k
    }

    /// Computes `out[m, n] = epilogue(x[m, k] . W^T)`, with `x` rounded to bf16 like the weights.
    ///
    /// Two products at a time are added to an f32 sum, in the order of `k`. The CPU's instruction for it,
    /// where there is one, takes subnormal numbers as zeros.
    ///
    /// # Panics
    /// Panics if the length of a slice does not fit `m`, `n` and `k`.
    pub fn apply(&self, x: &[f32], m: usize, epilogue: Epilogue<'_>, out: &mut [f32]) {
        if m >= ROWS_WORTH_UNFOLDING_FOR && Isa::current().unfolds_bf16() {
            self.0.apply(&Unfolded(&Bf16), x, m, epilogue, out);
        } else {
            self.0.apply(&Bf16, x, m, epilogue, out);
        }
    }
}

impl Format for Bf16 {
    type X = Self;
    type Product = Self;
    type Outputs<S: Simd> = ();

    #[inline(always)]
    fn outputs<S: Simd>(&self, _: S, _: usize) {}

    #[inline(always)]
    fn value<S: Simd>(_: S, sum: S::F, (): (), (): ()) -> S::F {
        sum
    }
}
