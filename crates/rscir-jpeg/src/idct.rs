//! The inverse discrete cosine transform.
//!
//! The method is libjpeg's accurate integer one (jidctint.c, "islow": Loeffler, Ligtenberg and Moschytz 1989,
//! constants with 13 fractional bits), in the arithmetic of libjpeg-turbo's SSE2 and AVX2 code (jidctint-avx2.asm):
//! 16-bit inputs and sums that wrap, 32-bit products, and results that saturate to 16 and finally to 8 bits. For the
//! coefficients that encoders write, the result equals that of the C code. For coefficients out of all bounds the two
//! differ; this one is then the result of libjpeg-turbo on x86-64.
//!
//! Samples are signed here and wherever planes are handled: the sample of the image less 128.

/// Number of fractional bits of the constants (jidctint.c).
pub(crate) const CONST_BITS: u32 = 13;
/// Number of additional bits that the first pass keeps (jidctint.c).
pub(crate) const PASS1_BITS: u32 = 2;

// FIX(x) of jidctint.c: x * 2^13, rounded.
const F_0_298: i32 = 2446;
const F_0_390: i32 = 3196;
const F_0_541: i32 = 4433;
const F_0_765: i32 = 6270;
const F_0_899: i32 = 7373;
const F_1_175: i32 = 9633;
const F_1_501: i32 = 12299;
const F_1_847: i32 = 15137;
const F_1_961: i32 = 16069;
const F_2_053: i32 = 16819;
const F_2_562: i32 = 20995;
const F_3_072: i32 = 25172;

/// Coefficients of a block that may be other than zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// The first one.
    Dc,
    /// The 4 x 4 of lowest frequencies.
    Corner,
    /// All.
    Full,
}

impl Extent {
    /// Returns the extent of a block whose last coefficient is at this zigzag index. The first ten coefficients are
    /// the first four diagonals, which lie within 4 x 4.
    #[inline(always)]
    pub(crate) fn of_last(zigzag: usize) -> Self {
        match zigzag {
            0 => Self::Dc,
            1..10 => Self::Corner,
            _ => Self::Full,
        }
    }

    /// Finds the extent of a block from its coefficients.
    pub(crate) fn of_block(block: &[i16; 64]) -> Self {
        let (rows, _) = block.as_chunks::<8>();
        let mut upper = [0; 8];
        let mut lower = [0; 8];
        for row in 0..4 {
            for col in 0..8 {
                upper[col] |= rows[row][col];
                lower[col] |= rows[row + 4][col];
            }
        }
        if lower != [0; 8] || upper[4..] != [0; 4] {
            Self::Full
        } else if block[1..4] != [0; 3] || block[8..32] != [0; 24] {
            Self::Corner
        } else {
            Self::Dc
        }
    }
}

/// Multiplies a block of coefficients, in natural order, with `quant` and transforms it to 8 x 8 samples. `out`
/// begins with the first sample; its rows are `stride` apart.
pub(crate) fn inverse(block: &[i16; 64], quant: &[i16; 64], extent: Extent, out: &mut [i8], stride: usize) {
    let mut samples = [[0; 8]; 8];
    match extent {
        Extent::Dc => samples = [[flat(block[0].wrapping_mul(quant[0])); 8]; 8],
        Extent::Corner => two_passes::<4, 16>(block, quant, &mut samples),
        Extent::Full => two_passes::<8, 32>(block, quant, &mut samples),
    }
    for (row, samples) in samples.iter().enumerate() {
        out[row * stride..row * stride + 8].copy_from_slice(samples);
    }
}

/// Returns the value of all samples of a block that has only its first coefficient.
pub(crate) fn flat(dc: i16) -> i8 {
    let scaled = i32::from(dc.wrapping_shl(PASS1_BITS));
    saturate_i8(saturate_i16((scaled + (1 << (PASS1_BITS + 2))) >> (PASS1_BITS + 3)))
}

