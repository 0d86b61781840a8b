//! Scaled dot-product attention, computed directly on the product that holds queries, keys and values.
//!
//! Each lane holds a query. For a block of 32 queries the scores of all keys are computed in tiles of twelve
//! keys, so that the softmax runs down the lanes and needs no sums across them. The output is computed in
//! tiles of twelve dimensions in the same way. The result of a query depends neither on the batch nor on the
//! number of threads.

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use crate::activation::exp;
use crate::isa::{Isa, Kernel};
use crate::layout::{Line, Lines, floats, floats_mut, words, words_mut};
use crate::pack::{Conversion, pack};
use crate::parallel::SharedOut;
use crate::simd::{LANES, Simd};
use crate::tile::{Bf16, Product, Single, TALL, tile};
use crate::unfold::Parts;

/// Number of vectors of queries in a block.
const BLOCK: usize = 2;

/// Sizes of an attention, and which tokens attend to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Number of items. Tokens attend only to tokens of their own item.
    pub batch: usize,
    /// Number of tokens in an item.
    pub tokens: usize,
    /// Number of heads.
    pub heads: usize,
    /// Number of dimensions in a head.
    pub head_dim: usize,
    /// `true`: a token attends to itself and the tokens before it. `false`: to all tokens of its item.
    pub causal: bool,
}

/// Computes `softmax(Q K^T / sqrt(head_dim)) V` for every head (Vaswani et al., Attention Is All You Need,
/// 2017).
///
/// A row of `qkv[batch * tokens, 3 * heads * head_dim]` holds the queries of a token, head after head, then
/// its keys, then its values. `out[batch * tokens, heads * head_dim]` receives the outputs, head after head.
///
/// # Panics
/// Panics if the length of a slice does not fit the shape.
pub fn attention(qkv: &[f32], shape: AttentionShape, out: &mut [f32]) {
    attend::<Single>(qkv, shape, out);
}

/// Computes [`attention`] with the operands of both products rounded to bf16: queries and keys, the
/// exponentials of the scores, and values. The sums, and the softmax between the products, are in f32.
///
/// # Panics
/// Panics if the length of a slice does not fit the shape.
pub fn attention_bf16(qkv: &[f32], shape: AttentionShape, out: &mut [f32]) {
    if Isa::current().unfolds_bf16() {
        attend::<Parts<Bf16>>(qkv, shape, out);
    } else {
        attend::<Bf16>(qkv, shape, out);
    }
}

fn attend<P: Operand>(qkv: &[f32], shape: AttentionShape, out: &mut [f32]) {
    let AttentionShape { batch, tokens, heads, head_dim, causal } = shape;
    let width = heads * head_dim;
    assert_eq!(
        qkv.len(),
        batch * tokens * 3 * width,
        "qkv has batch x tokens x 3 x heads x head_dim elements"
    );
    assert_eq!(out.len(), batch * tokens * width, "out has batch x tokens x heads x head_dim elements");
    if out.is_empty() {
        return;
    }
    let isa = Isa::current();
    let out = SharedOut::new(out, batch * tokens, width);
    // A task packs the keys and values of its head, so a head is split into tasks only if there are fewer
    // heads than threads.
    let blocks = tokens.div_ceil(BLOCK * LANES);
    let splits = (2 * rayon::current_num_threads()).div_ceil(batch * heads).min(blocks);
    let queries = blocks.div_ceil(splits) * BLOCK * LANES;
    let splits = tokens.div_ceil(queries);
    (0..batch * heads * splits).into_par_iter().with_max_len(1).for_each(|task| {
        let (item, head, first) = (task / splits / heads, task / splits % heads, task % splits * queries);
        isa.run_exact(Head::<P> {
            qkv: &qkv[item * tokens * 3 * width..(item + 1) * tokens * 3 * width],
            tokens,
            width,
            head_dim,
            column: head * head_dim,
            queries: first..tokens.min(first + queries),
            causal,
            out: &out,
            row: item * tokens,
            operand: PhantomData,
        });
    });
}

/// Element type of the operands of both products.
trait Operand: Conversion<Row = ()> + Product + Send + Sync {
    /// Returns sixteen sums as f32.
    fn value<S: Simd>(sum: Self::Sum<S>) -> S::F;

