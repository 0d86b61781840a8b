//! Linear layers: `x[m, k] . W[n, k]^T`, the weights packed once, the bias and activation fused into the store.
//!
//! All precisions share one layout and one loop. The unit along `k` is a group of 32 bits: one f32, two bf16 or
//! four bytes. Weights lie in panels of 32 outputs, group after group; activations are converted and packed, a few
//! rows at a time, on each call; a tile multiplies one broadcast group of a row with sixteen outputs' groups at once.
//! Every element is summed in the order of its groups, so it depends neither on its tile, nor on the batch, nor on
//! the number of threads.

mod bf16;
mod int8;
mod single;

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use crate::activation;
use crate::isa::{Isa, Kernel};
use crate::parallel::{Line, Lines, SharedOut, words, words_mut};
use crate::simd::{LANES, Simd};

pub use bf16::PackedBf16;
pub use int8::PackedI8;
pub use single::PackedMatrix;

/// What becomes of a product's element once bias is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// Store it.
    #[default]
    Store,
    /// Store its Gaussian error linear unit in the exact form, `x Phi(x)` (Hendrycks & Gimpel 2016).
    Gelu,
    /// Store `x sigmoid(1.702 x)`, the approximation CLIP was trained with.
    QuickGelu,
    /// Add it to what `out` holds: a residual connection.
    Add,
}

/// The end of a linear layer, done while its product is still in registers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Added to every row, `n` elements.
    pub bias: Option<&'a [f32]>,
    /// What follows the bias.
    pub finish: Finish,
}

impl<'a> Epilogue<'a> {
    /// Nothing but the product.
    pub const fn none() -> Self {
        Self { bias: None, finish: Finish::Store }
    }

    /// Adds a bias of `n` elements to every row.
    pub const fn bias(bias: &'a [f32]) -> Self {
        Self { bias: Some(bias), finish: Finish::Store }
    }

    /// Then the exact GELU.
    pub const fn gelu(self) -> Self {
        Self { finish: Finish::Gelu, ..self }
    }

    /// Then QuickGELU.
    pub const fn quick_gelu(self) -> Self {
        Self { finish: Finish::QuickGelu, ..self }
    }

    /// Then adds to what `out` holds, where the residual stands.
    pub const fn add(self) -> Self {
        Self { finish: Finish::Add, ..self }
    }
}

/// Vectors of outputs in a panel.
const PANEL: usize = 2;

/// Rows in a panel of packed activations, the height of the tallest tile.
const TALL: usize = 12;

/// Bytes of activations packed at a time: what a core's share of the third-level cache holds.
const X_BLOCK_BYTES: usize = 4 << 20;

/// Rows a task should have, so that a panel of weights brought near is used often enough.
const ROWS_PER_TASK: usize = 8 * TALL;

/// How rows of f32 become groups.
trait Conversion {
    /// Elements in a group of 32 bits.
    const GROUP: usize;
    /// What undoing a row's conversion takes.
    type Row: Copy + Default + Send + Sync;

    fn convert(x: &[f32], to: &mut [u32]) -> Self::Row;
}

/// How a precision represents activations and weights, and multiplies them.
trait Format: Sync {
    /// How activations are converted.
    type X: Conversion;
    /// Sixteen sums.
    type Sum<S: Simd>: Copy;
    /// What turning the sums of sixteen outputs into numbers takes.
    type Outputs<S: Simd>: Copy;

    fn zero<S: Simd>(simd: S) -> Self::Sum<S>;
    fn add_products<S: Simd>(simd: S, sum: Self::Sum<S>, x: S::I, weights: S::I) -> Self::Sum<S>;
    /// Of the sixteen outputs from `column`.
    fn outputs<S: Simd>(&self, simd: S, column: usize) -> Self::Outputs<S>;
    fn value<S: Simd>(simd: S, sum: Self::Sum<S>, row: RowOf<Self>, outputs: Self::Outputs<S>) -> S::F;
}

type RowOf<F> = <<F as Format>::X as Conversion>::Row;

/// Weights laid out for the product.
#[derive(Debug)]
struct Panels {
    /// Panels of 32 outputs one after another: for each group, the words of its outputs.
    groups: Vec<[Line; PANEL]>,
    n: usize,
    k: usize,
    /// Groups in a row.
    depth: usize,
}

