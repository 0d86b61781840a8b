//! Rows of f32 to interleaved groups, as the inner loop of a product wants its operands.

use crate::simd::{LANES, Simd};
use crate::tile::{Bf16, Single};

/// How rows of f32 become groups of 32 bits: one f32, two bf16 or four bytes.
pub(crate) trait Conversion {
    /// Elements in a group.
    const GROUP: usize;
    /// What converting a row and undoing it takes.
    type Row: Copy + Default + Send + Sync;

    /// What a row's conversion depends on.
    fn measure(x: &[f32]) -> Self::Row;

    /// Words that a group becomes: one, or two where it is taken apart ([`crate::unfold`]).
    const WORDS: usize = 1;

    /// Sixteen groups from `x`, sixteen times [`Conversion::GROUP`] elements of a row.
    fn groups<S: Simd>(simd: S, x: &[f32], row: &Self::Row) -> S::I;

    /// The words of sixteen groups, as many as [`Conversion::WORDS`].
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

/// Elements by which loads run ahead.
const AHEAD: usize = 16 * LANES;

/// Converts `H` rows of one length, a multiple of four of them: for each word of a row's groups, those of all rows.
///
/// What the last group lacks is taken as zeros.
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
    // What is left after these lacks elements for a whole block, though it may have sixteen groups.
    let (blocks, last) = to.split_at_mut(k / step * LANES * C::WORDS);
    for (b, block) in blocks.chunks_exact_mut(LANES * C::WORDS).enumerate() {
        let mut part = [&[][..]; H];
        for h in 0..H {
            // Rows lie a page or more apart: too many streams for the CPU to follow.
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

/// Sixteen groups of each row.
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