    /// Makes sixteen groups of [`Conversion::GROUP`] elements, one from each row. The last row is unused if a
    /// group has one element.
    fn join<S: Simd>(simd: S, rows: [S::F; 2]) -> S::I;
}

impl Operand for Single {
    #[inline(always)]
    fn value<S: Simd>(sum: S::F) -> S::F {
        sum
    }

    #[inline(always)]
    fn join<S: Simd>(simd: S, [row, _]: [S::F; 2]) -> S::I {
        simd.as_bits(row)
    }
}

impl Operand for Parts<Bf16> {
    #[inline(always)]
    fn value<S: Simd>(sum: S::F) -> S::F {
        sum
    }

    #[inline(always)]
    fn join<S: Simd>(simd: S, rows: [S::F; 2]) -> S::I {
        Bf16::join(simd, rows)
    }
}

impl Operand for Bf16 {
    #[inline(always)]
    fn value<S: Simd>(sum: S::F) -> S::F {
        sum
    }

    #[inline(always)]
    fn join<S: Simd>(simd: S, [even, odd]: [S::F; 2]) -> S::I {
        simd.zip_bf16(even, odd)
    }
}

/// Returns the number of words that `n` elements are packed into.
fn words_of<P: Operand>(n: usize) -> usize {
    n.div_ceil(P::GROUP) * P::WORDS
}

/// A range of queries of one head of one item.
struct Head<'a, 'o, P> {
    /// Queries, keys and values of the item.
    qkv: &'a [f32],
    tokens: usize,
    width: usize,
    head_dim: usize,
    /// Column of the head's first dimension, among those of all heads.
    column: usize,
    queries: Range<usize>,
    causal: bool,
    out: &'a SharedOut<'o>,
    /// Output row of the item's first token.
    row: usize,
    operand: PhantomData<P>,
}

/// Buffers of a task.
struct Buffers {
    queries: Lines,
    /// Scores of all keys, later replaced by their exponentials.
    scores: Lines,
    outputs: Lines,
}

impl<P: Operand> Kernel for Head<'_, '_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let keys = self.all_keys();
        let (depth, pairs) = (words_of::<P>(self.head_dim), words_of::<P>(keys));
        let mut packed_keys = Lines::borrow((keys.next_multiple_of(TALL) * depth).div_ceil(LANES));
        let mut packed_values = Lines::borrow((self.head_dim.next_multiple_of(TALL) * pairs).div_ceil(LANES));
        self.pack_keys(simd, keys, words_mut(&mut packed_keys));
        self.pack_values(simd, keys, words_mut(&mut packed_values));
        let (packed_keys, _) = words(&packed_keys).as_chunks();
        let (packed_values, _) = words(&packed_values).as_chunks();

        let mut buffers = Buffers {
            queries: Lines::borrow(depth * BLOCK),
            scores: Lines::borrow(keys.next_multiple_of(P::GROUP) * BLOCK),
            outputs: Lines::borrow(BLOCK * self.head_dim.next_multiple_of(4)),
        };
        let mut first = self.queries.start;
        while first < self.queries.end {
            if self.queries.end - first > LANES {
                self.block::<S, BLOCK, { BLOCK * LANES }>(
                    simd,
                    first,
                    packed_keys,
                    packed_values,
                    &mut buffers,
                );
                first += BLOCK * LANES;
            } else {
                self.block::<S, 1, LANES>(simd, first, packed_keys, packed_values, &mut buffers);
                first += LANES;
            }
        }
    }
}

impl<P: Operand> Head<'_, '_, P> {
    /// Returns the query (`part` 0), the key (1) or the value (2) of a token.
    #[inline(always)]
    fn vector(&self, token: usize, part: usize) -> &[f32] {
        let start = (3 * token + part) * self.width + self.column;
        &self.qkv[start..start + self.head_dim]
    }

