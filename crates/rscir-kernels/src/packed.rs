//! Linear layers: `x[m, k] . W[n, k]^T`, with weights that are packed once, and with bias and activation
//! computed while the product is stored.
//!
//! All precisions share one layout and one loop. The unit along `k` is a group of 32 bits: one f32, two bf16
//! or four bytes. Weights lie in panels of 32 outputs, group after group. Activations are converted and
//! packed, a few rows at a time, on each call. A tile multiplies one broadcast group of a row with the groups
//! of sixteen outputs at once. Every element is summed in the order of its groups, so it does not depend on
//! its tile, the batch or the number of threads.

mod bf16;
mod int8;
mod single;

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use crate::activation;
use crate::isa::{Isa, Kernel};
use crate::layout::{Line, Lines, second_level_cache, words, words_mut};
use crate::pack::{Conversion, pack};
use crate::parallel::SharedOut;
use crate::simd::{LANES, Simd};
use crate::tile::{Product, TALL, tile};
use crate::unfold::{Parts, Unfold, UnfoldRows};

pub use bf16::PackedBf16;
pub use int8::PackedI8;
pub use single::PackedMatrix;

/// Last step of an [`Epilogue`], after the bias is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// Stores the element.
    #[default]
    Store,
    /// Stores its Gaussian error linear unit in the exact form, `x Phi(x)` (Hendrycks & Gimpel 2016).
    Gelu,
    /// Stores `x sigmoid(1.702 x)`, the approximation that CLIP was trained with.
    QuickGelu,
    /// Stores `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, PyTorch's `approximate="tanh"`.
    GeluTanh,
    /// Adds the element to the value in `out`: a residual connection.
    Add,
}

/// End of a linear layer, computed while the product is still in registers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Bias that is added to every row, `n` elements.
    pub bias: Option<&'a [f32]>,
    /// Step that follows the bias.
    pub finish: Finish,
}

impl<'a> Epilogue<'a> {
    /// Makes an epilogue that stores the product as it is.
    pub const fn none() -> Self {
        Self { bias: None, finish: Finish::Store }
    }

    /// Makes an epilogue that adds a bias of `n` elements to every row.
    pub const fn bias(bias: &'a [f32]) -> Self {
        Self { bias: Some(bias), finish: Finish::Store }
    }

    /// Applies the exact GELU last.
    pub const fn gelu(self) -> Self {
        Self { finish: Finish::Gelu, ..self }
    }

    /// Applies QuickGELU last.
    pub const fn quick_gelu(self) -> Self {
        Self { finish: Finish::QuickGelu, ..self }
    }

    /// Applies the GELU in its form with tanh last.
    pub const fn gelu_tanh(self) -> Self {
        Self { finish: Finish::GeluTanh, ..self }
    }

    /// Adds to the values in `out` last, where the residual is.
    pub const fn add(self) -> Self {
        Self { finish: Finish::Add, ..self }
    }
}

/// Number of vectors of outputs in a panel.
const PANEL: usize = 2;

/// Bytes of activations that are packed at a time: a core's share of the third-level cache.
const X_BLOCK_BYTES: usize = 4 << 20;

/// Number of rows from which it pays to take weights apart before they are multiplied: with two tiles they
/// are used twice.
const ROWS_WORTH_UNFOLDING_FOR: usize = TALL + 1;

/// Number of rows that a task should have, so that a panel of weights in the cache is used often enough.
const ROWS_PER_TASK: usize = 8 * TALL;

/// Number of tasks that each thread should have, so that none waits long for the last of another.
const TASKS_PER_THREAD: usize = 32;

/// Least size of a second-level cache in which rows of activations are kept. Cores of Intel's servers have 2 MiB since Sapphire
/// Rapids, and a third-level cache that is slow. Those of AMD have 1 MiB at most and a fast one, where reading panels more often
/// costs as much as it saves: 1 % more with bf16 on Zen 5, eight images at a time.
const KEEPING_CACHE: usize = 2 << 20;

/// Least number of tiles for which a task reads its panel anew. For fewer of them, panels would take more from the third-level
/// cache than the activations do that are kept for it: a step reads 32 words of a panel, and 12 of activations.
const LEAST_STRIPS: usize = 4;

