//! Products of two row-major matrices that share their inner dimension, neither of which is packed.
//!
//! Both operands are read along `k`, where they are contiguous: a tile keeps sixteen partial sums for each of
//! its elements and adds them up at the end. So nothing is transposed, and rows are copied only to align them
//! to cache lines. One row of `a` or thousands take the same path, and the value of an element is that of
//! [`dot`] whichever tile computes it.

mod operand;
mod tile;

use std::ops::Range;

use rayon::prelude::*;

use crate::isa::{Isa, Kernel};
use crate::layout::{Line, Lines, floats, floats_mut, second_level_cache};
use crate::parallel::SharedOut;
use crate::simd::{LANES, Simd};

pub use operand::Element;
use operand::Operand;
use tile::{GROUP, dots, group_dots};

/// Share of its core's second-level cache that a task fills with rows of `a`, in eighths: a good third, which is 384 KiB of 1 MiB.
const A_BLOCK_EIGHTHS: usize = 3;

/// Rows of `b` in a task. Together with a block of `a` they make some tens of microseconds of work.
const B_BLOCK_ROWS: usize = 40 * GROUP;

/// Number of rows of `a` from which copying a misaligned group of `b` costs less than loads across cache
/// lines.
const ROWS_WORTH_COPYING_FOR: usize = 16;

/// Computes `out[m, n] = a[m, k] . b[n, k]^T`, all row-major: the dot product of every row of `a` with every
/// row of `b`.
///
/// `b` may be in `f32`, `f16` or `bf16`. The 16-bit formats are widened as they are read, which is exact.
/// Each element is the [`dot`] of its two rows, bit for bit: it does not depend on the number of threads, the
/// other rows of the batch or the instruction set. The product is fastest where `b` is aligned to a cache
/// line and `k` is a multiple of sixteen, because `b` is then read in place.
///
/// # Panics
/// Panics if the length of a slice does not fit `m`, `n` and `k`.
pub fn matmul_nt<E: Element>(a: &[f32], b: &[E], m: usize, n: usize, k: usize, out: &mut [f32]) {
    assert_eq!(a.len(), m * k, "a has m x k elements");
    assert_eq!(b.len(), n * k, "b has n x k elements");
    assert_eq!(out.len(), m * n, "out has m x n elements");
    if m == 0 || n == 0 || k == 0 {
        return out.fill(0.0);
    }
    let out = SharedOut::new(out, m, n);
    let steps = k.div_ceil(LANES);
    let strip = strip_height(m);
    let mut lines = Lines::borrow(m.next_multiple_of(strip) * steps);
    lines[m * steps..].fill(Line::ZERO);
    for (from, to) in a.chunks_exact(k).zip(floats_mut(&mut lines).chunks_exact_mut(steps * LANES)) {
        to[..k].copy_from_slice(from);
        to[k..].fill(0.0);
    }
    let isa = Isa::current();
    let a_block = second_level_cache() / 8 * A_BLOCK_EIGHTHS;
    let a_rows = (a_block / (size_of::<Line>() * steps)).clamp(1, m).next_multiple_of(strip);
    let row_blocks = m.div_ceil(a_rows);
    (0..row_blocks * n.div_ceil(B_BLOCK_ROWS)).into_par_iter().for_each(|task| {
        let rows = block(task % row_blocks, a_rows, m);
        let columns = block(task / row_blocks, B_BLOCK_ROWS, n);
        isa.run(Block { a: floats(&lines), b, k, strip, rows, columns, out: &out });
    });
}

/// Computes the dot product of two vectors. Lane `l` of sixteen adds up the fused products at `l`, `l + 16`,
/// ...; then the lanes are added, halves at a time.
///
/// # Panics
/// Panics if the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "both vectors have one length");
    Isa::current().run(Dots { row: a, others: [b] })[0]
}

/// Computes the dot products of one row with two queries, in one pass over the row.
///
/// # Panics
/// Panics if the lengths differ.
pub fn dot2(row: &[f32], first: &[f32], second: &[f32]) -> (f32, f32) {
    assert!(row.len() == first.len() && row.len() == second.len(), "all vectors have one length");
    Isa::current().run(Dots { row, others: [first, second] }).into()
}

