use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// Bytes of a huge page on x86-64 and most other systems. The allocator provides memory of less than two of them.
const HUGE_PAGE: usize = 2 << 20;

/// Zeroed memory whose address is a multiple of 8. Large memory begins at a page of its own and lies in huge
/// pages if the system has them: a scan reads at the speed of the memory, and looking up small pages makes it
/// slower by a fifth.
#[derive(Debug)]
pub(crate) struct Pages {
    memory: Memory,
    len: usize,
}

#[derive(Debug)]
enum Memory {
    Mapped(MmapMut),
    Allocated(Vec<u64>),
}

impl Pages {
    /// Allocates `len` bytes.
    pub(crate) fn zeroed(len: usize) -> Self {
        let mapped = if len < 2 * HUGE_PAGE { None } else { MmapMut::map_anon(len).ok() };
        let memory = mapped.map_or_else(|| Memory::Allocated(vec![0; len.div_ceil(8)]), Memory::Mapped);
        #[cfg(target_os = "linux")]
        if let Memory::Mapped(map) = &memory {
            // If the system refuses, the memory lies in small pages.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Self { memory, len }
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.memory {
            Memory::Mapped(map) => map,
            Memory::Allocated(words) => &bytemuck::cast_slice(words)[..self.len],
        }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Mapped(map) => map,
            Memory::Allocated(words) => &mut bytemuck::cast_slice_mut(words)[..self.len],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_and_aligned_whatever_its_size() {
        for len in [0, 1, 9, 2 * HUGE_PAGE - 1, 2 * HUGE_PAGE, 3 * HUGE_PAGE + 5] {
            let mut pages = Pages::zeroed(len);
            assert_eq!(pages.len(), len);
            assert!(pages.iter().all(|&byte| byte == 0) && pages.as_ptr().addr().is_multiple_of(8));
            pages.fill(7);
            assert!(pages.iter().all(|&byte| byte == 7));
        }
    }
}