    /// Returns that part of `H` tokens from `first`. Beyond `end`, the last token is repeated.
    #[inline(always)]
    fn vectors<const H: usize>(&self, first: usize, end: usize, part: usize) -> [&[f32]; H] {
        let mut vectors = [&[][..]; H];
        for (i, vector) in vectors.iter_mut().enumerate() {
            *vector = self.vector((first + i).min(end - 1), part);
        }
        vectors
    }

    /// Prefetches the head's part of some tokens. The vectors of two tokens lie too far apart for the
    /// hardware to predict the next.
    #[inline(always)]
    fn prefetch<S: Simd>(&self, simd: S, tokens: Range<usize>) {
        for token in tokens.start..tokens.end.min(self.tokens) {
            for part in 0..3 {
                for dims in self.vector(token, part).chunks(LANES) {
                    simd.prefetch(dims.as_ptr());
                }
            }
        }
    }

    /// Packs keys into panels of twelve: for each group of dimensions, the words of the twelve keys.
    #[inline(always)]
    fn pack_keys<S: Simd>(&self, simd: S, keys: usize, to: &mut [u32]) {
        let depth = words_of::<P>(self.head_dim);
        let (to, _) = to.as_chunks_mut::<TALL>();
        for (first, to) in (0..keys).step_by(TALL).zip(to.chunks_exact_mut(depth)) {
            self.prefetch(simd, first + 2 * TALL..first + 3 * TALL);
            pack::<S, P, TALL>(simd, &self.vectors(first, keys, 1), &[(); TALL], to);
        }
    }

    /// Packs values into panels of twelve dimensions: for each group of keys, their words in the twelve
    /// dimensions. A missing key in the last group is zero.
    #[inline(always)]
    fn pack_values<S: Simd>(&self, simd: S, keys: usize, to: &mut [u32]) {
        let groups = keys.div_ceil(P::GROUP);
        let (to, _) = to.as_chunks_mut::<TALL>();
        // Number of lines that hold a group of keys in all dimensions.
        let lines = self.head_dim.div_ceil(LANES) + 1;
        let mut row = Lines::borrow(P::WORDS * lines);
        for group in 0..groups {
            for at in (0..self.head_dim).step_by(LANES) {
                let mut pair = [simd.splat(0.0); 2];
                for (i, dims) in pair.iter_mut().enumerate().take(P::GROUP) {
                    let key = group * P::GROUP + i;
                    if key < keys {
                        let vector = &self.vector(key, 2)[at..];
                        *dims = simd.load_partial(&vector[..vector.len().min(LANES)]);
                    }
                }
                for (w, words) in P::words(simd, P::join(simd, pair)).into_iter().enumerate().take(P::WORDS) {
                    row[w * lines + at / LANES].0 = simd.bits(words);
                }
            }
            for w in 0..P::WORDS {
                let panels = words(&row[w * lines..]).as_chunks::<TALL>().0;
                for (panel, dims) in panels.iter().enumerate().take(self.head_dim.div_ceil(TALL)) {
                    to[(panel * groups + group) * P::WORDS + w] = *dims;
                }
            }
        }
    }

