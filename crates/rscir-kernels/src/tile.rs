//! The inner loop of every product with a packed operand.

use crate::layout::Line;
use crate::simd::Simd;

/// Number of rows in the tallest tile.
pub(crate) const TALL: usize = 12;

/// A product of two words of 32 bits, each of which holds one number or several.
pub(crate) trait Product {
    /// Type of sixteen sums.
    type Sum<S: Simd>: Copy;

    fn zero<S: Simd>(simd: S) -> Self::Sum<S>;
    fn add<S: Simd>(simd: S, sum: Self::Sum<S>, x: S::I, y: S::I) -> Self::Sum<S>;
}

/// A word that holds one f32.
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

/// A word that holds two bf16, whose products are summed in f32.
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

/// Number of steps of a tile between two looks at what is to be fetched.
const STEPS: usize = 16;

/// Computes `sums[h] = sum over p of x[p][h] * y[p]` for at least the first `height` rows: each word of `x`
/// times `V` vectors of `y`, in the order of `p`. Meanwhile, the lines `ahead` are fetched into the
/// second-level cache, some at a time, so that they do not crowd out what the tile itself reads.
///
/// With 32 registers a step takes twelve rows, with 16 registers six rows of one vector.
#[inline(always)]
pub(crate) fn tile<S: Simd, P: Product, const V: usize>(
    simd: S,
    x: &[[u32; TALL]],
    y: &[[Line; V]],
    height: usize,
    ahead: &[[Line; V]],
    sums: &mut [[P::Sum<S>; V]; TALL],
) {
    if S::WIDE {
        match height {
            0..=4 => part::<S, P, V, V, 4>(simd, x, y, 0, 0, ahead, sums),
            5..=8 => part::<S, P, V, V, 8>(simd, x, y, 0, 0, ahead, sums),
            _ => part::<S, P, V, V, TALL>(simd, x, y, 0, 0, ahead, sums),
        }
    } else {
        for vector in 0..V {
            let ahead = if vector == 0 { ahead } else { &[] };
            part::<S, P, V, 1, 6>(simd, x, y, 0, vector, ahead, sums);
            if height > 6 {
                part::<S, P, V, 1, 6>(simd, x, y, 6, vector, &[], sums);
            }
        }
    }
}

/// Computes `H` rows from `row` for `V` of the `W` vectors, from `vector`.
#[inline(always)]
fn part<S: Simd, P: Product, const W: usize, const V: usize, const H: usize>(
    simd: S,
    x: &[[u32; TALL]],
    y: &[[Line; W]],
    row: usize,
    vector: usize,
    ahead: &[[Line; W]],
    sums: &mut [[P::Sum<S>; W]; TALL],
) {
    let mut part = [[P::zero(simd); V]; H];
    let depth = x.len().min(y.len());
    let each = (ahead.len() * STEPS).div_ceil(depth.max(1));
    let mut ahead = ahead;
    for (x, y) in x[..depth].chunks(STEPS).zip(y[..depth].chunks(STEPS)) {
        let (now, later) = ahead.split_at(each.min(ahead.len()));
        ahead = later;
        for line in now.as_flattened() {
            simd.prefetch(line.floats().as_ptr());
        }
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
    }
    for h in 0..H {
        for v in 0..V {
            sums[row + h][vector + v] = part[h][v];
        }
    }
}