/// The dot products of one row with a few others.
struct Dots<'a, const C: usize> {
    row: &'a [f32],
    others: [&'a [f32]; C],
}

impl<const C: usize> Kernel for Dots<'_, C> {
    type Output = [f32; C];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        dots(simd, self.row, self.others)
    }
}

/// Returns the `i`th block of `size` out of `len`.
fn block(i: usize, size: usize, len: usize) -> Range<usize> {
    i * size..len.min((i + 1) * size)
}

/// Returns the number of rows of `a` in a tile: four, or fewer if `a` has one or two.
fn strip_height(m: usize) -> usize {
    match m {
        1 | 2 => m,
        _ => 4,
    }
}

/// The product of a block of rows of `a` and a block of rows of `b`.
struct Block<'a, 'o, B: Operand> {
    /// Rows aligned to cache lines, padded with zeros to whole steps and strips.
    a: &'a [f32],
    b: &'a [B],
    k: usize,
    strip: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    out: &'a SharedOut<'o>,
}

impl<B: Operand> Kernel for Block<'_, '_, B> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let steps = self.k.div_ceil(LANES);
        let straddles = B::WIDENED || !self.b.as_ptr().cast::<Line>().is_aligned();
        let copied = !self.k.is_multiple_of(LANES) || self.rows.len() >= ROWS_WORTH_COPYING_FOR && straddles;
        let mut lines = Lines::borrow(GROUP * steps);
        for j in self.columns.clone().step_by(GROUP) {
            let width = GROUP.min(self.columns.end - j);
            let rows = &self.b[j * self.k..(j + width) * self.k];
            let next = rows.as_ptr_range().end;
            if copied || width < GROUP {
                let group = floats_mut(&mut lines);
                for (i, to) in group.chunks_exact_mut(steps * LANES).enumerate() {
                    let (to, rest) = to.split_at_mut(if i < width { self.k } else { 0 });
                    if i < width {
                        B::copy(simd, &rows[i * self.k..(i + 1) * self.k], to);
                    }
                    rest.fill(0.0);
                }
                self.strips::<S, f32>(simd, j, width, next, group);
            } else {
                self.strips::<S, B>(simd, j, width, next, rows);
            }
        }
    }
}

impl<B: Operand> Block<'_, '_, B> {
    /// Multiplies all rows of `a` by a group of `b`, of which `width` rows count. Meanwhile, the group after
    /// it, at `next`, is fetched.
    #[inline(always)]
    fn strips<S: Simd, G: Operand>(&self, simd: S, j: usize, width: usize, next: *const B, group: &[G]) {
        match self.strip {
            1 => self.tiles::<S, G, 1>(simd, j, width, next, group),
            2 => self.tiles::<S, G, 2>(simd, j, width, next, group),
            _ => self.tiles::<S, G, 4>(simd, j, width, next, group),
        }
    }

    #[inline(always)]
    fn tiles<S: Simd, G: Operand, const R: usize>(
        &self,
        simd: S,
        j: usize,
        width: usize,
        next: *const B,
        group: &[G],
    ) {
        let padded = self.k.next_multiple_of(LANES);
        let columns = rows::<G, GROUP>(group, padded);
        for (strip, i) in self.rows.clone().step_by(R).enumerate() {
            let queries = rows::<_, R>(&self.a[i * padded..(i + R) * padded], padded);
            // A single strip reads `b` in order, which the hardware predicts better than these prefetches do.
            let tile = if R == 4 && strip < GROUP && self.rows.len() > R {
                let next = next.wrapping_add(strip * self.k);
                group_dots::<S, G, R, true>(simd, queries, columns, next.cast())
            } else {
                group_dots::<S, G, R, false>(simd, queries, columns, next.cast())
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

/// Returns the rows of a matrix of `N` rows.
#[inline(always)]
fn rows<T, const N: usize>(x: &[T], len: usize) -> [&[T]; N] {
    let mut rows: [&[T]; N] = [&[]; N];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &x[i * len..(i + 1) * len];
    }
    rows
}
