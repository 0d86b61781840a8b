//! Products of two row-major matrices that share their inner dimension, neither of them packed.
//!
//! Both operands are read along `k`, where they are contiguous: a tile keeps sixteen partial sums for each of
//! its elements and adds them up at the end. So nothing is transposed, and copied only to lie on cache lines, one row
//! of `a` or thousands take the same path, and an element's value is that of [`dot`] whatever tile it fell into.

use std::ops::Range;

use rayon::prelude::*;

use crate::isa::{Isa, Kernel};
use crate::layout::{Line, Lines, floats, floats_mut};
use crate::parallel::SharedOut;
use crate::simd::{LANES, Simd};

/// Bytes of `a` that a task keeps in its core's second-level cache: a good third of the 1 MiB it commonly has.
const A_BLOCK_BYTES: usize = 384 << 10;

/// Rows of `b` in one task: with a block of `a` some tens of microseconds of work.
const B_BLOCK_ROWS: usize = 40 * GROUP;

/// Rows of `b` in a tile, kept in the first-level cache while rows of `a` pass.
const GROUP: usize = 6;

/// Rows of `a` from which on copying a misaligned group of `b` costs less than the loads that straddle cache lines.
const ROWS_WORTH_COPYING_FOR: usize = 16;

/// `out[m, n] = a[m, k] . b[n, k]^T`, all row-major: the dot product of every row of `a` with every row of `b`.
///
/// Each element is the [`dot`] of its two rows, bit for bit: it depends neither on the number of threads
/// nor on the other rows of the batch, nor on the machine's instruction set. It is at its best where `b` lies on
/// a cache line and `k` is a multiple of sixteen, for `b` is then read where it lies.
///
/// # Panics
/// If a slice's length is not what `m`, `n` and `k` say.
pub fn matmul_nt(a: &[f32], b: &[f32], m: usize, n: usize, k: usize, out: &mut [f32]) {
    assert_eq!(a.len(), m * k, "a has m x k elements");
    assert_eq!(b.len(), n * k, "b has n x k elements");
    assert_eq!(out.len(), m * n, "out has m x n elements");
    if m == 0 || n == 0 || k == 0 {
        return out.fill(0.0);
    }
    let out = SharedOut::new(out, m, n);
    let steps = k.div_ceil(LANES);
    let strip = strip_height(m);
    let mut aligned = Lines::borrow(m.next_multiple_of(strip) * steps);
    copy_rows(a, k, steps, &mut aligned);
    let isa = Isa::current();
    let a_rows = (A_BLOCK_BYTES / (4 * LANES * steps)).clamp(1, m).next_multiple_of(strip);
    let row_blocks = m.div_ceil(a_rows);
    (0..row_blocks * n.div_ceil(B_BLOCK_ROWS)).into_par_iter().for_each(|task| {
        let rows = block(task % row_blocks, a_rows, m);
        let columns = block(task / row_blocks, B_BLOCK_ROWS, n);
        isa.run(Block { a: &aligned, b, k, strip, rows, columns, out: &out });
    });
}

/// The dot product of two vectors of one length: lane `l` of sixteen adds up the fused products at `l`, `l + 16`, ...,
/// then the lanes are added, halves at a time.
///
/// # Panics
/// If the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "both vectors have one length");
    Isa::current().run(Dots { row: a, others: [b] })[0]
}

/// The dot products of one row with two queries, in one pass over the row.
///
/// # Panics
/// If the lengths differ.
pub fn dot2(row: &[f32], first: &[f32], second: &[f32]) -> (f32, f32) {
    assert!(row.len() == first.len() && row.len() == second.len(), "all vectors have one length");
    Isa::current().run(Dots { row, others: [first, second] }).into()
}

/// The `i`th block of `size` out of `len`.
fn block(i: usize, size: usize, len: usize) -> Range<usize> {
    i * size..len.min((i + 1) * size)
}

