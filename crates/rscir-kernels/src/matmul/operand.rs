//! What may stand in the rows of `b`, and how it is multiplied with what then stands in those of `a`.

use half::{bf16, f16};

use crate::layout::{Line, floats, floats_mut, small, small_mut};
use crate::simd::{LANES, Simd};

/// An element of `b` in [`matmul_nt`](crate::matmul_nt): `f32`, `f16` or `bf16`.
#[expect(private_bounds, reason = "sealed: the kernels know these three")]
pub trait Element: Operand<Query = f32, Out = f32> {}

impl Element for f32 {}
impl Element for f16 {}
impl Element for bf16 {}

/// What lines can be seen as.
pub(crate) trait OnLines: Copy + Default + Send + Sync {
    fn on(lines: &[Line]) -> &[Self];
    fn on_mut(lines: &mut [Line]) -> &mut [Self];
}

impl OnLines for f32 {
    #[inline(always)]
    fn on(lines: &[Line]) -> &[Self] {
        floats(lines)
    }

    #[inline(always)]
    fn on_mut(lines: &mut [Line]) -> &mut [Self] {
        floats_mut(lines)
    }
}

impl OnLines for i8 {
    #[inline(always)]
    fn on(lines: &[Line]) -> &[Self] {
        small(lines)
    }

    #[inline(always)]
    fn on_mut(lines: &mut [Line]) -> &mut [Self] {
        small_mut(lines)
    }
}

/// An element of `b`.
pub(crate) trait Operand: Copy + Send + Sync + 'static {
    /// An element of `a`.
    type Query: OnLines;
    /// An element of the product.
    type Out: Copy + Default + Send;
    /// What it is when a group of rows is copied.
    type Copied: Operand<Query = Self::Query, Out = Self::Out, Start = Self::Start> + OnLines;
    /// What the sums with a row of `a` start from.
    type Start: Copy + Default + Send + Sync;
    /// The elements of a step, and sixteen sums.
    type Vector<S: Simd>: Copy;

    /// Elements of a step along `k`: as many of `a` as fill a cache line.
    const STEP: usize;
    /// Whether copying widens it.
    const WIDENED: bool;
    /// Whether it needs [`Simd::dot_u8_i8`].
    const DOT_PRODUCTS: bool;

    fn start(a: &[Self::Query]) -> Self::Start;
    fn copy<S: Simd>(simd: S, from: &[Self], to: &mut [Self::Copied]);

    fn sums<S: Simd>(simd: S, start: Self::Start) -> Self::Vector<S>;
    /// # Safety
    /// There must be [`Operand::STEP`] elements at `at`.
    unsafe fn load_query<S: Simd>(simd: S, at: *const Self::Query) -> Self::Vector<S>;
    /// # Safety
    /// There must be [`Operand::STEP`] elements at `at`.
    unsafe fn load<S: Simd>(simd: S, at: *const Self) -> Self::Vector<S>;
    fn add<S: Simd>(
        simd: S,
        sums: Self::Vector<S>,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
    ) -> Self::Vector<S>;
    fn total<S: Simd>(simd: S, sums: Self::Vector<S>) -> Self::Out;
    fn totals<S: Simd>(simd: S, sums: [Self::Vector<S>; 4]) -> [Self::Out; 4];
}

macro_rules! float {
    ($type:ty, widened: $widened:literal, |$simd:ident, $at:ident| $load:expr, $widen:expr) => {
        impl Operand for $type {
            type Query = f32;
            type Out = f32;
            type Copied = f32;
            type Start = ();
            type Vector<S: Simd> = S::F;

            const STEP: usize = LANES;
            const WIDENED: bool = $widened;
            const DOT_PRODUCTS: bool = false;

            #[inline(always)]
            fn start(_: &[f32]) {}

            #[inline(always)]
            fn copy<S: Simd>(simd: S, from: &[Self], to: &mut [f32]) {
                let (from, rest) = from.as_chunks::<LANES>();
                let (to, to_rest) = to.as_chunks_mut::<LANES>();
                for (from, to) in from.iter().zip(to) {
                    // SAFETY: the chunk has as many elements as a step.
                    simd.store(unsafe { Self::load(simd, from.as_ptr()) }, to);
                }
                for (from, to) in rest.iter().zip(to_rest) {
                    *to = $widen(*from);
                }
            }

            #[inline(always)]
            fn sums<S: Simd>(simd: S, (): ()) -> S::F {
                simd.splat(0.0)
            }

            #[inline(always)]
            unsafe fn load_query<S: Simd>(simd: S, at: *const f32) -> S::F {
                // SAFETY: the caller vouches for sixteen elements.
                simd.load(unsafe { &*at.cast() })
            }

            #[inline(always)]
            unsafe fn load<S: Simd>($simd: S, at: *const Self) -> S::F {
                // SAFETY: the caller vouches for sixteen elements; the narrow types are a u16 each.
                let $at = unsafe { &*at.cast() };
                $load
            }

            #[inline(always)]
            fn add<S: Simd>(simd: S, sums: S::F, a: S::F, b: S::F) -> S::F {
                simd.mul_add(a, b, sums)
            }

            #[inline(always)]
            fn total<S: Simd>(simd: S, sums: S::F) -> f32 {
                simd.sum(sums)
            }

            #[inline(always)]
            fn totals<S: Simd>(simd: S, sums: [S::F; 4]) -> [f32; 4] {
                simd.sum4(sums)
            }
        }
    };
}

float!(f32, widened: false, |simd, at| simd.load(at), |x: f32| x);
float!(f16, widened: true, |simd, at| simd.load_f16(at), f16::to_f32);
float!(bf16, widened: true, |simd, at| simd.load_bf16(at), bf16::to_f32);

impl Operand for i8 {
    type Query = i8;
    type Out = i32;
    type Copied = i8;
    type Start = i32;
    type Vector<S: Simd> = S::I;

    const STEP: usize = 4 * LANES;
    const WIDENED: bool = false;
    const DOT_PRODUCTS: bool = true;

    /// The instruction wants unsigned bytes on one side: elements of `b` have 128 added, which the sixteen sums start
    /// without.
    #[inline(always)]
    fn start(a: &[i8]) -> i32 {
        -(128 / LANES as i32) * a.iter().map(|&a| i32::from(a)).sum::<i32>()
    }

    #[inline(always)]
    fn copy<S: Simd>(_: S, from: &[i8], to: &mut [i8]) {
        to.copy_from_slice(from);
    }

    #[inline(always)]
    fn sums<S: Simd>(simd: S, start: i32) -> S::I {
        simd.splat_bits(start as u32)
    }

    #[inline(always)]
    unsafe fn load_query<S: Simd>(simd: S, at: *const i8) -> S::I {
        // SAFETY: the caller vouches for 64 elements.
        simd.load_bytes(unsafe { &*at.cast() })
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, at: *const i8) -> S::I {
        // SAFETY: the caller vouches for 64 elements.
        simd.flip_signs(simd.load_bytes(unsafe { &*at.cast() }))
    }

    #[inline(always)]
    fn add<S: Simd>(simd: S, sums: S::I, a: S::I, b: S::I) -> S::I {
        simd.dot_u8_i8(sums, b, a)
    }

    #[inline(always)]
    fn total<S: Simd>(simd: S, sums: S::I) -> i32 {
        simd.sum_i32(sums)
    }

    #[inline(always)]
    fn totals<S: Simd>(simd: S, sums: [S::I; 4]) -> [i32; 4] {
        simd.sum4_i32(sums)
    }
}
