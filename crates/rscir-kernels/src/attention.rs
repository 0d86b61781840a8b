//! Scaled dot-product attention, straight from the product that holds queries, keys and values.
//!
//! A lane is a query. A block of 32 queries has its scores computed for all keys, a tile of twelve keys at a time, so
//! that the softmax runs down the lanes and needs no sums across them; its output is computed likewise, a tile of
//! twelve dimensions at a time. A query's result depends neither on the batch nor on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::activation::exp;
use crate::isa::{Isa, Kernel};
use crate::layout::{Line, Lines, floats_mut, interleave, words};
use crate::parallel::SharedOut;
use crate::simd::{LANES, Simd};
use crate::tile::{Single, TALL, tile};

/// Vectors of queries in a block.
const BLOCK: usize = 2;

/// `softmax(Q K^T / sqrt(head_dim)) V` for every head (Vaswani et al., Attention Is All You Need, 2017).
///
/// `qkv[batch * tokens, 3 * heads * head_dim]` has in each row a token's queries, head after head, then its keys, then
/// its values; `out[batch * tokens, heads * head_dim]` gets its outputs, head after head. If `causal`, a token attends
/// to itself and those before it alone.
///
/// # Panics
/// If a slice's length is not what the dimensions say.
pub fn attention(
    qkv: &[f32],
    batch: usize,
    tokens: usize,
    heads: usize,
    head_dim: usize,
    causal: bool,
    out: &mut [f32],
) {
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
    // A task packs its head's keys and values, so a head is divided only where there are fewer heads than threads.
    let blocks = tokens.div_ceil(BLOCK * LANES);
    let splits = (2 * rayon::current_num_threads()).div_ceil(batch * heads).min(blocks);
    let queries = blocks.div_ceil(splits) * BLOCK * LANES;
    let splits = tokens.div_ceil(queries);
    (0..batch * heads * splits).into_par_iter().for_each(|task| {
        let (item, head, first) = (task / splits / heads, task / splits % heads, task % splits * queries);
        isa.run(Head {
            qkv: &qkv[item * tokens * 3 * width..(item + 1) * tokens * 3 * width],
            tokens,
            width,
            head_dim,
            column: head * head_dim,
            queries: first..tokens.min(first + queries),
            causal,
            out: &out,
            row: item * tokens,
        });
    });
}

/// Some queries of one head of one item.
struct Head<'a, 'o> {
    /// Of the item.
    qkv: &'a [f32],
    tokens: usize,
    width: usize,
    head_dim: usize,
    /// Of the head's first dimension among all heads'.
    column: usize,
    queries: Range<usize>,
    causal: bool,
    out: &'a SharedOut<'o>,
    /// Of the item's first token in the output.
    row: usize,
}

impl Kernel for Head<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let keys = self.all_keys();
        let mut packed_keys = Lines::borrow((keys.next_multiple_of(TALL) * self.head_dim).div_ceil(LANES));
        let mut packed_values = Lines::borrow((self.head_dim.next_multiple_of(TALL) * keys).div_ceil(LANES));
        self.pack_keys(keys, floats_mut(&mut packed_keys));
        self.pack_values(keys, floats_mut(&mut packed_values));
        let (packed_keys, _) = words(&packed_keys).as_chunks();
        let (packed_values, _) = words(&packed_values).as_chunks();

        let mut queries = Lines::borrow(self.head_dim * BLOCK);
        let mut scores = Lines::borrow(keys * BLOCK);
        let mut first = self.queries.start;
        while first < self.queries.end {
            if self.queries.end - first > LANES {
                self.block::<S, BLOCK>(simd, first, packed_keys, packed_values, &mut queries, &mut scores);
                first += BLOCK * LANES;
            } else {
                self.block::<S, 1>(simd, first, packed_keys, packed_values, &mut queries, &mut scores);
                first += LANES;
            }
        }
    }
}

impl Head<'_, '_> {
    /// A token's query, key or value: `part` 0, 1 or 2.
    #[inline(always)]
    fn vector(&self, token: usize, part: usize) -> &[f32] {
        let start = (3 * token + part) * self.width + self.column;
        &self.qkv[start..start + self.head_dim]
    }

    /// The same of four tokens from `first`, the last one over again where there are fewer than `end`.
    #[inline(always)]
    fn vectors(&self, first: usize, end: usize, part: usize) -> [&[f32]; 4] {
        let mut vectors = [self.vector(first, part); 4];
        for (i, vector) in vectors.iter_mut().enumerate() {
            *vector = self.vector((first + i).min(end - 1), part);
        }
        vectors
    }

    /// Panels of twelve keys: for each dimension, the twelve.
    #[inline(always)]
    fn pack_keys(&self, keys: usize, to: &mut [f32]) {
        for first in (0..keys).step_by(4) {
            let (panel, place) = (first / TALL, first % TALL);
            let to = &mut to[panel * TALL * self.head_dim..][..TALL * self.head_dim];
            interleave(self.vectors(first, keys, 1), &mut to[place..], TALL);
        }
    }