/// Rows of `a` in a tile: four, fewer where there are no more.
fn strip_height(m: usize) -> usize {
    match m {
        1 | 2 => m,
        _ => 4,
    }
}

/// Copies rows of `k` elements to rows of `steps` lines, zeros after each row and after the last.
fn copy_rows(from: &[f32], k: usize, steps: usize, to: &mut [Line]) {
    let (rows, rest) = floats_mut(to).split_at_mut(from.len() / k * steps * LANES);
    rest.fill(0.0);
    for (from, to) in from.chunks_exact(k).zip(rows.chunks_exact_mut(steps * LANES)) {
        to[..k].copy_from_slice(from);
        to[k..].fill(0.0);
    }
}

/// The product of a block of rows of `a` and a block of rows of `b`.
struct Block<'a, 'o> {
    a: &'a [Line],
    b: &'a [f32],
    k: usize,
    strip: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    out: &'a SharedOut<'o>,
}

impl Kernel for Block<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let steps = self.k.div_ceil(LANES);
        let copied = !self.k.is_multiple_of(LANES)
            || self.rows.len() >= ROWS_WORTH_COPYING_FOR && !self.b.as_ptr().cast::<Line>().is_aligned();
        let mut group = Lines::borrow(GROUP * steps);
        for j in self.columns.clone().step_by(GROUP) {
            let width = GROUP.min(self.columns.end - j);
            let rows = &self.b[j * self.k..(j + width) * self.k];
            if copied || width < GROUP {
                copy_rows(rows, self.k, steps, &mut group);
                self.strips(simd, j, width, rows.as_ptr_range().end, floats(&group));
            } else {
                self.strips(simd, j, width, rows.as_ptr_range().end, rows);
            }
        }
    }
}

impl Block<'_, '_> {
    /// All rows of `a` against a group of `b`, of which `width` rows count. The group after it, at `next`, is fetched
    /// meanwhile.
    #[inline(always)]
    fn strips<S: Simd>(&self, simd: S, j: usize, width: usize, next: *const f32, group: &[f32]) {
        match self.strip {
            1 => self.tiles::<S, 1>(simd, j, width, next, group),
            2 => self.tiles::<S, 2>(simd, j, width, next, group),
            _ => self.tiles::<S, 4>(simd, j, width, next, group),
        }
    }

    #[inline(always)]
    fn tiles<S: Simd, const R: usize>(
        &self,
        simd: S,
        j: usize,
        width: usize,
        next: *const f32,
        group: &[f32],
    ) {
        let steps = self.k.div_ceil(LANES);
        let b = rows::<GROUP>(group, steps);
        for (strip, i) in self.rows.clone().step_by(R).enumerate() {
            let a = rows::<R>(floats(&self.a[i * steps..(i + R) * steps]), steps);
            // A single strip streams `b`, which the hardware foresees better than we do.
            let tile = if R == 4 && strip < GROUP && self.rows.len() > R {
                tile::<S, R, true>(simd, a, b, next.wrapping_add(strip * steps * LANES))
            } else {
                tile::<S, R, false>(simd, a, b, next)
            };
            for (r, values) in tile.iter().enumerate().take(self.rows.end - i) {
                // SAFETY: tasks are given disjoint blocks of the output, and a block's tiles follow one another.
                let out = unsafe { self.out.slice(i + r, j, width) };
                match <&mut [f32; GROUP]>::try_from(&mut *out) {
                    Ok(out) => *out = *values,
                    Err(_) => out.copy_from_slice(&values[..width]),
                }
            }
        }
    }
}

/// The rows of a matrix of `N` rows, `steps` lines each.
#[inline(always)]
fn rows<const N: usize>(x: &[f32], steps: usize) -> [&[f32]; N] {
    let mut rows: [&[f32]; N] = [&[]; N];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &x[i * steps * LANES..(i + 1) * steps * LANES];
    }
    rows
}

/// One row against a few, by itself.
struct Dots<'a, const C: usize> {
    row: &'a [f32],
    others: [&'a [f32]; C],
}

