//! What tasks of one product share: the output they write disjoint parts of.

use std::marker::PhantomData;

/// A row-major output of which several tasks write disjoint parts.
pub(crate) struct SharedOut<'a, T = f32> {
    start: *mut T,
    m: usize,
    n: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: it is an exclusive borrow of what may move between threads; shared access is through `slice`,
// whose callers keep their parts disjoint.
unsafe impl<T: Send> Send for SharedOut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedOut<'_, T> {}

impl<'a, T> SharedOut<'a, T> {
    /// # Panics
    /// If `out` has not `m * n` elements.
    pub(crate) fn new(out: &'a mut [T], m: usize, n: usize) -> Self {
        assert_eq!(out.len(), m * n, "out has m x n elements");
        Self { start: out.as_mut_ptr(), m, n, borrow: PhantomData }
    }

    /// `len` elements of a row.
    ///
    /// # Safety
    /// No element may be in two slices alive at once.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "callers keep their slices disjoint")]
    pub(crate) unsafe fn slice(&self, row: usize, column: usize, len: usize) -> &mut [T] {
        debug_assert!(row < self.m && column + len <= self.n);
        // SAFETY: the range lies inside the borrowed output, and the caller keeps it from others.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.n + column), len) }
    }
}
