//! Four NEON registers of four lanes.

use std::arch::aarch64::*;

use super::{F64_LANES, LANES, Portable, Simd};

/// NEON. Every 64-bit ARM CPU has it, so the token needs no proof.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

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

impl Simd for Neon {
    const WIDE: bool = false;
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
        self.load(&Portable.load_f16(x))
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
    fn dot_bf16(self, sum: Floats, a: Words, b: Words) -> Floats {
        let high = |x: Words| self.as_f32(x.map(|x| op!(vandq_u32(x, vdupq_n_u32(0xffff_0000)))));
        let low = |x: Words| self.as_f32(x.map(|x| op!(vshlq_n_u32::<16>(x))));
        self.mul_add(low(a), low(b), self.mul_add(high(a), high(b), sum))
    }

    #[inline(always)]
    fn dot_u8_i8(self, sum: Words, a: Words, b: Words) -> Words {
        let mut out = sum;
        for i in 0..4 {
            out[i] = op!({
                let (a, b) = (vreinterpretq_u8_u32(a[i]), vreinterpretq_s8_u32(b[i]));
                let a_low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(a)));
                let a_high = vreinterpretq_s16_u16(vmovl_high_u8(a));
                let (b_low, b_high) = (vmovl_s8(vget_low_s8(b)), vmovl_high_s8(b));
                // Each sum has the four products of a lane.
                let first = vmull_s16(vget_low_s16(a_low), vget_low_s16(b_low));
                let second = vmull_high_s16(a_low, b_low);
                let third = vmull_s16(vget_low_s16(a_high), vget_low_s16(b_high));
                let fourth = vmull_high_s16(a_high, b_high);
                let products = vpaddq_s32(vpaddq_s32(first, second), vpaddq_s32(third, fourth));
                vaddq_u32(sum[i], vreinterpretq_u32_s32(products))
            });
        }
        out
    }
}
