//! Arrays of sixteen lanes, which compilers turn into the vectors that the target has.

use super::{F64_LANES, LANES, Simd};

/// Plain Rust, without vector instructions of its own.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// Tells whether the target has fused multiply-adds. Without them, `mul_add` calls a function.
const FUSES: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

/// Computes `a * b + c` like a fused multiply-add. If the target lacks the instruction, the sum goes through
/// f64, in which the product is exact, and is rounded twice, which differs in one of 2^29 cases.
#[inline(always)]
fn mul_add(a: f32, b: f32, c: f32) -> f32 {
    if FUSES { a.mul_add(b, c) } else { (f64::from(a) * f64::from(b) + f64::from(c)) as f32 }
}

#[inline(always)]
fn zip(a: [f32; LANES], b: [f32; LANES], op: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    for i in 0..LANES {
        out[i] = op(a[i], b[i]);
    }
    out
}

impl Simd for Portable {
    const WIDE: bool = false;
    type F = [f32; LANES];
    type I = [u32; LANES];
    type D = [f64; F64_LANES];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Self::F {
        *x
    }

    #[inline(always)]
    fn load_partial(self, x: &[f32]) -> Self::F {
        let mut out = [0.0; LANES];
        out[..x.len()].copy_from_slice(x);
        out
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        *to = x;
    }

    #[inline(always)]
    fn store_partial(self, x: Self::F, to: &mut [f32]) {
        to.copy_from_slice(&x[..to.len()]);
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        let mut out = c;
        for i in 0..LANES {
            out[i] = mul_add(a[i], b[i], c[i]);
        }
        out
    }

    #[inline(always)]
    fn mul_add_f64(self, a: f64, b: f64, c: f64) -> f64 {
        if FUSES { a.mul_add(b, c) } else { a * b + c }
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn round(self, x: Self::F) -> Self::F {
        x.map(f32::round_ties_even)
    }

    #[inline(always)]
    fn exp2_integral(self, n: Self::F) -> Self::F {
        // Adding 1.5 * 2^23 leaves the integer in the low bits of the significand.
        n.map(|n| f32::from_bits(((n + 12_582_912.0).to_bits() << 23).wrapping_add(127 << 23)))
    }

    #[inline(always)]
    fn sum(self, mut x: Self::F) -> f32 {
        let mut half = LANES / 2;
        while half > 0 {
            for i in 0..half {
                x[i] += x[i + half];
            }
            half /= 2;
        }
        x[0]
    }

    #[inline(always)]
    fn load_f16(self, x: &[u16; LANES]) -> Self::F {
        x.map(|x| half::f16::from_bits(x).to_f32())
    }

    #[inline(always)]
    fn load_bf16(self, x: &[u16; LANES]) -> Self::F {
        x.map(|x| f32::from_bits(u32::from(x) << 16))
    }

    #[inline(always)]
    fn splat_bits(self, x: u32) -> Self::I {
        [x; LANES]
    }

    #[inline(always)]
    fn load_bits(self, x: &[u32; LANES]) -> Self::I {
        *x
    }

    #[inline(always)]
    fn load_bytes(self, x: &[i8; 4 * LANES]) -> Self::I {
        let mut out = [0; LANES];
        for (out, x) in out.iter_mut().zip(x.as_chunks::<4>().0) {
            *out = u32::from_le_bytes(x.map(|x| x as u8));
        }
        out
    }

    #[inline(always)]
    fn flip_signs(self, x: Self::I) -> Self::I {
        x.map(|x| x ^ 0x8080_8080)
    }

    #[inline(always)]
    fn as_f32(self, x: Self::I) -> Self::F {
        x.map(f32::from_bits)
    }

    #[inline(always)]
    fn as_bits(self, x: Self::F) -> Self::I {
        x.map(f32::to_bits)
    }

    #[inline(always)]
    fn bits(self, x: Self::I) -> [u32; LANES] {
        x
    }

    #[inline(always)]
    fn add_bits(self, a: Self::I, b: Self::I) -> Self::I {
        let mut out = a;
        for i in 0..LANES {
            out[i] = a[i].wrapping_add(b[i]);
        }
        out
    }

    #[inline(always)]
    fn to_f32(self, x: Self::I) -> Self::F {
        x.map(|x| x as i32 as f32)
    }

    #[inline(always)]
    fn splat_f64(self, x: f64) -> Self::D {
        [x; F64_LANES]
    }

    #[inline(always)]
    fn load_f64(self, x: &[f64; F64_LANES]) -> Self::D {
        *x
    }

    #[inline(always)]
    fn store_f64(self, x: Self::D, to: &mut [f64; F64_LANES]) {
        *to = x;
    }

    #[inline(always)]
    fn mul_then_add_f64(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D {
        let mut out = c;
        for i in 0..F64_LANES {
            out[i] += a[i] * b[i];
        }
        out
    }

    #[inline(always)]
    fn prefetch(self, _: *const f32) {}

    #[inline(always)]
    fn dot_bf16(self, sum: Self::F, a: Self::I, b: Self::I) -> Self::F {
        let high = |x: Self::I| x.map(|x| f32::from_bits(x & 0xffff_0000));
        let low = |x: Self::I| x.map(|x| f32::from_bits(x << 16));
        self.mul_add(low(a), low(b), self.mul_add(high(a), high(b), sum))
    }

    #[inline(always)]
    fn dot_bytes(self, mut sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        for i in 0..LANES {
            let (a, b) = (a[i].to_le_bytes(), b[i].to_le_bytes());
            for j in 0..4 {
                let product = i32::from(a[j]) * i32::from(b[j] as i8);
                sum[i] = sum[i].wrapping_add(product as u32);
            }
        }
        sum
    }
}