/// Does both passes for a block whose coefficients lie in the first `N` rows and columns. `HALF` is `4 * N`.
///
/// The steps are functions of their own, from array to array, because the compiler makes vector code of each of them
/// but not of all of them inlined into one.
fn two_passes<const N: usize, const HALF: usize>(
    block: &[i16; 64],
    quant: &[i16; 64],
    samples: &mut [[i8; 8]; 8],
) {
    let mut coefficients = [[0; N]; N];
    dequantize(block, quant, &mut coefficients);
    let mut columns = [[0; N]; 8];
    if block[8..8 * N].iter().fold(0, |any, c| any | c) == 0 {
        // The vector code shifts without saturation where all rows but the first are zero.
        columns = [coefficients[0].map(|dc| dc.wrapping_shl(PASS1_BITS)); 8];
    } else {
        pass::<N, N, { CONST_BITS - PASS1_BITS }>(&coefficients, &mut columns);
    }
    let mut rows = [[0; 8]; N];
    transpose::<_, N, HALF>(&columns, &mut rows);
    let mut wide = [[0; 8]; 8];
    pass::<N, 8, { CONST_BITS + PASS1_BITS + 3 }>(&rows, &mut wide);
    let mut narrow = [[0; 8]; 8];
    saturate(&wide, &mut narrow);
    transpose::<_, 8, 32>(&narrow, samples);
}

#[inline(never)]
fn dequantize<const N: usize>(block: &[i16; 64], quant: &[i16; 64], out: &mut [[i16; N]; N]) {
    for row in 0..N {
        for col in 0..N {
            out[row][col] = block[8 * row + col].wrapping_mul(quant[8 * row + col]);
        }
    }
}

/// Transforms `L` columns side by side. Only the first `N` elements of a column may be other than zero.
#[inline(never)]
fn pass<const N: usize, const L: usize, const SHIFT: u32>(input: &[[i16; L]; N], out: &mut [[i16; L]; 8]) {
    for lane in 0..L {
        let mut x = [0; 8];
        for k in 0..N {
            x[k] = input[k][lane];
        }
        let y = transform::<SHIFT>(x);
        for k in 0..8 {
            out[k][lane] = y[k];
        }
    }
}

#[inline(never)]
fn saturate(wide: &[[i16; 8]; 8], narrow: &mut [[i8; 8]; 8]) {
    for (narrow, &wide) in narrow.as_flattened_mut().iter_mut().zip(wide.as_flattened()) {
        *narrow = saturate_i8(wide);
    }
}

/// Transposes 8 rows of `L` elements to `L` rows of 8. Each of three rounds interleaves the upper half, of `HALF`
/// elements, with the lower half.
#[inline(always)]
fn transpose<T: Copy + Default, const L: usize, const HALF: usize>(
    matrix: &[[T; L]; 8],
    out: &mut [[T; 8]; L],
) {
    let mut first = [[T::default(); 2]; HALF];
    let mut second = [[T::default(); 2]; HALF];
    interleave::<T, HALF>(matrix.as_flattened(), &mut first);
    interleave::<T, HALF>(first.as_flattened(), &mut second);
    interleave::<T, HALF>(second.as_flattened(), out.as_flattened_mut().as_chunks_mut().0);
}

#[inline(never)]
fn interleave<T: Copy, const HALF: usize>(from: &[T], to: &mut [[T; 2]]) {
    if let ([upper, lower], [to]) = (from.as_chunks::<HALF>().0, to.as_chunks_mut::<HALF>().0) {
        for i in 0..HALF {
            to[i] = [upper[i], lower[i]];
        }
    }
}

