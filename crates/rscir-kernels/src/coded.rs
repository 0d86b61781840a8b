//! Products of rows and queries that are integers with scales, for scans of many rows.
//!
//! Rows lie interleaved in blocks, four elements of each row in turn. Memory is then read from one end to the
//! other, each lane of a vector belongs to one row, and no sums across lanes are needed at the end.

use std::ops::Range;

use crate::isa::{Isa, Kernel};
use crate::simd::{LANES, Simd};

/// Number of elements of one row that lie together.
const QUAD: usize = 4;

/// Number of vectors that hold a quad of each row of a block: enough that the sums of two queries do not wait
/// for each other.
const VECTORS: usize = 2;

/// Bytes of a step, which is a quad of each row of a block.
const STEP: usize = QUAD * LANES * VECTORS;

/// Number that is added to each element of a row, because most instructions take unsigned bytes on one side.
const BIAS: u8 = 128;

/// Greatest width of a row. A product with a query, and what the bias adds to it, then fit into 32 bits: `128
/// * 127 * 131,071 < 2^31`.
const MAX_WIDTH: usize = 131_071;

/// A query vector as integers: `scales[0] * coarse + scales[1] * fine`, with elements from -127 to 127.
#[derive(Clone, Debug)]
pub struct CodedQuery {
    /// Coarse and fine elements, padded with zeros to whole quads.
    codes: [Vec<[u8; QUAD]>; 2],
    /// Initial values of the coarse and the fine sum, which cancel the bias of the rows.
    starts: [i32; 2],
    scales: [f32; 2],
    constant: f32,
    weight: f32,
}

impl CodedQuery {
    /// Makes a query whose value for a row is `constant + weight * row.extra + row.scale * (row . query)`.
    ///
    /// # Panics
    /// Panics if `coarse` and `fine` differ in length, or if an element is -128.
    pub fn new(coarse: &[i8], fine: &[i8], scales: [f32; 2], constant: f32, weight: f32) -> Self {
        assert_eq!(coarse.len(), fine.len(), "coarse and fine elements of one query");
        assert!(!coarse.contains(&i8::MIN) && !fine.contains(&i8::MIN), "elements from -127 to 127");
        let quads = |codes: &[i8]| {
            let quad = |chunk: &[i8]| {
                let mut quad = [0; QUAD];
                quad.iter_mut().zip(chunk).for_each(|(to, &from)| *to = from as u8);
                quad
            };
            codes.chunks(QUAD).map(quad).collect()
        };
        let start = |codes: &[i8]| -i32::from(BIAS) * codes.iter().map(|&code| i32::from(code)).sum::<i32>();
        let starts = [start(coarse), start(fine)];
        Self { codes: [quads(coarse), quads(fine)], starts, scales, constant, weight }
    }
}

/// Rows `scale * codes`, each with one more number, `extra`. [`CodedRows::write`] interleaves the rows of a
/// block.
#[derive(Clone, Copy, Debug)]
pub struct CodedRows<'a> {
    codes: &'a [u8],
    scales: &'a [f32],
    extras: &'a [f32],
    steps: usize,
}

impl<'a> CodedRows<'a> {
    /// Number of rows in a block.
    pub const BLOCK: usize = LANES * VECTORS;

    /// Returns the size in bytes of a block of rows of width `k`.
    pub fn block_bytes(k: usize) -> usize {
        STEP * k.div_ceil(QUAD)
    }

    /// Writes a row as the `i`th of its block. The block must have been filled with zeros before.
    ///
    /// # Panics
    /// Panics if the block is too short for the row, or if `i` is not below [`CodedRows::BLOCK`].
    pub fn write(codes: &[i8], i: usize, block: &mut [u8]) {
        assert!(i < Self::BLOCK, "row {i} of a block of {}", Self::BLOCK);
        for (codes, step) in codes.chunks(QUAD).zip(block.as_chunks_mut::<STEP>().0) {
            for (to, &code) in step[QUAD * i..].iter_mut().zip(codes) {
                *to = (code as u8).wrapping_add(BIAS);
            }
        }
    }

    /// Views rows of width `k`, one for each scale. The last block may have fewer rows than
    /// [`CodedRows::BLOCK`].
    ///
    /// # Panics
    /// Panics if the lengths do not fit each other, or if `k` is above 131,071, where a sum might not fit
    /// into 32 bits.
    pub fn new(codes: &'a [u8], scales: &'a [f32], extras: &'a [f32], k: usize) -> Self {
        assert!(k <= MAX_WIDTH, "rows of at most 131,071 elements");
        let len = scales.len().div_ceil(Self::BLOCK) * Self::block_bytes(k);
        assert!(codes.len() == len && extras.len() == scales.len(), "as many rows as scales");
        Self { codes, scales, extras, steps: k.div_ceil(QUAD) }
    }

