//! What tasks of one product share: the output they write disjoint parts of.

use std::marker::PhantomData;

/// A row-major output of which several tasks write disjoint parts.
pub(crate) struct SharedOut<'a> {
    start: *mut f32,
    m: usize,
    n: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is an exclusive borrow of what may move between threads; shared access is through `slice`,
// whose callers keep their parts disjoint.
unsafe impl Send for SharedOut<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedOut<'_> {}

impl<'a> SharedOut<'a> {
    /// # Panics
    /// If `out` has not `m * n` elements.
    pub(crate) fn new(out: &'a mut [f32], m: usize, n: usize) -> Self {
        assert_eq!(out.len(), m * n, "out has m x n elements");
        Self { start: out.as_mut_ptr(), m, n, borrow: PhantomData }
    }

    /// `len` elements of a row.
    ///
    /// # Safety
    /// No element may be in two slices alive at once.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "callers keep their slices disjoint")]
    pub(crate) unsafe fn slice(&self, row: usize, column: usize, len: usize) -> &mut [f32] {
        debug_assert!(row < self.m && column + len <= self.n);
        // SAFETY: the range lies inside the borrowed output, and the caller keeps it from others.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.n + column), len) }
    }
}
