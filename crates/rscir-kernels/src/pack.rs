//! Packs rows of f32 into interleaved groups, the form in which the inner loop of a product reads its
//! operands.

use crate::simd::{LANES, Simd};
use crate::tile::{Bf16, Single};

/// A conversion of rows of f32 into groups of 32 bits: one f32, two bf16 or four bytes.
pub(crate) trait Conversion {
    /// Number of elements in a group.
    const GROUP: usize;
    /// Values that the conversion of a row, and its reversal, depend on.
    type Row: Copy + Default + Send + Sync;

    /// Computes the values that the conversion of a row depends on.
    fn measure(x: &[f32]) -> Self::Row;

    /// Number of words that a group becomes: one, or two if it is taken apart ([`crate::unfold`]).
    const WORDS: usize = 1;

    /// Converts sixteen times [`Conversion::GROUP`] elements of a row to sixteen groups.
    fn groups<S: Simd>(simd: S, x: &[f32], row: &Self::Row) -> S::I;

    /// Returns the words of sixteen groups. The first [`Conversion::WORDS`] of them count.
    #[inline(always)]
    fn words<S: Simd>(_: S, groups: S::I) -> [S::I; 2] {
        [groups; 2]
    }
}

impl Conversion for Single {
    const GROUP: usize = 1;
    type Row = ();

    #[inline(always)]
    fn measure(_: &[f32]) {}

    #[inline(always)]
    fn groups<S: Simd>(simd: S, x: &[f32], (): &()) -> S::I {
        simd.as_bits(simd.load(&x.as_chunks().0[0]))
    }
}

impl Conversion for Bf16 {
    const GROUP: usize = 2;
    type Row = ();

    #[inline(always)]
    fn measure(_: &[f32]) {}

    #[inline(always)]
    fn groups<S: Simd>(simd: S, x: &[f32], (): &()) -> S::I {
        let (x, _) = x.as_chunks();
        simd.to_bf16(simd.load(&x[0]), simd.load(&x[1]))
    }
}

/// Number of elements by which prefetches run ahead of loads.
const AHEAD: usize = 16 * LANES;

/// Converts and interleaves `H` rows of one length (`H` is a multiple of four): the words of all rows for the
/// first group, then for the next.
///
/// Missing elements of the last group are zeros.
#[inline(always)]
pub(crate) fn pack<S: Simd, C: Conversion, const H: usize>(
    simd: S,
    rows: &[&[f32]; H],
    infos: &[C::Row; H],
    to: &mut [[u32; H]],
) {
    let step = LANES * C::GROUP;
    let k = rows[0].len();
    assert!(
        rows.iter().all(|row| row.len() == k) && to.len() == k.div_ceil(C::GROUP) * C::WORDS,
        "rows of one length"
    );
    // The rest has too few elements for a whole block, though it may have sixteen groups.
    let (blocks, last) = to.split_at_mut(k / step * LANES * C::WORDS);
    for (b, block) in blocks.chunks_exact_mut(LANES * C::WORDS).enumerate() {
        let mut part = [&[][..]; H];
        for h in 0..H {
            // Rows lie a page or more apart: too many streams for the hardware to follow.
            simd.prefetch(rows[h][b * step..].as_ptr().wrapping_add(AHEAD));
            part[h] = &rows[h][b * step..(b + 1) * step];
        }
        pack_block::<S, C, H>(simd, &part, infos, block);
    }
    if !last.is_empty() {
        let mut padded = [[0.0; 4 * LANES]; H];
        for (padded, row) in padded.iter_mut().zip(rows) {
            let rest = &row[k / step * step..];
            padded[..rest.len()].copy_from_slice(rest);
        }
        let mut block = [[0; H]; 2 * LANES];
        let block = &mut block[..LANES * C::WORDS];
        pack_block::<S, C, H>(simd, &padded.each_ref().map(|row| &row[..step]), infos, block);
        last.copy_from_slice(&block[..last.len()]);
    }
}

/// Converts and interleaves sixteen groups of each row.
#[inline(always)]
fn pack_block<S: Simd, C: Conversion, const H: usize>(
    simd: S,
    rows: &[&[f32]; H],
    infos: &[C::Row; H],
    to: &mut [[u32; H]],
) {
    assert!(to.len() == LANES * C::WORDS, "sixteen groups");
    let to = to.as_flattened_mut();
    for first in (0..H).step_by(4) {
        let mut four = [[simd.splat_bits(0); 4]; 2];
        for i in 0..4 {
            let groups = C::groups(simd, rows[first + i], &infos[first + i]);
            let [word, second] = C::words(simd, groups);
            (four[0][i], four[1][i]) = (word, second);
        }
        for (w, four) in four.into_iter().enumerate().take(C::WORDS) {
            for (j, column) in simd.transpose4(four).into_iter().enumerate() {
                simd.store_quarters(column, &mut to[(j * C::WORDS + w) * H + first..], 4 * C::WORDS * H);
            }
        }
    }
}
