//! One AVX-512 register of sixteen lanes.

use std::arch::x86_64::*;

use super::{F64_LANES, LANES, Simd};

/// AVX-512 F, BW, DQ and VL; with the parameters also VNNI and BF16.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const VNNI: bool, const BF16: bool>(());

impl<const VNNI: bool, const BF16: bool> Avx512<VNNI, BF16> {
    /// Makes the token.
    ///
    /// # Safety
    /// The CPU must have the features, and AVX2 and FMA.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

/// Calls an intrinsic that accesses no memory.
macro_rules! op {
    ($call:expr) => {
        // SAFETY: the token exists only on a CPU with these features (see `new`), and the intrinsic needs
        // nothing else.
        unsafe { $call }
    };
}

/// Makes the mask of the first `n` lanes.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    assert!(n <= LANES, "a vector has sixteen lanes");
    ((1_u32 << n) - 1) as __mmask16
}

/// Rounds the lanes to bf16, halves to even, in their low halves. NaN stays NaN.
///
/// # Safety
/// The CPU must have AVX-512 F.
#[inline(always)]
unsafe fn round_bf16(x: __m512) -> __m512i {
    // SAFETY: the caller vouches for the CPU.
    unsafe {
        let bits = _mm512_castps_si512(x);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x0040_0000));
        let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x);
        _mm512_srli_epi32::<16>(_mm512_mask_mov_epi32(rounded, nan, quiet))
    }
}

/// Adds the quarters of each of four vectors, halves first, and puts the sums of lanes into a quarter each.
///
/// # Safety
/// The CPU must have AVX-512 F.
#[inline(always)]
unsafe fn by_quarters(a: __m512, b: __m512, c: __m512, d: __m512) -> __m512 {
    // SAFETY: the caller vouches for the CPU.
    unsafe {
        let ac = _mm512_add_ps(_mm512_mask_blend_ps(0xff00, a, c), _mm512_shuffle_f32x4::<0x4e>(a, c));
        let bd = _mm512_add_ps(_mm512_mask_blend_ps(0xff00, b, d), _mm512_shuffle_f32x4::<0x4e>(b, d));
        let others = _mm512_setr_epi64(2, 3, 8, 9, 6, 7, 12, 13);
        let other = _mm512_permutex2var_pd(_mm512_castps_pd(ac), others, _mm512_castps_pd(bd));
        _mm512_add_ps(_mm512_mask_blend_ps(0xf0f0, ac, bd), _mm512_castpd_ps(other))
    }
}

/// Adds the halves of each quarter of two vectors, and puts those of the first in front of those of the second.
///
/// # Safety
/// The CPU must have AVX-512 F.
#[inline(always)]
unsafe fn by_pairs(a: __m512, b: __m512) -> __m512 {
    // SAFETY: the caller vouches for the CPU.
    unsafe { _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, a, b), _mm512_shuffle_ps::<0x4e>(a, b)) }
}

/// Adds pairs of lanes: in each quarter first those of the first vector, then those of the second.
///
/// # Safety
/// The CPU must have AVX-512 F.
#[inline(always)]
unsafe fn by_ones(a: __m512, b: __m512) -> __m512 {
    // SAFETY: the caller vouches for the CPU.
    unsafe { _mm512_add_ps(_mm512_shuffle_ps::<0x88>(a, b), _mm512_shuffle_ps::<0xdd>(a, b)) }
}

/// Returns the quarters of a vector.
///
/// # Safety
/// The CPU must have AVX-512 DQ.
#[inline(always)]
unsafe fn quarters(x: __m512) -> [__m128; 4] {
    // SAFETY: the caller vouches for the CPU.
    unsafe {
        [
            _mm512_castps512_ps128(x),
            _mm512_extractf32x4_ps::<1>(x),
            _mm512_extractf32x4_ps::<2>(x),
            _mm512_extractf32x4_ps::<3>(x),
        ]
    }
}