    /// Panels of twelve dimensions: for each key, the twelve.
    #[inline(always)]
    fn pack_values(&self, keys: usize, to: &mut [f32]) {
        let (to, _) = to.as_chunks_mut::<TALL>();
        for key in 0..keys {
            let (panels, rest) = self.vector(key, 2).as_chunks();
            for (panel, dims) in panels.iter().enumerate() {
                to[panel * keys + key] = *dims;
            }
            if !rest.is_empty() {
                to[panels.len() * keys + key][..rest.len()].copy_from_slice(rest);
            }
        }
    }

    /// The outputs of `V` vectors of queries from `first`.
    #[inline(always)]
    fn block<S: Simd, const V: usize>(
        &self,
        simd: S,
        first: usize,
        keys: &[[u32; TALL]],
        values: &[[u32; TALL]],
        queries: &mut [Line],
        scores: &mut [Line],
    ) {
        let end = self.queries.end.min(first + V * LANES);
        let count = if self.causal { end } else { self.tokens };
        let (queries, _) = queries.as_chunks_mut::<V>();
        let queries = &mut queries[..self.head_dim];
        let (scores, _) = scores.as_chunks_mut::<V>();
        let scores = &mut scores[..count];
        for i in (0..V * LANES).step_by(4) {
            let vectors = self.vectors((first + i).min(end - 1), end, 0);
            interleave(vectors, &mut floats_mut(queries.as_flattened_mut())[i..], V * LANES);
        }

        let mut sums = [[simd.splat(0.0); V]; TALL];
        let mut largest = [simd.splat(f32::NEG_INFINITY); V];
        for (panel, scores) in scores.chunks_mut(TALL).enumerate() {
            let keys = &keys[panel * self.head_dim..(panel + 1) * self.head_dim];
            tile::<S, Single, V>(simd, keys, queries, scores.len(), &mut sums);
            for (h, scores) in scores.iter_mut().enumerate() {
                for v in 0..V {
                    simd.store(sums[h][v], scores[v].floats_mut());
                }
                self.mask(first, panel * TALL + h, scores, f32::NEG_INFINITY);
                for v in 0..V {
                    largest[v] = simd.max(largest[v], simd.load(scores[v].floats()));
                }
            }
        }

        let shares = self.exponentials(simd, first, &largest, scores);
        for (panel, column) in (0..self.head_dim).step_by(TALL).enumerate() {
            let height = TALL.min(self.head_dim - column);
            let values = &values[panel * self.all_keys()..][..count];
            tile::<S, Single, V>(simd, values, scores, height, &mut sums);
            for v in 0..V {
                let mut columns = [[0.0; LANES]; TALL];
                for h in 0..TALL {
                    simd.store(simd.mul(sums[h][v], shares[v]), &mut columns[h]);
                }
                let mut rows = [[0.0; TALL]; LANES];
                for h in (0..TALL).step_by(4) {
                    let four = [&columns[h][..], &columns[h + 1], &columns[h + 2], &columns[h + 3]];
                    interleave(four, &mut rows.as_flattened_mut()[h..], TALL);
                }
                let first = first + v * LANES;
                for (lane, row) in rows.iter().enumerate().take(end.saturating_sub(first)) {
                    // SAFETY: tasks are given disjoint heads and queries, and a task's tiles follow one another.
                    let out =
                        unsafe { self.out.slice(self.row + first + lane, self.column + column, height) };
                    match <&mut [f32; TALL]>::try_from(&mut *out) {
                        Ok(out) => *out = *row,
                        Err(_) => out.copy_from_slice(&row[..height]),
                    }
                }
            }
        }
    }

    /// Turns scores into the exponentials of their distances to the largest; also the reciprocals of their sums.
    #[inline(always)]
    fn exponentials<S: Simd, const V: usize>(
        &self,
        simd: S,
        first: usize,
        largest: &[S::F; V],
        scores: &mut [[Line; V]],
    ) -> [S::F; V] {
        let scale = simd.splat((self.head_dim as f32).sqrt().recip());
        let mut sums = [simd.splat(0.0); V];
        for (key, scores) in scores.iter_mut().enumerate() {
            for v in 0..V {
                let distance = simd.sub(simd.load(scores[v].floats()), largest[v]);
                let power = exp(simd, simd.mul(distance, scale));
                sums[v] = simd.add(sums[v], power);
                simd.store(power, scores[v].floats_mut());
            }
            // The least `exp` gives is 2^-126, which is lost in the sum.
            self.mask(first, key, scores, 0.0);
        }
        for sum in &mut sums {
            *sum = simd.div(simd.splat(1.0), *sum);
        }
        sums
    }

    /// Overwrites the scores of a key with the queries, from `first`, that may not attend to it.
    #[inline(always)]
    fn mask<const V: usize>(&self, first: usize, key: usize, scores: &mut [Line; V], with: f32) {
        if self.causal && key > first {
            floats_mut(scores)[..key - first].fill(with);
        }
    }

    /// Keys that any of the task's queries attends to.
    #[inline(always)]
    fn all_keys(&self) -> usize {
        if self.causal { self.queries.end } else { self.tokens }
    }
}
