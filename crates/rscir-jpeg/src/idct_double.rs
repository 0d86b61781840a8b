//! Inverse transforms of 8 x 8 coefficients to twice as many columns, rows, or both.
//!
//! They are the transforms of libjpeg since version 7 (jidctint.c, `jpeg_idct_16x16`, `jpeg_idct_16x8`,
//! `jpeg_idct_8x16`): transforms of sixteen points whose upper eight coefficients are zero. The sums of products are
//! multiplied out here to one factor for each coefficient. Where libjpeg adds several rounded constants, the factor
//! here adds the same ones, so that every sum is the same. Values between the passes have 16 bits, like those of
//! [`crate::idct`]; the coefficients of encoders do not exceed them.

use crate::idct::{CONST_BITS, PASS1_BITS, flat, saturate_i8, saturate_i16, transform};
use crate::library::Scale;

// CK is the square root of 2 times the cosine of K * pi / 32, times 2^13, rounded: a FIX(x) of jidctint.c.
const C1: i32 = 11_529;
const C2: i32 = 11_363;
const C3: i32 = 11_086;
const C4: i32 = 10_703;
const C5: i32 = 10_217;
const C7: i32 = 8_956;
const C9: i32 = 7_350;
const C11: i32 = 5_461;
const C12: i32 = 4_433;
const C13: i32 = 3_363;
const C14: i32 = 2_260;
const C15: i32 = 1_136;

/// Factors of the coefficients 0, 2, 4 and 6 in the even half of the samples 0 to 7. The plain numbers are FIX(x) of
/// c6 + c2, c6 - c14, c2 - c10 and c10 - c14.
const EVEN: [[i32; 4]; 8] = {
    const ONE: i32 = 1 << CONST_BITS;
    let outer = [C2, 20_995 - C2];
    let second = [C14 + 7_373, -C14];
    let third = [C2 - 4_926, -C2];
    let inner = [C14, -C14 - 4_176];
    [
        [ONE, outer[0], C4, outer[1]],
        [ONE, second[0], C12, second[1]],
        [ONE, third[0], -C12, third[1]],
        [ONE, inner[0], -C4, inner[1]],
        [ONE, -inner[0], -C4, -inner[1]],
        [ONE, -third[0], -C12, -third[1]],
        [ONE, -second[0], C12, -second[1]],
        [ONE, -outer[0], C4, -outer[1]],
    ]
};

/// Factors of the coefficients 1, 3, 5 and 7 in the odd half of the samples 0 to 7. The plain numbers are FIX(x) of
/// sums of the cosines.
const ODD: [[i32; 4]; 8] = [
    [C3 + C5 + C7 - 18_730, C3, C5, C7],
    [C3, C3 + C15 + 589 - C11, C15, -C11],
    [C5, C15, C5 + C15 - 9_222 - C3, -C3],
    [C7, -C11, -C3, C7 - C11 + 8_728 - C3],
    [C9, -C5, -C13, C13 - C9 - C5 + 25_733],
    [C11, -C1, C11 + C1 - 6_278 - C13, C13],
    [C13, 16_154 - C13 - C1 - C5, C1, -C5],
    [C9 + C11 + C13 - 15_038, -C13, C11, -C9],
];

/// Multiplies a block of coefficients, in natural order, with `quant` and transforms it to 8 x 8 samples times
/// `scale`. At least one of the two scales is 2. `out` begins with the first sample; its rows are `stride` apart.
pub(crate) fn inverse(block: &[i16; 64], quant: &[i16; 64], scale: Scale, out: &mut [i8], stride: usize) {
    let [width, height] = [8 * scale.cols, 8 * scale.rows];
    if block[1..].iter().fold(0, |any, c| any | c) == 0 {
        let sample = flat(block[0].wrapping_mul(quant[0]));
        out.chunks_mut(stride).take(height).for_each(|row| row[..width].fill(sample));
        return;
    }
    match (scale.rows, scale.cols) {
        (1, _) => two_passes(block, quant, transform::<FIRST>, sixteen::<SECOND>, out, stride),
        (_, 1) => two_passes(block, quant, sixteen::<FIRST>, transform::<SECOND>, out, stride),
        _ => two_passes(block, quant, sixteen::<FIRST>, sixteen::<SECOND>, out, stride),
    }
}