/// Transforms eight values, without the factor 1/sqrt(8), and descales the results by `SHIFT` bits. The names of
/// variables are those of jidctint.c.
#[inline(always)]
pub(crate) fn transform<const SHIFT: u32>(x: [i16; 8]) -> [i16; 8] {
    let wide = i32::from;
    let [in0, in1, in2, in3, in4, in5, in6, in7] = x;

    let tmp2 = dot(in2, F_0_541, in6, F_0_541 - F_1_847);
    let tmp3 = dot(in2, F_0_541 + F_0_765, in6, F_0_541);
    let tmp0 = wide(in0.wrapping_add(in4)) << CONST_BITS;
    let tmp1 = wide(in0.wrapping_sub(in4)) << CONST_BITS;
    let tmp10 = tmp0.wrapping_add(tmp3);
    let tmp13 = tmp0.wrapping_sub(tmp3);
    let tmp11 = tmp1.wrapping_add(tmp2);
    let tmp12 = tmp1.wrapping_sub(tmp2);

    let sum3 = in7.wrapping_add(in3);
    let sum4 = in5.wrapping_add(in1);
    let z3 = dot(sum3, F_1_175 - F_1_961, sum4, F_1_175);
    let z4 = dot(sum3, F_1_175, sum4, F_1_175 - F_0_390);
    let tmp0 = dot(in7, F_0_298 - F_0_899, in1, -F_0_899).wrapping_add(z3);
    let tmp1 = dot(in5, F_2_053 - F_2_562, in3, -F_2_562).wrapping_add(z4);
    let tmp2 = dot(in5, -F_2_562, in3, F_3_072 - F_2_562).wrapping_add(z3);
    let tmp3 = dot(in7, -F_0_899, in1, F_1_501 - F_0_899).wrapping_add(z4);

    let descale = |sum: i32| saturate_i16(sum.wrapping_add(1 << (SHIFT - 1)) >> SHIFT);
    [
        descale(tmp10.wrapping_add(tmp3)),
        descale(tmp11.wrapping_add(tmp2)),
        descale(tmp12.wrapping_add(tmp1)),
        descale(tmp13.wrapping_add(tmp0)),
        descale(tmp13.wrapping_sub(tmp0)),
        descale(tmp12.wrapping_sub(tmp1)),
        descale(tmp11.wrapping_sub(tmp2)),
        descale(tmp10.wrapping_sub(tmp3)),
    ]
}

/// Returns `a * p + b * q`, where the constants `p` and `q` fit 16 bits.
#[inline(always)]
fn dot(a: i16, p: i32, b: i16, q: i32) -> i32 {
    (i32::from(a) * p).wrapping_add(i32::from(b) * q)
}

#[inline(always)]
pub(crate) fn saturate_i16(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

#[inline(always)]
pub(crate) fn saturate_i8(value: i16) -> i8 {
    value.clamp(i8::MIN.into(), i8::MAX.into()) as i8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markers::ZIGZAG;
    use proptest::prelude::*;

    fn samples(block: &[i16; 64], quant: &[i16; 64], extent: Extent) -> Vec<i8> {
        let mut out = vec![0; 8 * 11];
        inverse(block, quant, extent, &mut out, 11);
        out.chunks(11).flat_map(|row| row[..8].to_vec()).collect()
    }

    /// Transforms by the definition (T.81, A.3.3), in real numbers.
    fn exact(coefficients: &[i32; 64]) -> Vec<f64> {
        let basis = |x: usize, u: usize| {
            let scale = if u == 0 { 0.125f64.sqrt() } else { 0.5 };
            scale * ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos()
        };
        (0..64)
            .map(|at| {
                let (y, x) = (at / 8, at % 8);
                (0..64).map(|k| f64::from(coefficients[k]) * basis(y, k / 8) * basis(x, k % 8)).sum()
            })
            .collect()
    }

    /// Makes blocks, each with the zigzag index at which its coefficients end.
    fn block(size: i16) -> impl Strategy<Value = ([i16; 64], usize)> {
        (0..64usize, prop::collection::vec(-size..=size, 64)).prop_map(|(last, values)| {
            let mut block = [0; 64];
            for (&at, &value) in ZIGZAG[..=last].iter().zip(&values) {
                block[usize::from(at)] = value;
            }
            (block, last)
        })
    }

    proptest! {
        #[test]
        fn samples_are_within_one_of_the_definition((block, last) in block(20), quant in 1..12i16) {
            let got = samples(&block, &[quant; 64], Extent::of_last(last));
            let exact = exact(&block.map(|c| i32::from(c) * i32::from(quant)));
            for (got, exact) in got.iter().zip(exact) {
                let exact = exact.clamp(-128.0, 127.0);
                prop_assert!((f64::from(*got) - exact).abs() <= 1.0, "{got} for {exact}");
            }
        }

        #[test]
        fn an_extent_changes_nothing((block, last) in block(i16::MAX), quant in any::<i16>()) {
            let full = samples(&block, &[quant; 64], Extent::Full);
            prop_assert_eq!(&samples(&block, &[quant; 64], Extent::of_last(last)), &full);
            prop_assert_eq!(&samples(&block, &[quant; 64], Extent::of_block(&block)), &full);
        }
    }
}
