//! The element types of `b`.

use half::{bf16, f16};

use crate::simd::{LANES, Simd};

/// An element of `b` in [`matmul_nt`](crate::matmul_nt): `f32`, `f16` or `bf16`.
#[expect(private_bounds, reason = "sealed: the kernels know these three")]
pub trait Element: Operand {}

impl Element for f32 {}
impl Element for f16 {}
impl Element for bf16 {}

/// An element type that can be read as f32.
pub(crate) trait Operand: Copy + Send + Sync + 'static {
    /// Tells whether copying widens the element.
    const WIDENED: bool;

    /// Loads sixteen elements as f32.
    ///
    /// # Safety
    /// There must be sixteen elements at `at`.
    unsafe fn load<S: Simd>(simd: S, at: *const Self) -> S::F;
    fn widen(self) -> f32;

    /// Copies a row and widens it.
    #[inline(always)]
    fn copy<S: Simd>(simd: S, from: &[Self], to: &mut [f32]) {
        let (from, rest) = from.as_chunks::<LANES>();
        let (to, to_rest) = to.as_chunks_mut::<LANES>();
        for (from, to) in from.iter().zip(to) {
            // SAFETY: the chunk has sixteen elements.
            simd.store(unsafe { Self::load(simd, from.as_ptr()) }, to);
        }
        for (from, to) in rest.iter().zip(to_rest) {
            *to = from.widen();
        }
    }
}

macro_rules! float {
    ($type:ty, widened: $widened:literal, |$simd:ident, $at:ident| $load:expr, $widen:expr) => {
        impl Operand for $type {
            const WIDENED: bool = $widened;

            #[inline(always)]
            unsafe fn load<S: Simd>($simd: S, at: *const Self) -> S::F {
                // SAFETY: the caller vouches for sixteen elements; the 16-bit types are a u16 each.
                let $at = unsafe { &*at.cast() };
                $load
            }

            #[inline(always)]
            fn widen(self) -> f32 {
                $widen(self)
            }
        }
    };
}

float!(f32, widened: false, |simd, at| simd.load(at), |x: f32| x);
float!(f16, widened: true, |simd, at| simd.load_f16(at), f16::to_f32);
float!(bf16, widened: true, |simd, at| simd.load_bf16(at), bf16::to_f32);
