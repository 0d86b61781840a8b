//! Two AVX2 registers of eight lanes.

use std::arch::x86_64::*;

use super::{F64_LANES, LANES, Simd};

/// AVX2, FMA and F16C; with `VNNI` also AVX-VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Avx2<const VNNI: bool>(());

impl<const VNNI: bool> Avx2<VNNI> {
    /// Makes the token.
    ///
    /// # Safety
    /// The CPU must have the features.
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

/// Applies an intrinsic to both halves.
macro_rules! both {
    ($call:ident($($x:expr),+)) => {
        [op!($call($($x[0]),+)), op!($call($($x[1]),+))]
    };
}

/// Makes the masks of the first `n` lanes, one for each half.
#[inline(always)]
fn first(n: usize) -> [__m256i; 2] {
    const ONES_THEN_ZEROS: [i32; 2 * LANES] = {
        let mut mask = [0; 2 * LANES];
        let mut i = 0;
        while i < LANES {
            mask[i] = -1;
            i += 1;
        }
        mask
    };
    let mask = &ONES_THEN_ZEROS[LANES - n..][..LANES];
    // SAFETY: the loads need only AVX, and callers hold the token; the slice has two times eight i32.
    unsafe { [_mm256_loadu_si256(mask.as_ptr().cast()), _mm256_loadu_si256(mask.as_ptr().add(8).cast())] }
}

/// Moves the low halves of the lanes to their high halves.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn above(x: __m256i) -> __m256i {
    // SAFETY: the caller vouches for the CPU.
    unsafe { _mm256_slli_epi32::<16>(x) }
}

/// Extends the signs of the high bytes of 16-bit lanes.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn extended(x: __m256i) -> __m256i {
    // SAFETY: the caller vouches for the CPU.
    unsafe { _mm256_srai_epi16::<8>(x) }
}

/// Puts the quarters of a register in order after two registers were packed into it half by half.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn in_order(x: __m256i) -> __m256i {
    // SAFETY: the caller vouches for the CPU.
    unsafe { _mm256_permute4x64_epi64::<0b11_01_10_00>(x) }
}

/// Rounds the lanes to bf16, halves to even, in their low halves. NaN stays NaN.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn round_bf16(x: __m256) -> __m256i {
    // SAFETY: the caller vouches for the CPU.
    unsafe {
        let bits = _mm256_castps_si256(x);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
        let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x0040_0000));
        let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
        _mm256_srli_epi32::<16>(_mm256_blendv_epi8(rounded, quiet, nan))
    }
}

