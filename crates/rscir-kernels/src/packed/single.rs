//! Linear layers in f32.

use super::{Epilogue, Format, Panels};
use crate::simd::Simd;
use crate::tile::Single;

/// Weights of a linear layer in f32, in the layout of the product.
#[derive(Debug)]
pub struct PackedMatrix(Panels);

impl PackedMatrix {
    /// Packs row-major `weights[n, k]` (`n` outputs, `k` inputs).
    ///
    /// # Panics
    /// Panics if `weights` does not have `n * k` elements.
    pub fn pack(weights: &[f32], n: usize, k: usize) -> Self {
        Self(Panels::pack::<Single>(weights, n, k).0)
    }

    /// Returns the number of outputs.
    pub fn n(&self) -> usize {
        self.0.n
    }

    /// Returns the number of inputs.
    pub fn k(&self) -> usize {
        self.0.k
    }

    /// Computes `out[m, n] = epilogue(x[m, k] . W^T)`. Each product is a chain of fused multiply-adds in the
    /// order of `k`.
    ///
    /// # Panics
    /// Panics if the length of a slice does not fit `m`, `n` and `k`.
    pub fn apply(&self, x: &[f32], m: usize, epilogue: Epilogue<'_>, out: &mut [f32]) {
        self.0.apply(&Single, x, m, epilogue, out);
    }
}

impl Format for Single {
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
