//! Four NEON registers of four lanes.
//!
//! The instructions of later CPUs have no stable intrinsics yet, so they are written out. `bfdot` and
//! `bfmmla`, which sum more products of bf16 at a time than `bfmlal`, are not used: they round the sum of a
//! pair to odd and take subnormal numbers as zeros, so results would have other bits than elsewhere. `usdot`
//! (I8MM) is no faster than `sdot`, and `smmla` takes rows in pairs, for which operands would have to lie
//! otherwise.

use std::arch::aarch64::*;
use std::arch::asm;

use super::{F64_LANES, LANES, Portable, Simd};

/// NEON; with the parameters also the dot products of bytes (`sdot`) and the products of bf16 (`bfmlal`).
#[derive(Clone, Copy)]
pub(crate) struct Neon<const DOT: bool, const BF16: bool>(());

impl<const DOT: bool, const BF16: bool> Neon<DOT, BF16> {
    /// Makes the token.
    ///
    /// # Safety
    /// The CPU must have the features that the parameters name. Every 64-bit ARM CPU has NEON itself.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

type Floats = [float32x4_t; 4];
type Words = [uint32x4_t; 4];

/// Applies an operation to all four registers.
#[inline(always)]
fn each<A: Copy, B: Copy, C>(a: [A; 4], b: [B; 4], op: impl Fn(A, B) -> C) -> [C; 4] {
    [op(a[0], b[0]), op(a[1], b[1]), op(a[2], b[2]), op(a[3], b[3])]
}

/// Calls an intrinsic that accesses no memory.
macro_rules! op {
    ($call:expr) => {
        // SAFETY: only NEON is needed, which the target has.
        unsafe { $call }
    };
}

/// Adds to each lane the products of its four signed bytes.
///
/// # Safety
/// The CPU must have the dot products of bytes (FEAT_DotProd).
#[inline(always)]
unsafe fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the caller vouches for the CPU; the instruction changes `sum` alone.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// Adds to each lane the products of its two bf16, the second product first, each rounded once.
///
/// # Safety
/// The CPU must have the products of bf16 (FEAT_BF16).
#[inline(always)]
unsafe fn bfmlal(mut sum: float32x4_t, a: uint32x4_t, b: uint32x4_t) -> float32x4_t {
    // SAFETY: the caller vouches for the CPU; the instructions change `sum` alone.
    unsafe {
        asm!(
            ".arch_extension bf16",
            "bfmlalt {sum:v}.4s, {a:v}.8h, {b:v}.8h",
            "bfmlalb {sum:v}.4s, {a:v}.8h, {b:v}.8h",
            sum = inout(vreg) sum,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// Rounds the lanes to bf16, halves to even, in their high halves. NaN stays NaN. The low halves are
/// arbitrary.
#[inline(always)]
fn round_bf16(x: float32x4_t) -> uint32x4_t {
    op!({
        let bits = vreinterpretq_u32_f32(x);
        let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
        let rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
        let quiet = vorrq_u32(bits, vdupq_n_u32(0x0040_0000));
        vbslq_u32(vceqq_f32(x, x), rounded, quiet)
    })
}

impl<const DOT: bool, const BF16: bool> Simd for Neon<DOT, BF16> {
    const WIDE: bool = false;
    const SIGNED_BYTES: bool = true;
    type F = Floats;
    type I = Words;
    type D = [float64x2_t; 4];

    #[inline(always)]
    fn splat(self, x: f32) -> Floats {
        [op!(vdupq_n_f32(x)); 4]
    }

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Floats {
        let at = x.as_ptr();
        // SAFETY: the reference vouches for sixteen readable f32.
        unsafe { [vld1q_f32(at), vld1q_f32(at.add(4)), vld1q_f32(at.add(8)), vld1q_f32(at.add(12))] }
    }

    #[inline(always)]
    fn load_partial(self, x: &[f32]) -> Floats {
        self.load(&Portable.load_partial(x))
    }

    #[inline(always)]
    fn store(self, x: Floats, to: &mut [f32; LANES]) {
        for (to, x) in to.as_chunks_mut::<4>().0.iter_mut().zip(x) {
            // SAFETY: the chunk has four writable f32.
            unsafe { vst1q_f32(to.as_mut_ptr(), x) };
        }
    }

    #[inline(always)]
    fn store_partial(self, x: Floats, to: &mut [f32]) {
        let mut lanes = [0.0; LANES];
        self.store(x, &mut lanes);
        to.copy_from_slice(&lanes[..to.len()]);
    }

    #[inline(always)]
    fn add(self, a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| op!(vaddq_f32(a, b)))
    }

    #[inline(always)]
    fn sub(self, a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| op!(vsubq_f32(a, b)))
    }

    #[inline(always)]
    fn mul(self, a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| op!(vmulq_f32(a, b)))
    }

    #[inline(always)]
    fn div(self, a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| op!(vdivq_f32(a, b)))
    }