/// How a precision represents activations, and what its sums mean.
trait Format: Sync {
    /// Conversion of the activations.
    type X: Conversion;
    /// Product of two groups.
    type Product: Product;
    /// Values by which the sums of sixteen outputs are turned into numbers.
    type Outputs<S: Simd>: Copy;

    /// Returns the words of weights that are multiplied in place of a packed one. The first
    /// [`Conversion::WORDS`] count.
    #[inline(always)]
    fn weights<S: Simd>(_: S, word: S::I) -> [S::I; 2] {
        [word; 2]
    }

    /// Returns these values for the sixteen outputs from `column`.
    fn outputs<S: Simd>(&self, simd: S, column: usize) -> Self::Outputs<S>;
    fn value<S: Simd>(simd: S, sum: SumOf<Self, S>, row: RowOf<Self>, outputs: Self::Outputs<S>) -> S::F;
}

/// A format whose operands' words are taken apart.
struct Unfolded<'a, F>(&'a F);

impl<F: Format<X: UnfoldRows, Product: Unfold>> Format for Unfolded<'_, F> {
    type X = Parts<F::X>;
    type Product = Parts<F::Product>;
    type Outputs<S: Simd> = F::Outputs<S>;

    #[inline(always)]
    fn weights<S: Simd>(simd: S, word: S::I) -> [S::I; 2] {
        F::Product::weights(simd, word)
    }

    #[inline(always)]
    fn outputs<S: Simd>(&self, simd: S, column: usize) -> F::Outputs<S> {
        self.0.outputs(simd, column)
    }

    #[inline(always)]
    fn value<S: Simd>(simd: S, sum: SumOf<F, S>, row: RowOf<F>, outputs: F::Outputs<S>) -> S::F {
        F::value(simd, sum, row, outputs)
    }
}

type SumOf<F, S> = <<F as Format>::Product as Product>::Sum<S>;
type RowOf<F> = <<F as Format>::X as Conversion>::Row;

/// Weights in the layout of the product.
#[derive(Debug)]
struct Panels {
    /// Panels of 32 outputs, in order. A panel holds, for each group, the words of its outputs.
    groups: Vec<[Line; PANEL]>,
    n: usize,
    k: usize,
    /// Number of groups in a row.
    depth: usize,
}

