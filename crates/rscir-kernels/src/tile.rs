//! The inner loop of every product with a packed operand.

use crate::layout::Line;
use crate::simd::Simd;

/// Rows of the tallest tile.
pub(crate) const TALL: usize = 12;

/// Multiplies what two words of 32 bits hold, one number each or several, and adds it up.
pub(crate) trait Product {
    /// Sixteen sums.
    type Sum<S: Simd>: Copy;

    fn zero<S: Simd>(simd: S) -> Self::Sum<S>;
    fn add<S: Simd>(simd: S, sum: Self::Sum<S>, x: S::I, y: S::I) -> Self::Sum<S>;
}

/// One f32 in a word.
pub(crate) struct Single;

impl Product for Single {
    type Sum<S: Simd> = S::F;

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::F {
        simd.splat(0.0)
    }

    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::F, x: S::I, y: S::I) -> S::F {
        simd.mul_add(simd.as_f32(x), simd.as_f32(y), sum)
    }
}

/// Two bf16 in a word, their products summed in f32.
pub(crate) struct Bf16;

impl Product for Bf16 {
    type Sum<S: Simd> = S::F;

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::F {
        simd.splat(0.0)
    }

    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::F, x: S::I, y: S::I) -> S::F {
        simd.dot_bf16(sum, x, y)
    }
}

/// `sums[h] = sum over p of x[p][h] * y[p]` for the first `height` rows at least: each word of `x` against `V` vectors
/// of `y`, in the order of `p`.
///
/// It takes twelve rows at a time where there are 32 registers, six rows of one vector where there are 16.
#[inline(always)]
pub(crate) fn tile<S: Simd, P: Product, const V: usize>(
    simd: S,
    x: &[[u32; TALL]],
    y: &[[Line; V]],
    height: usize,
    sums: &mut [[P::Sum<S>; V]; TALL],
) {
    if S::WIDE {
        match height {
            0..=4 => part::<S, P, V, V, 4>(simd, x, y, 0, 0, sums),
            5..=8 => part::<S, P, V, V, 8>(simd, x, y, 0, 0, sums),
            _ => part::<S, P, V, V, TALL>(simd, x, y, 0, 0, sums),
        }
    } else {
        for vector in 0..V {
            part::<S, P, V, 1, 6>(simd, x, y, 0, vector, sums);
            if height > 6 {
                part::<S, P, V, 1, 6>(simd, x, y, 6, vector, sums);
            }
        }
    }
}

/// `H` rows from `row` against `V` of the `W` vectors, from `vector`.
#[inline(always)]
fn part<S: Simd, P: Product, const W: usize, const V: usize, const H: usize>(
    simd: S,
    x: &[[u32; TALL]],
    y: &[[Line; W]],
    row: usize,
    vector: usize,
    sums: &mut [[P::Sum<S>; W]; TALL],
) {
    let mut part = [[P::zero(simd); V]; H];
    for (x, y) in x.iter().zip(y) {
        let mut vectors = [simd.splat_bits(0); V];
        for v in 0..V {
            vectors[v] = simd.load_bits(&y[vector + v].0);
        }
        for h in 0..H {
            let x = simd.splat_bits(x[row + h]);
            for v in 0..V {
                part[h][v] = P::add(simd, part[h][v], x, vectors[v]);
            }
        }
    }
    for h in 0..H {
        for v in 0..V {
            sums[row + h][vector + v] = part[h][v];
        }
    }
}