    #[inline(always)]
    fn mul_add(self, a: Floats, b: Floats, c: Floats) -> Floats {
        let mut out = c;
        for i in 0..4 {
            out[i] = op!(vfmaq_f32(c[i], a[i], b[i]));
        }
        out
    }

    #[inline(always)]
    fn max(self, a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| op!(vbslq_f32(vcgtq_f32(a, b), a, b)))
    }

    #[inline(always)]
    fn min(self, a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| op!(vbslq_f32(vcltq_f32(a, b), a, b)))
    }

    #[inline(always)]
    fn round(self, x: Floats) -> Floats {
        x.map(|x| op!(vrndnq_f32(x)))
    }

    #[inline(always)]
    fn exp2_integral(self, n: Floats) -> Floats {
        n.map(|n| {
            op!({
                let biased = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
                vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased))
            })
        })
    }

    #[inline(always)]
    fn sum(self, x: Floats) -> f32 {
        op!({
            let four = vaddq_f32(vaddq_f32(x[0], x[2]), vaddq_f32(x[1], x[3]));
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        })
    }

    #[inline(always)]
    fn load_f16(self, x: &[u16; LANES]) -> Floats {
        let at = x.as_ptr();
        // SAFETY: the reference vouches for sixteen readable u16.
        let halves =
            unsafe { [vld1_u16(at), vld1_u16(at.add(4)), vld1_u16(at.add(8)), vld1_u16(at.add(12))] };
        halves.map(|x| op!(vcvt_f32_f16(vreinterpret_f16_u16(x))))
    }

    #[inline(always)]
    fn load_bf16(self, x: &[u16; LANES]) -> Floats {
        let at = x.as_ptr();
        // SAFETY: the reference vouches for sixteen readable u16.
        let halves =
            unsafe { [vld1_u16(at), vld1_u16(at.add(4)), vld1_u16(at.add(8)), vld1_u16(at.add(12))] };
        halves.map(|x| op!(vreinterpretq_f32_u32(vshll_n_u16::<16>(x))))
    }

    #[inline(always)]
    fn splat_bits(self, x: u32) -> Words {
        [op!(vdupq_n_u32(x)); 4]
    }

    #[inline(always)]
    fn load_bits(self, x: &[u32; LANES]) -> Words {
        let at = x.as_ptr();
        // SAFETY: the reference vouches for sixteen readable u32.
        unsafe { [vld1q_u32(at), vld1q_u32(at.add(4)), vld1q_u32(at.add(8)), vld1q_u32(at.add(12))] }
    }

    #[inline(always)]
    fn load_bytes(self, x: &[i8; 4 * LANES]) -> Words {
        let at = x.as_ptr();
        // SAFETY: the reference vouches for 64 readable bytes.
        let bytes =
            unsafe { [vld1q_s8(at), vld1q_s8(at.add(16)), vld1q_s8(at.add(32)), vld1q_s8(at.add(48))] };
        bytes.map(|x| op!(vreinterpretq_u32_s8(x)))
    }

    #[inline(always)]
    fn flip_signs(self, x: Words) -> Words {
        x.map(|x| op!(veorq_u32(x, vdupq_n_u32(0x8080_8080))))
    }

    #[inline(always)]
    fn as_f32(self, x: Words) -> Floats {
        x.map(|x| op!(vreinterpretq_f32_u32(x)))
    }

    #[inline(always)]
    fn as_bits(self, x: Floats) -> Words {
        x.map(|x| op!(vreinterpretq_u32_f32(x)))
    }

    #[inline(always)]
    fn bits(self, x: Words) -> [u32; LANES] {
        let mut bits = [0; LANES];
        for (to, x) in bits.as_chunks_mut::<4>().0.iter_mut().zip(x) {
            // SAFETY: the chunk has four writable u32.
            unsafe { vst1q_u32(to.as_mut_ptr(), x) };
        }
        bits
    }

    #[inline(always)]
    fn add_bits(self, a: Words, b: Words) -> Words {
        each(a, b, |a, b| op!(vaddq_u32(a, b)))
    }

    #[inline(always)]
    fn to_f32(self, x: Words) -> Floats {
        x.map(|x| op!(vcvtq_f32_s32(vreinterpretq_s32_u32(x))))
    }

    #[inline(always)]
    fn transpose4(self, [a, b, c, d]: [Words; 4]) -> [Words; 4] {
        let quarter = |i: usize| {
            op!({
                let pair =
                    |x, y| (vreinterpretq_u64_u32(vtrn1q_u32(x, y)), vreinterpretq_u64_u32(vtrn2q_u32(x, y)));
                let ((ab_even, ab_odd), (cd_even, cd_odd)) = (pair(a[i], b[i]), pair(c[i], d[i]));
                [
                    vtrn1q_u64(ab_even, cd_even),
                    vtrn1q_u64(ab_odd, cd_odd),
                    vtrn2q_u64(ab_even, cd_even),
                    vtrn2q_u64(ab_odd, cd_odd),
                ]
                .map(|column| vreinterpretq_u32_u64(column))
            })
        };
        let quarters = [quarter(0), quarter(1), quarter(2), quarter(3)];
        [0, 1, 2, 3].map(|j| quarters.map(|columns| columns[j]))
    }

    #[inline(always)]
    fn splat_f64(self, x: f64) -> Self::D {
        [op!(vdupq_n_f64(x)); 4]
    }

    #[inline(always)]
    fn load_f64(self, x: &[f64; F64_LANES]) -> Self::D {
        let at = x.as_ptr();
        // SAFETY: the reference vouches for eight readable f64.
        unsafe { [vld1q_f64(at), vld1q_f64(at.add(2)), vld1q_f64(at.add(4)), vld1q_f64(at.add(6))] }
    }

    #[inline(always)]
    fn store_f64(self, x: Self::D, to: &mut [f64; F64_LANES]) {
        for (to, x) in to.as_chunks_mut::<2>().0.iter_mut().zip(x) {
            // SAFETY: the chunk has two writable f64.
            unsafe { vst1q_f64(to.as_mut_ptr(), x) };
        }
    }

    #[inline(always)]
    fn mul_then_add_f64(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D {
        each(each(a, b, |a, b| op!(vmulq_f64(a, b))), c, |product, c| op!(vaddq_f64(product, c)))
    }

    #[inline(always)]
    fn prefetch(self, _: *const f32) {}

    #[inline(always)]
    fn to_bf16(self, low: Floats, high: Floats) -> Words {
        // The odd halves of two registers are the high halves of their lanes, in order.
        let pack = |low, high| {
            let [low, high] = [low, high].map(|x| op!(vreinterpretq_u16_u32(round_bf16(x))));
            op!(vreinterpretq_u32_u16(vuzp2q_u16(low, high)))
        };
        [pack(low[0], low[1]), pack(low[2], low[3]), pack(high[0], high[1]), pack(high[2], high[3])]
    }

    #[inline(always)]
    fn zip_bf16(self, even: Floats, odd: Floats) -> Words {
        // The high half of `even` moves below that of `odd`.
        each(even, odd, |even, odd| op!(vsriq_n_u32::<16>(round_bf16(odd), round_bf16(even))))
    }

    #[inline(always)]
    fn to_bytes(self, x: [Floats; 4]) -> Words {
        x.map(|x| {
            // Each step keeps what is too large or too small at the end of its range.
            let [a, b, c, d] = x.map(|x| op!(vqmovn_u32(vcvtq_u32_f32(x))));
            op!({
                let (low, high) = (vqmovn_u16(vcombine_u16(a, b)), vqmovn_u16(vcombine_u16(c, d)));
                vreinterpretq_u32_u8(vcombine_u8(low, high))
            })
        })
    }

    #[inline(always)]
    fn dot_bf16(self, sum: Floats, a: Words, b: Words) -> Floats {
        if BF16 {
            let mut out = sum;
            for i in 0..4 {
                // SAFETY: the token vouches for the CPU, `BF16` for this feature.
                out[i] = unsafe { bfmlal(sum[i], a[i], b[i]) };
            }
            return out;
        }
        let ([a_high, a_low], [b_high, b_low]) = (self.unfold_bf16(a), self.unfold_bf16(b));
        let [a_high, a_low, b_high, b_low] = [a_high, a_low, b_high, b_low].map(|x| self.as_f32(x));
        self.mul_add(a_low, b_low, self.mul_add(a_high, b_high, sum))
    }

    #[inline(always)]
    fn dot_bytes(self, sum: Words, a: Words, b: Words) -> Words {
        let mut out = sum;
        for i in 0..4 {
            let (sum, a, b) =
                op!((vreinterpretq_s32_u32(sum[i]), vreinterpretq_s8_u32(a[i]), vreinterpretq_s8_u32(b[i])));
            let sum = if DOT {
                // SAFETY: the token vouches for the CPU, `DOT` for this feature.
                unsafe { sdot(sum, a, b) }
            } else {
                // Without -128 in `b`, two products fit into 16 bits: 2 * 128 * 127 < 2^15.
                op!({
                    let low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
                    let pairs = vpaddq_s16(low, vmull_high_s8(a, b));
                    vpadalq_s16(sum, pairs)
                })
            };
            out[i] = op!(vreinterpretq_u32_s32(sum));
        }
        out
    }

    #[inline(always)]
    fn unfold_bf16(self, x: Words) -> [Words; 2] {
        [x.map(|x| op!(vandq_u32(x, vdupq_n_u32(0xffff_0000)))), x.map(|x| op!(vshlq_n_u32::<16>(x)))]
    }
}
