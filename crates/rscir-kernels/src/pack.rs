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

    /// Sixteen groups from `x`, sixteen times [`Conversion::GROUP`] elements of a row.
    fn groups<S: Simd>(simd: S, x: &[f32], row: &Self::Row) -> S::I;
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

/// Converts `H` rows of one length, a multiple of four of them: for each group of a row, its words of all rows.
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
    assert!(rows.iter().all(|row| row.len() == k) && to.len() == k.div_ceil(C::GROUP), "rows of one length");
    // What is left after these lacks elements for a whole block, though it may have sixteen groups.
    let (blocks, last) = to.split_at_mut(k / step * LANES);
    let (blocks, _) = blocks.as_chunks_mut::<LANES>();
    for (b, block) in blocks.iter_mut().enumerate() {
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
            let rest = &row[blocks.len() * step..];
            padded[..rest.len()].copy_from_slice(rest);
        }
        let mut block = [[0; H]; LANES];
        pack_block::<S, C, H>(simd, &padded.each_ref().map(|row| &row[..step]), infos, &mut block);
        last.copy_from_slice(&block[..last.len()]);
    }
}

/// Sixteen groups of each row.
#[inline(always)]
fn pack_block<S: Simd, C: Conversion, const H: usize>(
    simd: S,
    rows: &[&[f32]; H],
    infos: &[C::Row; H],
    to: &mut [[u32; H]; LANES],
) {
    let to = to.as_flattened_mut();
    for first in (0..H).step_by(4) {
        let mut four = [simd.splat_bits(0); 4];
        for i in 0..4 {
            four[i] = C::groups(simd, rows[first + i], &infos[first + i]);
        }
        for (j, column) in simd.transpose4(four).into_iter().enumerate() {
            simd.store_quarters(column, &mut to[j * H + first..], 4 * H);
        }
    }
}
