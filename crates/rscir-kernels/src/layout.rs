//! Memory as the kernels like it: lines of sixteen words, views of them as other types, and reused buffers.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use crate::simd::LANES;

/// Sixteen words of 32 bits, on a cache line of their own.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Line(pub(crate) [u32; LANES]);

impl Line {
    pub(crate) const ZERO: Self = Self([0; LANES]);

    /// The words as f32.
    #[inline(always)]
    pub(crate) fn floats(&self) -> &[f32; LANES] {
        // SAFETY: f32 is as large and aligned as u32, and any bits will do for it.
        unsafe { &*self.0.as_ptr().cast() }
    }

    /// The words as f32.
    #[inline(always)]
    pub(crate) fn floats_mut(&mut self) -> &mut [f32; LANES] {
        // SAFETY: as for `floats`, and for u32.
        unsafe { &mut *self.0.as_mut_ptr().cast() }
    }
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

/// The words of lines one after another, as four i8 each.
pub(crate) fn small(lines: &[Line]) -> &[i8] {
    // SAFETY: a line is 64 bytes without padding, of which any will do for i8.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), 4 * LANES * lines.len()) }
}

/// The words of lines one after another, as four i8 each.
pub(crate) fn small_mut(lines: &mut [Line]) -> &mut [i8] {
    // SAFETY: as for `small`.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), 4 * LANES * lines.len()) }
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

/// Writes the `p`th elements of four rows of one length together to `p * stride`.
#[inline(always)]
pub(crate) fn interleave<T: Copy>([a, b, c, d]: [&[T]; 4], to: &mut [T], stride: usize) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let ((c, c_rest), (d, d_rest)) = (c.as_chunks::<4>(), d.as_chunks::<4>());
    let mut at = 0;
    for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
        // Read whole before the first is written, so that compilers transpose in registers.
        let columns = [
            [a[0], b[0], c[0], d[0]],
            [a[1], b[1], c[1], d[1]],
            [a[2], b[2], c[2], d[2]],
            [a[3], b[3], c[3], d[3]],
        ];
        for column in &columns {
            to[at..at + 4].copy_from_slice(column);
            at += stride;
        }
    }
    for i in 0..a_rest.len() {
        to[at..at + 4].copy_from_slice(&[a_rest[i], b_rest[i], c_rest[i], d_rest[i]]);
        at += stride;
    }
}
