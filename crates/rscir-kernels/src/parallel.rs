//! The output of a product, to which tasks write disjoint parts.

use std::marker::PhantomData;

/// A row-major output of which several tasks write disjoint parts.
pub(crate) struct SharedOut<'a> {
    start: *mut f32,
    m: usize,
    n: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is an exclusive borrow of data that may move between threads. Shared access is through `slice`,
// whose callers keep their parts disjoint.
unsafe impl Send for SharedOut<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedOut<'_> {}

impl<'a> SharedOut<'a> {
    /// Shares `out`, which is `[m, n]`.
    ///
    /// # Panics
    /// Panics if `out` does not have `m * n` elements.
    pub(crate) fn new(out: &'a mut [f32], m: usize, n: usize) -> Self {
        assert_eq!(out.len(), m * n, "out has m x n elements");
        Self { start: out.as_mut_ptr(), m, n, borrow: PhantomData }
    }

    /// Returns `len` elements of row `row`, from `column`.
    ///
    /// # Safety
    /// No element may be in two slices that are alive at once.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "callers keep their slices disjoint")]
    pub(crate) unsafe fn slice(&self, row: usize, column: usize, len: usize) -> &mut [f32] {
        debug_assert!(row < self.m && column + len <= self.n);
        // SAFETY: the range lies inside the borrowed output, and the caller keeps it from other tasks.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.n + column), len) }
    }
}