/// Number of bits by which the first pass descales.
const FIRST: u32 = CONST_BITS - PASS1_BITS;
/// Number of bits by which the second pass descales: three of them are the factor 1/8 of the two passes together.
const SECOND: u32 = CONST_BITS + PASS1_BITS + 3;

/// Transforms each column to `H` values, then each row to `W` values.
#[inline(always)]
fn two_passes<const H: usize, const W: usize>(
    block: &[i16; 64],
    quant: &[i16; 64],
    columns: impl Fn([i16; 8]) -> [i16; H],
    rows: impl Fn([i16; 8]) -> [i16; W],
    out: &mut [i8],
    stride: usize,
) {
    let mut between = [[0; 8]; H];
    for col in 0..8 {
        let column = columns(std::array::from_fn(|k| block[8 * k + col].wrapping_mul(quant[8 * k + col])));
        between.iter_mut().zip(column).for_each(|(row, value)| row[col] = value);
    }
    for (row, out) in between.into_iter().zip(out.chunks_mut(stride)) {
        out.iter_mut().zip(rows(row)).for_each(|(out, value)| *out = saturate_i8(value));
    }
}

/// Transforms eight values to sixteen, and descales the results by `SHIFT` bits.
#[inline(always)]
fn sixteen<const SHIFT: u32>(x: [i16; 8]) -> [i16; 16] {
    let half = |factors: &[[i32; 4]; 8], first: usize| -> [i32; 8] {
        std::array::from_fn(|at| {
            (0..4).fold(0_i32, |sum, k| sum.wrapping_add(i32::from(x[2 * k + first]) * factors[at][k]))
        })
    };
    let (even, odd) = (half(&EVEN, 0), half(&ODD, 1));
    let descale = |sum: i32| saturate_i16(sum.wrapping_add(1 << (SHIFT - 1)) >> SHIFT);
    std::array::from_fn(|at| match at {
        0..8 => descale(even[at].wrapping_add(odd[at])),
        _ => descale(even[15 - at].wrapping_sub(odd[15 - at])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Transforms by the definition (T.81, A.3.3), evaluated between the places of its samples.
    fn exact(coefficients: &[i32; 64], scale: Scale) -> Vec<f64> {
        let basis = |at: usize, scale: usize, k: usize| {
            let size = if k == 0 { 0.125f64.sqrt() } else { 0.5 };
            size * ((2 * at + 1) as f64 * k as f64 * std::f64::consts::PI / (16 * scale) as f64).cos()
        };
        let (width, height) = (8 * scale.cols, 8 * scale.rows);
        let sample = |y, x| -> f64 {
            let part =
                |k| f64::from(coefficients[k]) * basis(y, scale.rows, k / 8) * basis(x, scale.cols, k % 8);
            (0..64).map(part).sum()
        };
        (0..height).flat_map(|y| (0..width).map(move |x| sample(y, x))).collect()
    }

    proptest! {
        #[test]
        fn samples_are_within_one_of_the_definition(
            values in prop::collection::vec(-20..=20i16, 64), last in 0..64usize, quant in 1..12i16,
            cols in 1..=2usize, rows in 1..=2usize,
        ) {
            let scale = Scale { cols, rows };
            prop_assume!(cols * rows > 1);
            let mut block = [0; 64];
            block[..=last].copy_from_slice(&values[..=last]);
            let (width, stride) = (8 * cols, 21);
            let mut out = vec![0; 16 * stride];
            inverse(&block, &[quant; 64], scale, &mut out, stride);
            let got = out.chunks(stride).take(8 * rows).flat_map(|row| row[..width].to_vec());
            let exact = exact(&block.map(|c| i32::from(c) * i32::from(quant)), scale);
            for (got, exact) in got.zip(exact) {
                let exact = exact.clamp(-128.0, 127.0);
                prop_assert!((f64::from(got) - exact).abs() <= 1.0, "{got} for {exact}");
            }
        }
    }
}