impl Panels {
    /// Converts and packs row-major `weights[n, k]`; also what the conversion says of each row.
    fn pack<C: Conversion>(weights: &[f32], n: usize, k: usize) -> (Self, Vec<C::Row>) {
        assert_eq!(weights.len(), n * k, "weights have n x k elements");
        let isa = Isa::current();
        let depth = k.div_ceil(C::GROUP);
        let len = n.div_ceil(PANEL * LANES) * depth;
        let mut groups = Vec::with_capacity(len);
        let mut rows = vec![C::Row::default(); n];
        if depth > 0 {
            let panels = groups.spare_capacity_mut()[..len].par_chunks_mut(depth);
            let rows = rows.par_chunks_mut(PANEL * LANES);
            panels.zip(rows).zip(weights.par_chunks(PANEL * LANES * k)).for_each(|((panel, rows), x)| {
                // Written first here, so that threads share the work of fetching the pages.
                panel.fill(MaybeUninit::new([Line::ZERO; PANEL]));
                // SAFETY: all elements have just been written.
                let panel = unsafe { panel.assume_init_mut() };
                let to = words_mut(panel.as_flattened_mut());
                isa.run(Pack::<C> { x, k, to, stride: PANEL * LANES, rows });
            });
        }
        // SAFETY: the panels are `len` elements, and each has been written.
        unsafe { groups.set_len(len) };
        (Self { groups, n, k, depth }, rows)
    }

    /// `out[m, n] = epilogue(x[m, k] . W^T)`.
    fn apply<F: Format>(&self, format: &F, x: &[f32], m: usize, epilogue: Epilogue<'_>, out: &mut [f32]) {
        assert_eq!(x.len(), m * self.k, "x has m x k elements");
        assert_eq!(out.len(), m * self.n, "out has m x n elements");
        if let Some(bias) = epilogue.bias {
            assert_eq!(bias.len(), self.n, "the bias has n elements");
        }
        if m == 0 || self.n == 0 {
            return;
        }
        let fit = X_BLOCK_BYTES / (4 * self.depth.max(1));
        let rows = m.div_ceil(m.div_ceil(fit.max(TALL))).next_multiple_of(TALL);
        for first in (0..m).step_by(rows) {
            let m = rows.min(m - first);
            let x = &x[first * self.k..(first + m) * self.k];
            let out = &mut out[first * self.n..(first + m) * self.n];
            self.apply_block(format, x, m, epilogue, out);
        }
    }

    /// [`Panels::apply`] to rows few enough to be packed at once.
    fn apply_block<F: Format>(
        &self,
        format: &F,
        x: &[f32],
        m: usize,
        epilogue: Epilogue<'_>,
        out: &mut [f32],
    ) {
        let isa = Isa::current();
        let mut packed = Lines::borrow((m.div_ceil(TALL) * TALL * self.depth).div_ceil(LANES));
        let mut rows = vec![RowOf::<F>::default(); m];
        if self.depth > 0 {
            let panels = words_mut(&mut packed).par_chunks_mut(TALL * self.depth);
            let panels = panels.zip(rows.par_chunks_mut(TALL)).zip(x.par_chunks(TALL * self.k));
            panels.for_each(|((to, rows), x)| isa.run(Pack::<F::X> { x, k: self.k, to, stride: TALL, rows }));
        }

        let out = SharedOut::new(out, m, self.n);
        let panels = self.n.div_ceil(PANEL * LANES);
        let splits = (4 * rayon::current_num_threads()).div_ceil(panels).min(m.div_ceil(ROWS_PER_TASK));
        let split = m.div_ceil(splits).next_multiple_of(TALL);
        (0..panels * m.div_ceil(split)).into_par_iter().for_each(|task| {
            let (panel, first) = (task % panels, task / panels * split);
            isa.run_exact(Task {
                format,
                x: words(&packed).as_chunks().0,
                weights: &self.groups[panel * self.depth..(panel + 1) * self.depth],
                rows: &rows,
                range: first..m.min(first + split),
                column: panel * PANEL * LANES,
                n: self.n,
                epilogue,
                out: &out,
            });
        });
    }
}

/// Converts the rows of a panel and interleaves their groups.
struct Pack<'a, C: Conversion> {
    x: &'a [f32],
    k: usize,
    /// For each group, `stride` words: those of the rows, then some of no consequence.
    to: &'a mut [u32],
    stride: usize,
    rows: &'a mut [C::Row],
}

impl<C: Conversion> Kernel for Pack<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let depth = self.k.div_ceil(C::GROUP);
        let mut converted = Lines::borrow((4 * depth).div_ceil(LANES));
        let converted = &mut words_mut(&mut converted)[..4 * depth];
        for (first, rows) in (0..).step_by(4).zip(self.rows.chunks_mut(4)) {
            for (i, row) in rows.iter_mut().enumerate() {
                let x = &self.x[(first + i) * self.k..(first + i + 1) * self.k];
                *row = C::convert(x, &mut converted[i * depth..(i + 1) * depth]);
            }
            interleave(converted, &mut self.to[first..], self.stride);
        }
    }
}

