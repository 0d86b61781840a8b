//! Memory for the kernels: lines of sixteen words, views of them as other types, and reused buffers.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use crate::simd::LANES;

/// Sixteen words of 32 bits, aligned to a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Line(pub(crate) [u32; LANES]);

impl Line {
    pub(crate) const ZERO: Self = Self([0; LANES]);

    /// Returns the words as f32.
    #[inline(always)]
    pub(crate) fn floats(&self) -> &[f32; LANES] {
        // SAFETY: f32 has the size and alignment of u32, and all bits are valid for it.
        unsafe { &*self.0.as_ptr().cast() }
    }

    /// Returns the words as f32.
    #[inline(always)]
    pub(crate) fn floats_mut(&mut self) -> &mut [f32; LANES] {
        // SAFETY: as for `floats`; all bits of an f32 are valid for u32, too.
        unsafe { &mut *self.0.as_mut_ptr().cast() }
    }
}

/// Returns the words of all lines, in order, as f32.
pub(crate) fn floats(lines: &[Line]) -> &[f32] {
    // SAFETY: a line is sixteen words of 32 bits without padding, and all bits are valid for f32.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LANES) }
}

/// Returns the words of all lines, in order, as f32.
pub(crate) fn floats_mut(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: as for `floats`.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LANES) }
}

/// Returns the words of all lines, in order.
pub(crate) fn words(lines: &[Line]) -> &[u32] {
    // SAFETY: a line is sixteen u32 without padding.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LANES) }
}

/// Returns the words of all lines, in order.
pub(crate) fn words_mut(lines: &mut [Line]) -> &mut [u32] {
    // SAFETY: as for `words`.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LANES) }
}

/// Returns the bytes of a core's second-level cache, as the CPU says, or half a MiB if it does not.
pub(crate) fn second_level_cache() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| said_second_level_cache().unwrap_or(512 << 10).clamp(256 << 10, 4 << 20))
}

/// Asks the CPU for the size of its second-level cache: leaf 4 of CPUID, which AMD has as 0x8000001D (Intel, *Software
/// Developer's Manual*, volume 2A; AMD, *Architecture Programmer's Manual*, volume 3).
#[cfg(target_arch = "x86_64")]
fn said_second_level_cache() -> Option<usize> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    let caches = |leaf| (0..8).map(move |i| __cpuid_count(leaf, i));
    let leaves = [(0, 4), (0x8000_0000_u32, 0x8000_001d)];
    leaves.into_iter().filter(|&(first, leaf)| __cpuid(first).eax >= leaf).find_map(|(_, leaf)| {
        // The low five bits are the kind, 0 for no more caches; the next three the level.
        let second =
            caches(leaf).take_while(|cache| cache.eax & 31 != 0).find(|cache| cache.eax >> 5 & 7 == 2)?;
        let part = |low: u32, bits: u32| (second.ebx >> low & ((1 << bits) - 1)) as usize + 1;
        Some(part(0, 12) * part(12, 10) * part(22, 10) * (second.ecx as usize + 1))
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn said_second_level_cache() -> Option<usize> {
    None
}

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of lines with arbitrary content, borrowed from its thread.
///
/// Buffers are kept from call to call, so that packing touches no fresh pages. A thread may lend several at
/// once, because it may run another task while the borrower waits for its own.
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