impl Panels {
    /// Converts and packs row-major `weights[n, k]`. Returns also the values that the conversion of each row
    /// depends on.
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
                // The first write happens in this task, so that threads share the work of fetching the pages.
                panel.fill(MaybeUninit::new([Line::ZERO; PANEL]));
                // SAFETY: all elements have just been written.
                let panel = unsafe { panel.assume_init_mut() };
                let (to, _) = words_mut(panel.as_flattened_mut()).as_chunks_mut();
                isa.run_exact(Pack::<C, { PANEL * LANES }> { x, k, to, rows });
            });
        }
        // SAFETY: the panels are `len` elements, and each has been written.
        unsafe { groups.set_len(len) };
        (Self { groups, n, k, depth }, rows)
    }

    /// Computes `out[m, n] = epilogue(x[m, k] . W^T)`.
    fn apply<F: Format>(&self, format: &F, x: &[f32], m: usize, epilogue: Epilogue<'_>, out: &mut [f32]) {
        assert_eq!(x.len(), m * self.k, "x has m x k elements");
        assert_eq!(out.len(), m * self.n, "out has m x n elements");
        if let Some(bias) = epilogue.bias {
            assert_eq!(bias.len(), self.n, "the bias has n elements");
        }
        if m == 0 || self.n == 0 {
            return;
        }
        let fit = X_BLOCK_BYTES / (4 * F::X::WORDS * self.depth.max(1));
        let rows = m.div_ceil(m.div_ceil(fit.max(TALL))).next_multiple_of(TALL);
        for first in (0..m).step_by(rows) {
            let m = rows.min(m - first);
            let x = &x[first * self.k..(first + m) * self.k];
            let out = &mut out[first * self.n..(first + m) * self.n];
            self.apply_block(format, x, m, epilogue, out);
        }
    }

    /// Returns the number of rows, of `word` bytes a group, that stay in the second-level cache beside a panel and the next
    /// one in a cache of so many bytes, or no limit if it is not worth keeping them. An eighth of the cache is left to the output and
    /// the rest.
    fn rows_beside_panels(&self, word: usize, cache: usize) -> usize {
        let panel = self.depth * size_of::<[Line; PANEL]>();
        let room = (cache * 7 / 8).saturating_sub(2 * panel);
        let rows = room / (word * self.depth).max(1) / TALL * TALL;
        if cache < KEEPING_CACHE || rows < LEAST_STRIPS * TALL { usize::MAX } else { rows }
    }

    /// Computes [`Panels::apply`] for rows few enough to be packed at once.
    fn apply_block<F: Format>(
        &self,
        format: &F,
        x: &[f32],
        m: usize,
        epilogue: Epilogue<'_>,
        out: &mut [f32],
    ) {
        let isa = Isa::current();
        let depth = self.depth * F::X::WORDS;
        let mut packed = Lines::borrow((m.div_ceil(TALL) * TALL * depth).div_ceil(LANES));
        let mut rows = vec![RowOf::<F>::default(); m];
        if depth > 0 {
            let panels = words_mut(&mut packed).as_chunks_mut().0.par_chunks_mut(depth);
            let panels = panels.zip(rows.par_chunks_mut(TALL)).zip(x.par_chunks(TALL * self.k));
            panels.for_each(|((to, rows), x)| isa.run_exact(Pack::<F::X, TALL> { x, k: self.k, to, rows }));
        }

        let out = SharedOut::new(out, m, self.n);
        let panels = self.n.div_ceil(PANEL * LANES);
        let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
        let splits = tasks.div_ceil(panels).min(m.div_ceil(ROWS_PER_TASK));
        let splits = splits.max(m.div_ceil(self.rows_beside_panels(4 * F::X::WORDS, second_level_cache())));
        let split = m.div_ceil(splits).next_multiple_of(TALL);
        // Tasks are handed out one by one, so that no thread waits long for the last task of another.
        let tasks = (0..panels * m.div_ceil(split)).into_par_iter().with_max_len(1);
        tasks.for_each(|task| {
            let (panel, first) = (task % panels, task / panels * split);
            isa.run_exact(Task {
                format,
                x: words(&packed).as_chunks().0,
                weights: &self.groups[panel * self.depth..(panel + 1) * self.depth],
                next: &self.groups[(panel + 1) % panels * self.depth..][..self.depth],
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

/// Converts at most `H` rows of a panel and interleaves their groups. The words of missing rows are
/// arbitrary.
struct Pack<'a, C: Conversion, const H: usize> {
    x: &'a [f32],
    k: usize,
    to: &'a mut [[u32; H]],
    rows: &'a mut [C::Row],
}

impl<C: Conversion, const H: usize> Kernel for Pack<'_, C, H> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut rows = [&[][..]; H];
        let mut infos = [C::Row::default(); H];
        let count = self.rows.len();
        for h in 0..H {
            let row = h.min(count - 1);
            rows[h] = &self.x[row * self.k..(row + 1) * self.k];
            if h < count {
                self.rows[h] = C::measure(rows[h]);
            }
            infos[h] = self.rows[row];
        }
        pack::<S, C, H>(simd, &rows, &infos, self.to);
    }
}

/// The product of a range of rows and a panel of weights.
struct Task<'a, 'o, F: Format> {
    format: &'a F,
    x: &'a [[u32; TALL]],
    weights: &'a [[Line; PANEL]],
    /// The panel that is most likely this thread's next.
    next: &'a [[Line; PANEL]],
    rows: &'a [RowOf<F>],
    range: Range<usize>,
    column: usize,
    n: usize,
    epilogue: Epilogue<'a>,
    out: &'a SharedOut<'o>,
}

impl<F: Format> Kernel for Task<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut sums = [[F::Product::zero(simd); PANEL]; TALL];
        let depth = self.weights.len() * F::X::WORDS;
        let mut parts = Lines::borrow(if F::X::WORDS > 1 { depth * PANEL } else { 0 });
        let weights = if F::X::WORDS > 1 {
            let (parts, _) = parts.as_chunks_mut::<PANEL>();
            for (words, parts) in self.weights.iter().zip(parts.as_chunks_mut::<2>().0) {
                for v in 0..PANEL {
                    let [first, second] = F::weights(simd, simd.load_bits(&words[v].0));
                    (parts[0][v].0, parts[1][v].0) = (simd.bits(first), simd.bits(second));
                }
            }
            &*parts
        } else {
            self.weights
        };
        let mut next = self.next;
        let each = next.len().div_ceil(self.range.len().div_ceil(TALL));
        for row in self.range.clone().step_by(TALL) {
            let (ahead, later) = next.split_at(each.min(next.len()));
            next = later;
            let x = &self.x[row / TALL * depth..(row / TALL + 1) * depth];
            let height = TALL.min(self.range.end - row);
            tile::<S, F::Product, PANEL>(simd, x, weights, height, ahead, &mut sums);
            match self.epilogue.finish {
                Finish::Store => self.finish::<S, Store>(simd, &sums[..height], row),
                Finish::Gelu => self.finish::<S, Gelu>(simd, &sums[..height], row),
                Finish::QuickGelu => self.finish::<S, QuickGelu>(simd, &sums[..height], row),
                Finish::GeluTanh => self.finish::<S, GeluTanh>(simd, &sums[..height], row),
                Finish::Add => self.finish::<S, Add>(simd, &sums[..height], row),
            }
        }
    }
}

