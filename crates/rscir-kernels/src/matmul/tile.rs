//! The inner loop: a few rows of `a` times a few rows of `b`, along `k`.

use super::operand::Operand;
use crate::simd::{LANES, Simd};

/// Number of rows of `b` in a tile. They stay in the first-level cache while rows of `a` pass.
pub(super) const GROUP: usize = 6;

/// Computes [`dots`] of `R` rows of `a` and a group of rows of `b`, all padded to whole steps, in as many
/// passes as the number of registers requires. With `AHEAD`, as many steps of `b` from `next` are fetched
/// into the cache meanwhile.
#[inline(always)]
pub(super) fn group_dots<S: Simd, B: Operand, const R: usize, const AHEAD: bool>(
    simd: S,
    a: [&[f32]; R],
    b: [&[B]; GROUP],
    next: *const B,
) -> [[f32; GROUP]; R] {
    let mut out = [[0.0; GROUP]; R];
    if S::WIDE {
        let mut sums = [[simd.splat(0.0); GROUP]; R];
        accumulate::<S, B, R, GROUP, AHEAD>(simd, a, b, next, &mut sums);
        let mut rows = [[simd.splat(0.0); GROUP]; 4];
        rows[..R].copy_from_slice(&sums);
        out.copy_from_slice(&simd.sum_rows(rows)[..R]);
    } else {
        for i in (0..R).step_by(2) {
            let second = (i + 1).min(R - 1);
            for j in (0..GROUP).step_by(3) {
                let mut sums = [[simd.splat(0.0); 3]; 2];
                let b = [b[j], b[j + 1], b[j + 2]];
                accumulate::<S, B, 2, 3, AHEAD>(simd, [a[i], a[second]], b, next, &mut sums);
                out[i][j..j + 3].copy_from_slice(&sums[0].map(|sums| simd.sum(sums)));
                out[second][j..j + 3].copy_from_slice(&sums[1].map(|sums| simd.sum(sums)));
            }
        }
    }
    out
}

/// Computes the dot products of one f32 vector with a few others of its length.
#[inline(always)]
pub(super) fn dots<S: Simd, const C: usize>(simd: S, a: &[f32], b: [&[f32]; C]) -> [f32; C] {
    let mut sums = [[simd.splat(0.0); C]];
    accumulate::<S, f32, 1, C, false>(simd, [a], b, std::ptr::null(), &mut sums);
    let whole = a.len() / LANES * LANES;
    if whole < a.len() {
        let a = simd.load_partial(&a[whole..]);
        for j in 0..C {
            sums[0][j] = simd.mul_add(a, simd.load_partial(&b[j][whole..]), sums[0][j]);
        }
    }
    sums[0].map(|sums| simd.sum(sums))
}

/// Adds the products of all whole steps.
#[inline(always)]
fn accumulate<S: Simd, B: Operand, const R: usize, const C: usize, const AHEAD: bool>(
    simd: S,
    a: [&[f32]; R],
    b: [&[B]; C],
    next: *const B,
    sums: &mut [[S::F; C]; R],
) {
    let len = a[0].len();
    assert!(a.iter().all(|a| a.len() == len) && b.iter().all(|b| b.len() == len));
    let mut local = *sums;
    for step in 0..len / LANES {
        let at = step * LANES;
        if AHEAD {
            simd.prefetch(next.wrapping_add(at).cast());
        }
        let mut columns = [simd.splat(0.0); C];
        for j in 0..C {
            // SAFETY: all vectors have `len` elements, at least `at + LANES`.
            columns[j] = unsafe { B::load(simd, b[j].as_ptr().add(at)) };
        }
        for i in 0..R {
            // SAFETY: as above.
            let row = unsafe { f32::load(simd, a[i].as_ptr().add(at)) };
            for j in 0..C {
                local[i][j] = simd.mul_add(row, columns[j], local[i][j]);
            }
        }
    }
    *sums = local;
}