    /// Computes `out[q * rows + row]`, the value of each query for each row. With the integer products `c`
    /// (coarse) and `f` (fine), which are exact, the value is `extra * weight + (scale * (scales[0] * c +
    /// (scales[1] * f)) + constant)` in `f32`, where each sum with a product is rounded once.
    ///
    /// The calling thread computes it.
    ///
    /// # Panics
    /// Panics if `out` is not `[queries, rows]`, or if a query is not as wide as the rows.
    pub fn values(self, queries: &[CodedQuery], out: &mut [f32]) {
        assert_eq!(out.len(), queries.len() * self.scales.len(), "one value for each query and row");
        assert!(
            queries.iter().all(|query| query.codes.iter().all(|codes| codes.len() == self.steps)),
            "rows and queries have one width"
        );
        Isa::current().run_exact(Values { rows: self, queries, out });
    }

    /// Computes the values of at most sixteen `rows` from their integer products.
    #[inline(always)]
    fn of_sums<S: Simd>(
        self,
        simd: S,
        rows: Range<usize>,
        query: &CodedQuery,
        [coarse, fine]: [S::I; 2],
    ) -> S::F {
        let scales = simd.load_partial(&self.scales[rows.clone()]);
        let extras = simd.load_partial(&self.extras[rows]);
        let fine = simd.mul(simd.to_f32(fine), simd.splat(query.scales[1]));
        let product = simd.mul_add(simd.to_f32(coarse), simd.splat(query.scales[0]), fine);
        let value = simd.mul_add(product, scales, simd.splat(query.constant));
        simd.mul_add(extras, simd.splat(query.weight), value)
    }
}

struct Values<'a> {
    rows: CodedRows<'a>,
    queries: &'a [CodedQuery],
    out: &'a mut [f32],
}

impl Kernel for Values<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for block in 0..self.rows.scales.len().div_ceil(CodedRows::BLOCK) {
            let mut query = 0;
            while query < self.queries.len() {
                let left = self.queries.len() - query;
                query += if S::WIDE && left >= 4 {
                    self.tile::<S, VECTORS, 4>(simd, block, 0, query)
                } else if S::WIDE && left >= 2 {
                    self.tile::<S, VECTORS, 2>(simd, block, 0, query)
                } else if S::WIDE {
                    self.tile::<S, VECTORS, 1>(simd, block, 0, query)
                } else {
                    (0..VECTORS)
                        .map(|vector| self.tile::<S, 1, 1>(simd, block, vector, query))
                        .max()
                        .unwrap_or(1)
                };
            }
        }
    }
}

impl Values<'_> {
    /// Computes the values of `Q` queries from `query` for the rows that lie in `V` vectors of a block from
    /// `vector`. Returns `Q`.
    #[inline(always)]
    fn tile<S: Simd, const V: usize, const Q: usize>(
        &mut self,
        simd: S,
        block: usize,
        vector: usize,
        query: usize,
    ) -> usize {
        let queries = &self.queries[query..query + Q];
        let block_steps =
            &self.rows.codes.as_chunks::<STEP>().0[block * self.rows.steps..][..self.rows.steps];
        let mut codes: [[&[[u8; QUAD]]; 2]; Q] = [[&[]; 2]; Q];
        let mut sums = [[[simd.splat_bits(0); V]; 2]; Q];
        for q in 0..Q {
            for part in 0..2 {
                codes[q][part] = &queries[q].codes[part][..block_steps.len()];
                // Signed bytes have no bias.
                let start = if S::SIGNED_BYTES { 0 } else { queries[q].starts[part] as u32 };
                sums[q][part] = [simd.splat_bits(start); V];
            }
        }
        for (step, bytes) in block_steps.iter().enumerate() {
            let mut rows = [sums[0][0][0]; V];
            for (v, row) in rows.iter_mut().enumerate() {
                let at = bytes.as_ptr().cast::<[i8; QUAD * LANES]>();
                // SAFETY: a step holds as many vectors of bytes, and all bits are valid for i8.
                let bytes = simd.load_bytes(unsafe { &*at.add(vector + v) });
                *row = if S::SIGNED_BYTES { simd.flip_signs(bytes) } else { bytes };
            }
            for q in 0..Q {
                for part in 0..2 {
                    let code = simd.splat_bits(u32::from_le_bytes(codes[q][part][step]));
                    for v in 0..V {
                        sums[q][part][v] = simd.dot_bytes(sums[q][part][v], rows[v], code);
                    }
                }
            }
        }
        let n = self.rows.scales.len();
        for (q, [coarse, fine]) in sums.into_iter().enumerate() {
            for (v, sums) in coarse.into_iter().zip(fine).enumerate() {
                let first = n.min(block * CodedRows::BLOCK + (vector + v) * LANES);
                let rows = first..n.min(first + LANES);
                let at = (query + q) * n;
                let values = self.rows.of_sums(simd, rows.clone(), &queries[q], sums.into());
                simd.store_partial(values, &mut self.out[at + rows.start..at + rows.end]);
            }
        }
        Q
    }
}