impl<const VNNI: bool, const BF16: bool> Simd for Avx512<VNNI, BF16> {
    const WIDE: bool = true;
    type F = __m512;
    type I = __m512i;
    type D = __m512d;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        op!(_mm512_set1_ps(x))
    }

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Self::F {
        // SAFETY: the token vouches for the CPU, the reference for sixteen readable f32.
        unsafe { _mm512_loadu_ps(x.as_ptr()) }
    }

    #[inline(always)]
    fn load_partial(self, x: &[f32]) -> Self::F {
        // SAFETY: the token vouches for the CPU; lanes outside the mask, those beyond the slice, are not read.
        unsafe { _mm512_maskz_loadu_ps(first(x.len()), x.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        // SAFETY: the token vouches for the CPU, the reference for sixteen writable f32.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn store_partial(self, x: Self::F, to: &mut [f32]) {
        // SAFETY: the token vouches for the CPU; lanes outside the mask, those beyond the slice, are not written.
        unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), first(to.len()), x) }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        op!(_mm512_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        op!(_mm512_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        op!(_mm512_mul_ps(a, b))
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        op!(_mm512_div_ps(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        op!(_mm512_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        op!(_mm512_max_ps(a, b))
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        op!(_mm512_min_ps(a, b))
    }

    #[inline(always)]
    fn round(self, x: Self::F) -> Self::F {
        op!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x))
    }

    #[inline(always)]
    fn exp2_integral(self, n: Self::F) -> Self::F {
        op!(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(
            _mm512_cvtps_epi32(n),
            _mm512_set1_epi32(127)
        ))))
    }

    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        op!({
            let eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x));
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }

    #[inline(always)]
    fn sum_rows(self, [a, b, c, d]: [[Self::F; 6]; 4]) -> [[f32; 6]; 4] {
        // Vectors that are summed come to share a register, each step with half as many lanes to a vector: one takes what the
        // other leaves, so that a step is one shuffle, one blend and one addition.
        let mut columns = [op!(_mm512_setzero_ps()); 6];
        for j in 0..6 {
            columns[j] = op!(by_quarters(a[j], b[j], c[j], d[j]));
        }
        let [c0, c1, c2, c3, c4, c5] = columns;
        let (four, two) = op!({
            let last = by_pairs(c4, c5);
            (by_ones(by_pairs(c0, c1), by_pairs(c2, c3)), by_ones(last, last))
        });
        let mut out = [[0.0; 6]; 4];
        let (four, two) = op!((quarters(four), quarters(two)));
        for i in 0..4 {
            let to = out[i].as_mut_ptr();
            // SAFETY: the token vouches for the CPU, the array for six writable f32, of which the first store takes four and
            // the second the last two.
            unsafe {
                _mm_storeu_ps(to, four[i]);
                _mm_storel_pd(to.add(4).cast(), _mm_castps_pd(two[i]));
            }
        }
        out
    }

    #[inline(always)]
    fn load_f16(self, x: &[u16; LANES]) -> Self::F {
        // SAFETY: the token vouches for the CPU, the reference for sixteen readable u16.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(x.as_ptr().cast())) }
    }

    #[inline(always)]
    fn load_bf16(self, x: &[u16; LANES]) -> Self::F {
        // SAFETY: the token vouches for the CPU, the reference for sixteen readable u16.
        let wide = unsafe { _mm512_cvtepu16_epi32(_mm256_loadu_si256(x.as_ptr().cast())) };
        op!(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide)))
    }

    #[inline(always)]
    fn splat_bits(self, x: u32) -> Self::I {
        op!(_mm512_set1_epi32(x as i32))
    }

    #[inline(always)]
    fn load_bits(self, x: &[u32; LANES]) -> Self::I {
        // SAFETY: the token vouches for the CPU, the reference for sixteen readable u32.
        unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
    }

    #[inline(always)]
    fn load_bytes(self, x: &[i8; 4 * LANES]) -> Self::I {
        // SAFETY: the token vouches for the CPU, the reference for 64 readable bytes.
        unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
    }

    #[inline(always)]
    fn flip_signs(self, x: Self::I) -> Self::I {
        op!(_mm512_xor_si512(x, _mm512_set1_epi8(i8::MIN)))
    }

    #[inline(always)]
    fn as_f32(self, x: Self::I) -> Self::F {
        op!(_mm512_castsi512_ps(x))
    }

    #[inline(always)]
    fn as_bits(self, x: Self::F) -> Self::I {
        op!(_mm512_castps_si512(x))
    }

    #[inline(always)]
    fn bits(self, x: Self::I) -> [u32; LANES] {
        // SAFETY: both are 64 bytes, and all bits are valid for either.
        unsafe { std::mem::transmute::<__m512i, [u32; LANES]>(x) }
    }

    #[inline(always)]
    fn transpose4(self, [a, b, c, d]: [Self::I; 4]) -> [Self::I; 4] {
        op!({
            let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
            let (ab_high, cd_high) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
            [
                _mm512_unpacklo_epi64(ab, cd),
                _mm512_unpackhi_epi64(ab, cd),
                _mm512_unpacklo_epi64(ab_high, cd_high),
                _mm512_unpackhi_epi64(ab_high, cd_high),
            ]
        })
    }

    #[inline(always)]
    fn store_quarters(self, x: Self::I, to: &mut [u32], stride: usize) {
        assert!(stride >= 4 && 3 * stride + 4 <= to.len(), "four rows to write to");
        let to = to.as_mut_ptr();
        // SAFETY: the token vouches for the CPU; the last quarter ends within the slice.
        unsafe {
            _mm_storeu_si128(to.cast(), _mm512_castsi512_si128(x));
            _mm_storeu_si128(to.add(stride).cast(), _mm512_extracti32x4_epi32::<1>(x));
            _mm_storeu_si128(to.add(2 * stride).cast(), _mm512_extracti32x4_epi32::<2>(x));
            _mm_storeu_si128(to.add(3 * stride).cast(), _mm512_extracti32x4_epi32::<3>(x));
        }
    }

    #[inline(always)]
    fn to_bf16(self, low: Self::F, high: Self::F) -> Self::I {
        if BF16 {
            // SAFETY: the token vouches for the CPU, `BF16` for this feature; both types are 64 bytes, and
            // all bits are valid for them.
            return unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) };
        }
        op!(_mm512_inserti64x4::<1>(
            _mm512_castsi256_si512(_mm512_cvtepi32_epi16(round_bf16(low))),
            _mm512_cvtepi32_epi16(round_bf16(high))
        ))
    }

    #[inline(always)]
    fn zip_bf16(self, even: Self::F, odd: Self::F) -> Self::I {
        if BF16 {
            #[rustfmt::skip]
            const ORDER: [u16; 2 * LANES] = [
                0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
                8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31,
            ];
            // SAFETY: the token vouches for the CPU; the order is 64 readable bytes.
            return unsafe {
                let order = _mm512_loadu_si512(ORDER.as_ptr().cast());
                _mm512_permutexvar_epi16(order, self.to_bf16(even, odd))
            };
        }
        op!(_mm512_mask_mov_epi16(round_bf16(even), 0xaaaa_aaaa, _mm512_slli_epi32::<16>(round_bf16(odd))))
    }

    #[inline(always)]
    fn to_bytes(self, [a, b, c, d]: [Self::F; 4]) -> Self::I {
        op!({
            let ab = _mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b));
            let cd = _mm512_packs_epi32(_mm512_cvtps_epi32(c), _mm512_cvtps_epi32(d));
            // Each quarter now has four bytes of each input.
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            _mm512_permutexvar_epi32(order, _mm512_packus_epi16(ab, cd))
        })
    }

    #[inline(always)]
    fn add_bits(self, a: Self::I, b: Self::I) -> Self::I {
        op!(_mm512_add_epi32(a, b))
    }

    #[inline(always)]
    fn to_f32(self, x: Self::I) -> Self::F {
        op!(_mm512_cvtepi32_ps(x))
    }

    #[inline(always)]
    fn splat_f64(self, x: f64) -> Self::D {
        op!(_mm512_set1_pd(x))
    }

    #[inline(always)]
    fn load_f64(self, x: &[f64; F64_LANES]) -> Self::D {
        // SAFETY: the token vouches for the CPU, the reference for eight readable f64.
        unsafe { _mm512_loadu_pd(x.as_ptr()) }
    }

    #[inline(always)]
    fn store_f64(self, x: Self::D, to: &mut [f64; F64_LANES]) {
        // SAFETY: the token vouches for the CPU, the reference for eight writable f64.
        unsafe { _mm512_storeu_pd(to.as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn mul_then_add_f64(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D {
        op!(_mm512_add_pd(_mm512_mul_pd(a, b), c))
    }

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        op!(_mm_prefetch::<_MM_HINT_T1>(at.cast()))
    }

    #[inline(always)]
    fn dot_bf16(self, sum: Self::F, a: Self::I, b: Self::I) -> Self::F {
        if BF16 {
            // SAFETY: the token vouches for the CPU, `BF16` for this feature; both types are 64 bytes, and
            // all bits are valid for them.
            return unsafe {
                _mm512_dpbf16_ps(
                    sum,
                    std::mem::transmute::<__m512i, __m512bh>(a),
                    std::mem::transmute::<__m512i, __m512bh>(b),
                )
            };
        }
        op!({
            let high = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            let sum = _mm512_fmadd_ps(
                _mm512_castsi512_ps(_mm512_and_si512(a, high)),
                _mm512_castsi512_ps(_mm512_and_si512(b, high)),
                sum,
            );
            _mm512_fmadd_ps(
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(a)),
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(b)),
                sum,
            )
        })
    }

    #[inline(always)]
    fn dot_bytes(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        if VNNI {
            return op!(_mm512_dpbusd_epi32(sum, a, b));
        }
        // The bytes at even and at odd places, widened to 16 bits: no product saturates.
        op!({
            let even = _mm512_madd_epi16(
                _mm512_and_si512(a, _mm512_set1_epi16(0xff)),
                _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(b)),
            );
            let odd = _mm512_madd_epi16(_mm512_srli_epi16::<8>(a), _mm512_srai_epi16::<8>(b));
            _mm512_add_epi32(sum, _mm512_add_epi32(even, odd))
        })
    }

    #[inline(always)]
    fn unfold_bf16(self, x: Self::I) -> [Self::I; 2] {
        op!([_mm512_and_si512(x, _mm512_set1_epi32(0xffff_0000_u32 as i32)), _mm512_slli_epi32::<16>(x)])
    }

    #[inline(always)]
    fn unfold_u8(self, x: Self::I) -> [Self::I; 2] {
        op!([_mm512_and_si512(x, _mm512_set1_epi16(0xff)), _mm512_srli_epi16::<8>(x)])
    }

    #[inline(always)]
    fn unfold_i8(self, x: Self::I) -> [Self::I; 2] {
        op!([_mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(x)), _mm512_srai_epi16::<8>(x)])
    }

    #[inline(always)]
    fn dot_i16(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        op!(_mm512_add_epi32(sum, _mm512_madd_epi16(a, b)))
    }
}
