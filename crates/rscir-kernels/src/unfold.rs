//! Words of several numbers that are taken apart before they are multiplied.
//!
//! On a CPU without an instruction that multiplies the two bf16 or the four bytes of a lane, each product
//! would take its operands apart again, twelve times in a tile. So a panel of weights is taken apart once,
//! into a buffer in the cache, and the rows are taken apart while they are packed: a word of two bf16 becomes
//! two f32, a word of four bytes becomes two pairs of 16-bit numbers. The sums are the same as those of
//! packed words, bit for bit.

use std::marker::PhantomData;

use crate::pack::Conversion;
use crate::simd::Simd;
use crate::tile::{Bf16, Product};

/// A product of words that can be taken apart.
pub(crate) trait Unfold: Product {
    /// Returns the two words that a word of weights becomes.
    fn weights<S: Simd>(simd: S, word: S::I) -> [S::I; 2];
    /// Multiplies the numbers of two words that were taken apart, and adds the products up.
    fn add_part<S: Simd>(simd: S, sum: Self::Sum<S>, x: S::I, y: S::I) -> Self::Sum<S>;
}

/// A conversion to words that can be taken apart.
pub(crate) trait UnfoldRows: Conversion {
    /// Returns the two words that a word of a row becomes.
    fn rows<S: Simd>(simd: S, word: S::I) -> [S::I; 2];
}

/// The words of `T`, taken apart.
pub(crate) struct Parts<T>(PhantomData<T>);

impl<P: Unfold> Product for Parts<P> {
    type Sum<S: Simd> = P::Sum<S>;

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> P::Sum<S> {
        P::zero(simd)
    }

    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: P::Sum<S>, x: S::I, y: S::I) -> P::Sum<S> {
        P::add_part(simd, sum, x, y)
    }
}

impl<C: UnfoldRows> Conversion for Parts<C> {
    const GROUP: usize = C::GROUP;
    type Row = C::Row;

    #[inline(always)]
    fn measure(x: &[f32]) -> C::Row {
        C::measure(x)
    }

    const WORDS: usize = 2;

    #[inline(always)]
    fn groups<S: Simd>(simd: S, x: &[f32], row: &C::Row) -> S::I {
        C::groups(simd, x, row)
    }

    #[inline(always)]
    fn words<S: Simd>(simd: S, groups: S::I) -> [S::I; 2] {
        C::rows(simd, groups)
    }
}

impl Unfold for Bf16 {
    #[inline(always)]
    fn weights<S: Simd>(simd: S, word: S::I) -> [S::I; 2] {
        simd.unfold_bf16(word)
    }

    #[inline(always)]
    fn add_part<S: Simd>(simd: S, sum: S::F, x: S::I, y: S::I) -> S::F {
        simd.mul_add(simd.as_f32(x), simd.as_f32(y), sum)
    }
}

impl UnfoldRows for Bf16 {
    #[inline(always)]
    fn rows<S: Simd>(simd: S, word: S::I) -> [S::I; 2] {
        simd.unfold_bf16(word)
    }
}