impl<const VNNI: bool> Simd for Avx2<VNNI> {
    const WIDE: bool = false;
    type F = [__m256; 2];
    type I = [__m256i; 2];
    type D = [__m256d; 2];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [op!(_mm256_set1_ps(x)); 2]
    }

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Self::F {
        // SAFETY: the token vouches for the CPU, the reference for sixteen readable f32.
        unsafe { [_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))] }
    }

    #[inline(always)]
    fn load_partial(self, x: &[f32]) -> Self::F {
        let mask = first(x.len());
        let second = x.as_ptr().wrapping_add(8);
        // SAFETY: the token vouches for the CPU; lanes outside the mask, those beyond the slice, are not read.
        unsafe { [_mm256_maskload_ps(x.as_ptr(), mask[0]), _mm256_maskload_ps(second, mask[1])] }
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        // SAFETY: the token vouches for the CPU, the reference for sixteen writable f32.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), x[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), x[1]);
        }
    }

    #[inline(always)]
    fn store_partial(self, x: Self::F, to: &mut [f32]) {
        let mask = first(to.len());
        let second = to.as_mut_ptr().wrapping_add(8);
        // SAFETY: the token vouches for the CPU; lanes outside the mask, those beyond the slice, are not written.
        unsafe {
            _mm256_maskstore_ps(to.as_mut_ptr(), mask[0], x[0]);
            _mm256_maskstore_ps(second, mask[1], x[1]);
        }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_mul_ps(a, b))
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_div_ps(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        both!(_mm256_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_max_ps(a, b))
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_min_ps(a, b))
    }

    #[inline(always)]
    fn round(self, x: Self::F) -> Self::F {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        [op!(_mm256_round_ps::<NEAREST>(x[0])), op!(_mm256_round_ps::<NEAREST>(x[1]))]
    }

    #[inline(always)]
    fn exp2_integral(self, n: Self::F) -> Self::F {
        #[inline(always)]
        fn half(n: __m256) -> __m256 {
            // SAFETY: only AVX2 is needed, and the caller holds the token.
            unsafe {
                let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
            }
        }
        [half(n[0]), half(n[1])]
    }

    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        op!({
            let eight = _mm256_add_ps(x[0], x[1]);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }

    #[inline(always)]
    fn load_f16(self, x: &[u16; LANES]) -> Self::F {
        // SAFETY: the token vouches for the CPU, the reference for sixteen readable u16.
        unsafe {
            [
                _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().add(8).cast())),
            ]
        }
    }

    #[inline(always)]
    fn load_bf16(self, x: &[u16; LANES]) -> Self::F {
        // SAFETY: the token vouches for the CPU, the reference for sixteen readable u16.
        let halves =
            unsafe { [_mm_loadu_si128(x.as_ptr().cast()), _mm_loadu_si128(x.as_ptr().add(8).cast())] };
        op!([
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves[0]))),
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves[1]))),
        ])
    }

    #[inline(always)]
    fn splat_bits(self, x: u32) -> Self::I {
        [op!(_mm256_set1_epi32(x as i32)); 2]
    }

    #[inline(always)]
    fn load_bits(self, x: &[u32; LANES]) -> Self::I {
        // SAFETY: the token vouches for the CPU, the reference for sixteen readable u32.
        unsafe { [_mm256_loadu_si256(x.as_ptr().cast()), _mm256_loadu_si256(x.as_ptr().add(8).cast())] }
    }

    #[inline(always)]
    fn load_bytes(self, x: &[i8; 4 * LANES]) -> Self::I {
        // SAFETY: the token vouches for the CPU, the reference for 64 readable bytes.
        unsafe { [_mm256_loadu_si256(x.as_ptr().cast()), _mm256_loadu_si256(x.as_ptr().add(32).cast())] }
    }

    #[inline(always)]
    fn flip_signs(self, x: Self::I) -> Self::I {
        let signs = op!(_mm256_set1_epi8(i8::MIN));
        [op!(_mm256_xor_si256(x[0], signs)), op!(_mm256_xor_si256(x[1], signs))]
    }

    #[inline(always)]
    fn as_f32(self, x: Self::I) -> Self::F {
        both!(_mm256_castsi256_ps(x))
    }

    #[inline(always)]
    fn as_bits(self, x: Self::F) -> Self::I {
        both!(_mm256_castps_si256(x))
    }

    #[inline(always)]
    fn bits(self, x: Self::I) -> [u32; LANES] {
        // SAFETY: two vectors of 32 bytes are as large as the array, and all bits are valid for it.
        unsafe { std::mem::transmute::<[__m256i; 2], [u32; LANES]>(x) }
    }

    #[inline(always)]
    fn transpose4(self, [a, b, c, d]: [Self::I; 4]) -> [Self::I; 4] {
        let half = |i: usize| {
            op!({
                let (ab, cd) = (_mm256_unpacklo_epi32(a[i], b[i]), _mm256_unpacklo_epi32(c[i], d[i]));
                let (ab_high, cd_high) =
                    (_mm256_unpackhi_epi32(a[i], b[i]), _mm256_unpackhi_epi32(c[i], d[i]));
                [
                    _mm256_unpacklo_epi64(ab, cd),
                    _mm256_unpackhi_epi64(ab, cd),
                    _mm256_unpacklo_epi64(ab_high, cd_high),
                    _mm256_unpackhi_epi64(ab_high, cd_high),
                ]
            })
        };
        let (low, high) = (half(0), half(1));
        [[low[0], high[0]], [low[1], high[1]], [low[2], high[2]], [low[3], high[3]]]
    }

    #[inline(always)]
    fn add_bits(self, a: Self::I, b: Self::I) -> Self::I {
        both!(_mm256_add_epi32(a, b))
    }

    #[inline(always)]
    fn to_f32(self, x: Self::I) -> Self::F {
        both!(_mm256_cvtepi32_ps(x))
    }

    #[inline(always)]
    fn splat_f64(self, x: f64) -> Self::D {
        [op!(_mm256_set1_pd(x)); 2]
    }

    #[inline(always)]
    fn load_f64(self, x: &[f64; F64_LANES]) -> Self::D {
        // SAFETY: the token vouches for the CPU, the reference for eight readable f64.
        unsafe { [_mm256_loadu_pd(x.as_ptr()), _mm256_loadu_pd(x.as_ptr().add(4))] }
    }

    #[inline(always)]
    fn store_f64(self, x: Self::D, to: &mut [f64; F64_LANES]) {
        // SAFETY: the token vouches for the CPU, the reference for eight writable f64.
        unsafe {
            _mm256_storeu_pd(to.as_mut_ptr(), x[0]);
            _mm256_storeu_pd(to.as_mut_ptr().add(4), x[1]);
        }
    }

    #[inline(always)]
    fn mul_then_add_f64(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D {
        let products = both!(_mm256_mul_pd(a, b));
        both!(_mm256_add_pd(products, c))
    }

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        op!(_mm_prefetch::<_MM_HINT_T1>(at.cast()))
    }

    #[inline(always)]
    fn to_bf16(self, low: Self::F, high: Self::F) -> Self::I {
        let (low, high) = (both!(round_bf16(low)), both!(round_bf16(high)));
        // Packing takes halves of the two operands in turn; the permutation restores the order.
        let packed = [op!(_mm256_packus_epi32(low[0], low[1])), op!(_mm256_packus_epi32(high[0], high[1]))];
        both!(in_order(packed))
    }

    #[inline(always)]
    fn zip_bf16(self, even: Self::F, odd: Self::F) -> Self::I {
        let (even, odd) = (both!(round_bf16(even)), both!(round_bf16(odd)));
        let odd = both!(above(odd));
        both!(_mm256_or_si256(even, odd))
    }

    #[inline(always)]
    fn dot_bf16(self, sum: Self::F, a: Self::I, b: Self::I) -> Self::F {
        #[inline(always)]
        fn half(sum: __m256, a: __m256i, b: __m256i) -> __m256 {
            // SAFETY: only AVX2 and FMA are needed, and the caller holds the token.
            unsafe {
                let high = _mm256_set1_epi32(0xffff_0000_u32 as i32);
                let sum = _mm256_fmadd_ps(
                    _mm256_castsi256_ps(_mm256_and_si256(a, high)),
                    _mm256_castsi256_ps(_mm256_and_si256(b, high)),
                    sum,
                );
                _mm256_fmadd_ps(
                    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(a)),
                    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(b)),
                    sum,
                )
            }
        }
        [half(sum[0], a[0], b[0]), half(sum[1], a[1], b[1])]
    }

    #[inline(always)]
    fn dot_bytes(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        if VNNI {
            return both!(_mm256_dpbusd_avx_epi32(sum, a, b));
        }
        #[inline(always)]
        fn half(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
            // The bytes at even and at odd places, widened to 16 bits: no product saturates.
            // SAFETY: AVX2 alone is asked for, and the caller holds the token.
            unsafe {
                let even = _mm256_madd_epi16(
                    _mm256_and_si256(a, _mm256_set1_epi16(0xff)),
                    _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)),
                );
                let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(a), _mm256_srai_epi16::<8>(b));
                _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
            }
        }
        [half(sum[0], a[0], b[0]), half(sum[1], a[1], b[1])]
    }

    #[inline(always)]
    fn unfold_bf16(self, x: Self::I) -> [Self::I; 2] {
        let high = [op!(_mm256_set1_epi32(0xffff_0000_u32 as i32)); 2];
        [both!(_mm256_and_si256(x, high)), both!(above(x))]
    }

    #[inline(always)]
    fn unfold_u8(self, x: Self::I) -> [Self::I; 2] {
        let low = [op!(_mm256_set1_epi16(0xff)); 2];
        [
            both!(_mm256_and_si256(x, low)),
            [op!(_mm256_srli_epi16::<8>(x[0])), op!(_mm256_srli_epi16::<8>(x[1]))],
        ]
    }

    #[inline(always)]
    fn unfold_i8(self, x: Self::I) -> [Self::I; 2] {
        let even = [op!(_mm256_slli_epi16::<8>(x[0])), op!(_mm256_slli_epi16::<8>(x[1]))];
        [both!(extended(even)), both!(extended(x))]
    }

    #[inline(always)]
    fn dot_i16(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        let products = both!(_mm256_madd_epi16(a, b));
        both!(_mm256_add_epi32(sum, products))
    }
}