    /// Computes the outputs of `W` queries from `first`, which fill `V` vectors.
    #[inline(always)]
    fn block<S: Simd, const V: usize, const W: usize>(
        &self,
        simd: S,
        first: usize,
        keys: &[[u32; TALL]],
        values: &[[u32; TALL]],
        buffers: &mut Buffers,
    ) {
        let end = self.queries.end.min(first + V * LANES);
        let count = if self.causal { end } else { self.tokens };
        let depth = words_of::<P>(self.head_dim);
        let (queries, _) = words_mut(&mut buffers.queries).as_chunks_mut::<W>();
        pack::<S, P, W>(simd, &self.vectors(first, end, 0), &[(); W], &mut queries[..depth]);
        let queries = &buffers.queries.as_chunks::<V>().0[..depth];
        let (scores, _) = buffers.scores.as_chunks_mut::<V>();

        let mut sums = [[P::zero(simd); V]; TALL];
        let mut largest = [simd.splat(f32::NEG_INFINITY); V];
        for (panel, scores) in scores[..count].chunks_mut(TALL).enumerate() {
            let keys = &keys[panel * depth..(panel + 1) * depth];
            tile::<S, P, V>(simd, keys, queries, scores.len(), &[], &mut sums);
            for (h, scores) in scores.iter_mut().enumerate() {
                for v in 0..V {
                    simd.store(P::value::<S>(sums[h][v]), scores[v].floats_mut());
                }
                let key = panel * TALL + h;
                if self.causal && key > first {
                    // The queries before this key do not attend to it.
                    floats_mut(scores)[..key - first].fill(f32::NEG_INFINITY);
                }
                for v in 0..V {
                    largest[v] = simd.max(largest[v], simd.load(scores[v].floats()));
                }
            }
        }

        let shares = self.exponentials(simd, first, count, &largest, scores);
        let pairs = words_of::<P>(count);
        let stride = self.head_dim.next_multiple_of(4);
        for (panel, column) in (0..self.head_dim).step_by(TALL).enumerate() {
            let height = TALL.min(self.head_dim - column);
            let values = &values[panel * words_of::<P>(self.all_keys())..][..pairs];
            tile::<S, P, V>(simd, values, &scores[..pairs], height, &[], &mut sums);
            let outputs = words_mut(&mut buffers.outputs);
            for v in 0..V {
                for h in (0..height).step_by(4) {
                    let mut four = [simd.splat_bits(0); 4];
                    for (i, dims) in four.iter_mut().enumerate() {
                        *dims = simd.as_bits(simd.mul(P::value::<S>(sums[h + i][v]), shares[v]));
                    }
                    for (j, queries) in simd.transpose4(four).into_iter().enumerate() {
                        let to = &mut outputs[(v * LANES + j) * stride + column + h..];
                        simd.store_quarters(queries, to, 4 * stride);
                    }
                }
            }
        }
        let outputs = floats(&buffers.outputs).chunks_exact(stride);
        for (query, output) in (first..end).zip(outputs) {
            // SAFETY: tasks are given disjoint heads and queries, and a task's blocks follow one another.
            let out = unsafe { self.out.slice(self.row + query, self.column, self.head_dim) };
            out.copy_from_slice(&output[..self.head_dim]);
        }
    }

    /// Replaces the scores of `count` keys by groups of `e^((score - largest) / sqrt(head_dim))`. Returns the
    /// reciprocals of the sums.
    #[inline(always)]
    fn exponentials<S: Simd, const V: usize>(
        &self,
        simd: S,
        first: usize,
        count: usize,
        largest: &[S::F; V],
        scores: &mut [[Line; V]],
    ) -> [S::F; V] {
        let scale = simd.splat((self.head_dim as f32).sqrt().recip());
        let mut sums = [simd.splat(0.0); V];
        for group in 0..count.div_ceil(P::GROUP) {
            let mut powers = [[simd.splat(0.0); V]; 2];
            for (i, powers) in powers.iter_mut().enumerate().take(P::GROUP) {
                let key = group * P::GROUP + i;
                if key >= count {
                    break;
                }
                for v in 0..V {
                    let distance = simd.sub(simd.load(scores[key][v].floats()), largest[v]);
                    powers[v] = exp(simd, simd.mul(distance, scale));
                }
                if self.causal && key > first {
                    let mut lanes = [Line::ZERO; V];
                    for v in 0..V {
                        simd.store(powers[v], lanes[v].floats_mut());
                    }
                    floats_mut(&mut lanes)[..key - first].fill(0.0);
                    for v in 0..V {
                        powers[v] = simd.load(lanes[v].floats());
                    }
                }
                for v in 0..V {
                    sums[v] = simd.add(sums[v], powers[v]);
                }
            }
            for v in 0..V {
                let joined = P::join(simd, powers.map(|powers| powers[v]));
                for (w, words) in P::words(simd, joined).into_iter().enumerate().take(P::WORDS) {
                    scores[group * P::WORDS + w][v].0 = simd.bits(words);
                }
            }
        }
        for sum in &mut sums {
            *sum = simd.div(simd.splat(1.0), *sum);
        }
        sums
    }

    /// Returns the number of keys that at least one of the task's queries attends to.
    #[inline(always)]
    fn all_keys(&self) -> usize {
        if self.causal { self.queries.end } else { self.tokens }
    }
}
