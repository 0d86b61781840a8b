//! What tasks of one product share: the output they write disjoint parts of, and a buffer for each thread.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::simd::LANES;

/// A row-major output of which several tasks write disjoint parts.
pub(crate) struct SharedOut<'a> {
    start: *mut f32,
    m: usize,
    n: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is an exclusive borrow of f32, which may move between threads; shared access is through `slice`,
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

/// Sixteen words of 32 bits, on a cache line of their own.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Line(pub(crate) [u32; LANES]);

impl Line {
    pub(crate) const ZERO: Self = Self([0; LANES]);
}

/// The words of lines one after another, as f32.
pub(crate) fn floats(lines: &[Line]) -> &[f32] {
    // SAFETY: a line is sixteen times 32 bits without padding, of which any will do for f32.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LANES) }
}

/// The words of lines one after another, as f32.
pub(crate) fn floats_mut(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: as for `floats`.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LANES) }
}

/// The words of lines one after another.
pub(crate) fn words(lines: &[Line]) -> &[u32] {
    // SAFETY: a line is sixteen u32 without padding.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LANES) }
}

/// The words of lines one after another.
pub(crate) fn words_mut(lines: &mut [Line]) -> &mut [u32] {
    // SAFETY: as for `words`.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LANES) }
}

/// The halves of words, in the order of memory.
pub(crate) fn halves_mut(words: &mut [u32]) -> &mut [u16] {
    // SAFETY: u16 is aligned more loosely than u32, and any bits will do for either.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), 2 * words.len()) }
}

/// The bytes of words, in the order of memory.
pub(crate) fn bytes_mut(words: &mut [u32]) -> &mut [u8] {
    // SAFETY: u8 is aligned more loosely than u32, and any bits will do for either.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), 4 * words.len()) }
}

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of lines, of whatever was left in them, borrowed from its thread.
///
/// Buffers are kept from call to call, so that packing touches no fresh pages. A thread may lend several at once:
/// it may run another task while the borrower waits for its own.
pub(crate) struct Lines {
    buffer: Vec<Line>,
    len: usize,
}

impl Lines {
    /// Borrows `len` lines.
    pub(crate) fn borrow(len: usize) -> Self {
        let mut buffer = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default();
        if buffer.len() < len {
            buffer.resize(len, Line::ZERO);
        }
        Self { buffer, len }
    }
}

impl Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        &self.buffer[..self.len]
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [Line] {
        &mut self.buffer[..self.len]
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        BUFFERS.with_borrow_mut(|buffers| buffers.push(buffer));
    }
}