impl<F: Format> Task<'_, '_, F> {
    /// Stores the sums of the rows from `row`.
    #[inline(always)]
    fn finish<S: Simd, L: Last>(&self, simd: S, sums: &[[SumOf<F, S>; PANEL]], row: usize) {
        let rows = &self.rows[row..row + sums.len()];
        for v in 0..PANEL {
            let column = self.column + v * LANES;
            if column >= self.n {
                return;
            }
            let width = LANES.min(self.n - column);
            let outputs = self.format.outputs(simd, column);
            let bias = match self.epilogue.bias {
                Some(bias) => simd.load_partial(&bias[column..column + width]),
                None => simd.splat(0.0),
            };
            for (h, (sums, info)) in sums.iter().zip(rows).enumerate() {
                let value = simd.add(F::value(simd, sums[v], *info, outputs), bias);
                // SAFETY: tasks are given disjoint parts of the output, and a task's tiles follow one another.
                let out = unsafe { self.out.slice(row + h, column, width) };
                match <&mut [f32; LANES]>::try_from(&mut *out) {
                    Ok(out) => simd.store(L::apply(simd, value, out), out),
                    Err(_) => simd.store_partial(L::apply(simd, value, out), out),
                }
            }
        }
    }
}

/// The last step of an [`Epilogue`].
trait Last {
    fn apply<S: Simd>(simd: S, value: S::F, out: &[f32]) -> S::F;
}

macro_rules! last {
    ($name:ident, |$simd:ident, $value:ident, $out:ident| $apply:expr) => {
        struct $name;
        impl Last for $name {
            #[inline(always)]
            fn apply<S: Simd>($simd: S, $value: S::F, $out: &[f32]) -> S::F {
                $apply
            }
        }
    };
}
last!(Store, |_simd, value, _out| value);
last!(Gelu, |simd, value, _out| activation::gelu(simd, value));
last!(QuickGelu, |simd, value, _out| activation::quick_gelu(simd, value));
last!(GeluTanh, |simd, value, _out| activation::gelu_tanh(simd, value));
last!(Add, |simd, value, out| simd.add(value, simd.load_partial(out)));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_where_the_cache_is_large_enough_for_them() {
        let rows =
            |depth, cache| Panels { groups: Vec::new(), n: 0, k: depth, depth }.rows_beside_panels(4, cache);
        // 7/8 of 2 MiB, without two panels of 128 KiB, have room for 384 rows of 4 KiB.
        assert_eq!(rows(1024, 2 << 20), 384);
        assert_eq!(rows(4096, 2 << 20), 48);
        assert_eq!(rows(8192, 2 << 20), usize::MAX, "two panels fill the cache");
        assert_eq!(rows(1024, 1 << 20), usize::MAX);
        assert!(rows(0, 2 << 20) > 0);
    }
}