impl<const C: usize> Kernel for Dots<'_, C> {
    type Output = [f32; C];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let [sums] = dots::<S, 1, C, false>(simd, [self.row], self.others, std::ptr::null());
        sums
    }
}

/// [`dots`] of `R` rows and a group, in as many goes as there are registers for.
#[inline(always)]
fn tile<S: Simd, const R: usize, const AHEAD: bool>(
    simd: S,
    a: [&[f32]; R],
    b: [&[f32]; GROUP],
    next: *const f32,
) -> [[f32; GROUP]; R] {
    if S::WIDE {
        return dots::<S, R, GROUP, AHEAD>(simd, a, b, next);
    }
    let mut tile = [[0.0; GROUP]; R];
    for i in (0..R).step_by(2) {
        let second = (i + 1).min(R - 1);
        for j in (0..GROUP).step_by(3) {
            let sums = dots::<S, 2, 3, AHEAD>(simd, [a[i], a[second]], [b[j], b[j + 1], b[j + 2]], next);
            tile[i][j..j + 3].copy_from_slice(&sums[0]);
            tile[second][j..j + 3].copy_from_slice(&sums[1]);
        }
    }
    tile
}

/// The dot products of `R` vectors with `C` others, all of one length. With `AHEAD`, a vector of the same length at
/// `next` is fetched into the cache meanwhile.
#[inline(always)]
fn dots<S: Simd, const R: usize, const C: usize, const AHEAD: bool>(
    simd: S,
    a: [&[f32]; R],
    b: [&[f32]; C],
    next: *const f32,
) -> [[f32; C]; R] {
    let k = a[0].len();
    for x in a.iter().chain(&b) {
        assert_eq!(x.len(), k);
    }
    let (steps, tail) = (k / LANES, k % LANES);
    let mut sums = [[simd.splat(0.0); C]; R];
    for p in 0..steps {
        if AHEAD {
            simd.prefetch(next.wrapping_add(p * LANES));
        }
        let mut columns = [simd.splat(0.0); C];
        for j in 0..C {
            // SAFETY: all vectors have `k` elements, at least `(p + 1) * LANES`.
            columns[j] = simd.load(unsafe { chunk(b[j], p) });
        }
        for i in 0..R {
            // SAFETY: as above.
            let row = simd.load(unsafe { chunk(a[i], p) });
            for j in 0..C {
                sums[i][j] = simd.mul_add(row, columns[j], sums[i][j]);
            }
        }
    }
    if tail > 0 {
        for j in 0..C {
            let column = simd.load_partial(&b[j][steps * LANES..]);
            for i in 0..R {
                let row = simd.load_partial(&a[i][steps * LANES..]);
                sums[i][j] = simd.mul_add(row, column, sums[i][j]);
            }
        }
    }
    let mut out = [[0.0; C]; R];
    if R == 4 && C == GROUP {
        // Four sums at a time: of the first four columns of each row, then of the last two of each pair of rows.
        for i in 0..R {
            out[i][..4].copy_from_slice(&simd.sum4([
                sums[i][0],
                sums[i][1 % C],
                sums[i][2 % C],
                sums[i][3 % C],
            ]));
        }
        for i in [0, 2] {
            let (first, second) = (sums[i], sums[(i + 1) % R]);
            let pairs = simd.sum4([first[4 % C], first[5 % C], second[4 % C], second[5 % C]]);
            out[i][4..].copy_from_slice(&pairs[..2]);
            out[i + 1][4..].copy_from_slice(&pairs[2..]);
        }
    } else {
        for i in 0..R {
            for j in 0..C {
                out[i][j] = simd.sum(sums[i][j]);
            }
        }
    }
    out
}

/// The `p`th sixteen elements.
///
/// # Safety
/// `x` must have them.
#[inline(always)]
unsafe fn chunk(x: &[f32], p: usize) -> &[f32; LANES] {
    // SAFETY: the caller vouches for the range.
    unsafe { &*x.as_ptr().add(p * LANES).cast() }
}
