//! A file mapped into memory. This is the only module of the crate with `unsafe`.

use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, Range};

use memmap2::{Mmap, MmapOptions};

use super::Pages;

/// The bytes of a file, mapped or in memory. Their address is a multiple of 8.
#[derive(Debug)]
pub struct Bytes(Inner);

#[derive(Debug)]
enum Inner {
    Mapped(Mmap),
    Owned(Pages),
}

impl Bytes {
    /// Reads a file into memory. The file must be positioned at its beginning.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the file shrinks meanwhile; other errors of the file system.
    pub fn read(file: &mut File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Self::read_len(file, len)
    }

    /// Reads `len` bytes of a file into memory.
    pub(super) fn read_len(file: &mut File, len: u64) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut pages = Pages::zeroed(len);
        file.read_exact(&mut pages)?;
        Ok(Self(Inner::Owned(pages)))
    }

    /// Maps `len` bytes of a file, which nobody may change.
    ///
    /// # Errors
    /// The errors of the operating system.
    #[allow(unsafe_code)]
    pub(super) fn map(file: &File, len: u64) -> io::Result<Self> {
        if len == 0 {
            return Ok(Self::from(&[][..])); // Some systems refuse an empty mapping.
        }
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // SAFETY: the bytes must not change while they are mapped. Files of an archive are written under a temporary
        // name, renamed once they are whole, and never opened for writing again: they are replaced or removed by
        // name, which leaves a mapped file as it is. Another program that writes into a segment breaks this as it
        // would break any mapped file; docs/format.md says so. `Bytes::read` does without a mapping.
        let map = unsafe { MmapOptions::new().len(len).map(file)? };
        Ok(Self(Inner::Mapped(map)))
    }

    /// Tells the system that it may free the memory of a mapped file's pages; pages that are used again are read
    /// again. Does nothing to bytes in memory.
    #[allow(unsafe_code)]
    pub(crate) fn release(&self) {
        #[cfg(unix)]
        if let Inner::Mapped(map) = &self.0 {
            // SAFETY: the call loses what was written to the pages. This map is read-only, so nothing was
            // written, and the pages of its file, which does not change, are read again as they were. After an
            // error they stay in memory, so it is ignored.
            let _ = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        }
    }
}

/// The way in which bytes of a mapped file will be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Here and there, so that the bytes around them are not fetched.
    Scattered,
    /// From first to last.
    InOrder,
    /// All of them soon, so that the system begins to fetch them.
    Soon,
}

impl Bytes {
    /// Tells the system how some of the bytes will be read. Does nothing to bytes in memory.
    pub(crate) fn expect(&self, reading: Reading, range: Range<usize>) {
        #[cfg(unix)]
        if let Inner::Mapped(map) = &self.0 {
            let advice = match reading {
                Reading::Scattered => memmap2::Advice::Random,
                Reading::InOrder => memmap2::Advice::Sequential,
                Reading::Soon => memmap2::Advice::WillNeed,
            };
            // If the system refuses the advice, reading is only slower.
            let _ = map.advise_range(advice, range.start, range.len());
        }
        #[cfg(not(unix))]
        let _ = (reading, range);
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        let mut pages = Pages::zeroed(bytes.len());
        pages.copy_from_slice(bytes);
        Self(Inner::Owned(pages))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Inner::Mapped(map) => map,
            Inner::Owned(pages) => pages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};

    #[test]
    fn mapped_and_read_bytes_are_equal() {
        let mut file = tempfile::tempfile().unwrap();
        for len in [0usize, 1, 7, 8, 5000] {
            file.set_len(0).unwrap();
            file.rewind().unwrap();
            let content: Vec<u8> = (0..len).map(|i| (i * 31) as u8).collect();
            file.write_all(&content).unwrap();
            file.rewind().unwrap();
            assert_eq!(*Bytes::read(&mut file).unwrap(), *content);
            let mapped = Bytes::map(&file, len as u64).unwrap();
            assert_eq!(*mapped, *content);
            mapped.release();
            for reading in [Reading::Scattered, Reading::InOrder, Reading::Soon] {
                mapped.expect(reading, len / 3..len);
                assert_eq!(*mapped, *content);
            }
            assert_eq!(*Bytes::from(&content[..]), *content);
        }
    }
}