/// Writes the `p`th words of four rows together to `p * stride`.
#[inline(always)]
fn interleave(rows: &[u32], to: &mut [u32], stride: usize) {
    let depth = rows.len() / 4;
    let (a, rest) = rows.split_at(depth);
    let (b, rest) = rest.split_at(depth);
    let (c, d) = rest.split_at(depth);
    for (p, to) in to.chunks_mut(stride).enumerate() {
        to[..4].copy_from_slice(&[a[p], b[p], c[p], d[p]]);
    }
}

/// A range of rows against a panel of weights.
struct Task<'a, 'o, F: Format> {
    format: &'a F,
    x: &'a [[u32; TALL]],
    weights: &'a [[Line; PANEL]],
    rows: &'a [RowOf<F>],
    range: Range<usize>,
    column: usize,
    n: usize,
    epilogue: Epilogue<'a>,
    out: &'a SharedOut<'o>,
}

impl<F: Format> Kernel for Task<'_, '_, F> {
    type Output = ();

    /// Tiles of 12 x 32 where there are 32 registers, of 6 x 16 where there are 16; what is left at the end goes
    /// through smaller ones.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for i in self.range.clone().step_by(TALL) {
            let left = self.range.end - i;
            if S::WIDE {
                match left {
                    0..=4 => self.tile::<S, 4, PANEL>(simd, i, 0, 0),
                    5..=8 => self.tile::<S, 8, PANEL>(simd, i, 0, 0),
                    _ => self.tile::<S, 12, PANEL>(simd, i, 0, 0),
                }
            } else {
                for vector in 0..PANEL {
                    self.tile::<S, 6, 1>(simd, i, 0, vector);
                    if left > 6 {
                        self.tile::<S, 6, 1>(simd, i, 6, vector);
                    }
                }
            }
        }
    }
}

impl<F: Format> Task<'_, '_, F> {
    /// `H` rows from the `skip`th of the panel at row `i`, against `V` of the panel's vectors.
    #[inline(always)]
    fn tile<S: Simd, const H: usize, const V: usize>(&self, simd: S, i: usize, skip: usize, vector: usize) {
        let depth = self.weights.len();
        let mut sums = [[F::zero(simd); V]; H];
        for (x, weights) in self.x[i / TALL * depth..(i / TALL + 1) * depth].iter().zip(self.weights) {
            let mut outputs = [simd.splat_bits(0); V];
            for v in 0..V {
                outputs[v] = simd.load_bits(&weights[vector + v].0);
            }
            for h in 0..H {
                let x = simd.splat_bits(x[skip + h]);
                for v in 0..V {
                    sums[h][v] = F::add_products(simd, sums[h][v], x, outputs[v]);
                }
            }
        }
        let height = H.min((self.range.end - i).saturating_sub(skip));
        for v in 0..V {
            let column = self.column + (vector + v) * LANES;
            if column < self.n {
                let mut vectors = [F::zero(simd); H];
                for h in 0..H {
                    vectors[h] = sums[h][v];
                }
                self.finish(simd, &vectors[..height], i + skip, column);
            }
        }
    }

    /// Stores the sums of a few rows, from `row`, and sixteen outputs, from `column`.
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, sums: &[F::Sum<S>], row: usize, column: usize) {
        let width = LANES.min(self.n - column);
        let outputs = self.format.outputs(simd, column);
        let bias = match self.epilogue.bias {
            Some(bias) => simd.load_partial(&bias[column..column + width]),
            None => simd.splat(0.0),
        };
        for (h, &sum) in sums.iter().enumerate() {
            let value = simd.add(F::value(simd, sum, self.rows[row + h], outputs), bias);
            // SAFETY: tasks are given disjoint parts of the output, and a task's tiles follow one another.
            let out = unsafe { self.out.slice(row + h, column, width) };
            let value = match self.epilogue.finish {
                Finish::Store => value,
                Finish::Gelu => activation::gelu(simd, value),
                Finish::QuickGelu => activation::quick_gelu(simd, value),
                Finish::Add => simd.add(value, simd.load_partial(out)),
            };
            match <&mut [f32; LANES]>::try_from(&mut *out) {
                Ok(out) => simd.store(value, out),
                Err(_) => simd.store_partial(value, out),
            }
        }
    }
}
