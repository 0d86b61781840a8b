use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rscir_core::files::open_regular;

use crate::Result;

/// Reads bytes at any position of a file, of memory or of a file on a server. Several threads may read at once.
pub trait ReadAt: Send + Sync + fmt::Debug {
    /// Returns the length in bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] for bytes beyond the end. Other kinds are errors of the source.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Receives the ranges of bytes that a window is about to read, in the order of the reads, so that a slow source
    /// can fetch adjacent ones by one request. The default implementation does nothing.
    ///
    /// The iterator looks up each range when it is asked for it, and may call [`read_at`](Self::read_at) to do so.
    fn announce(&self, ranges: &mut dyn Iterator<Item = Range<u64>>) {
        let _ = ranges;
    }
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let range = usize::try_from(offset).ok().and_then(|from| Some(from..from.checked_add(buffer.len())?));
        match range.and_then(|range| self.get(range)) {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, buffer)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }

    fn announce(&self, ranges: &mut dyn Iterator<Item = Range<u64>>) {
        (**self).announce(ranges);
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }

    fn announce(&self, ranges: &mut dyn Iterator<Item = Range<u64>>) {
        (**self).announce(ranges);
    }
}

/// A regular file that is open for reading at any position.
#[derive(Debug)]
pub struct RegularFile {
    file: Positioned,
    size: u64,
}

impl RegularFile {
    /// Opens a regular file. Links are followed.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the file cannot be opened; [`Error::File`](crate::Error::File) if it is a
    /// pipe, a device or a folder.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (file, size) = open_regular(path)?;
        Ok(Self { file: Positioned::new(file), size })
    }
}

impl ReadAt for RegularFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

#[cfg(unix)]
#[derive(Debug)]
struct Positioned(File);

#[cfg(unix)]
impl Positioned {
    fn new(file: File) -> Self {
        Self(file)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset)
    }
}

/// A file on systems where reading at a position moves the file's own position, or is not possible: one thread reads at
/// a time.
#[cfg(not(unix))]
#[derive(Debug)]
struct Positioned(std::sync::Mutex<File>);

#[cfg(not(unix))]
impl Positioned {
    fn new(file: File) -> Self {
        Self(std::sync::Mutex::new(file))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_and_memory_give_the_same_bytes_and_none_beyond_their_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..100).collect();
        file.write_all(&bytes).unwrap();
        let file = RegularFile::open(file.path()).unwrap();
        assert_eq!((file.size(), bytes.size()), (100, 100));
        for (offset, length) in [(0, 100), (7, 3), (99, 1), (100, 0)] {
            let (mut of_file, mut of_memory) = (vec![0; length], vec![0; length]);
            file.read_at(offset, &mut of_file).unwrap();
            bytes.read_at(offset, &mut of_memory).unwrap();
            assert_eq!(of_file, of_memory);
        }
        for (offset, length) in [(0, 101), (99, 2), (u64::MAX, 1), (200, 1)] {
            for source in [&file as &dyn ReadAt, &bytes] {
                let error = source.read_at(offset, &mut vec![0; length]).unwrap_err();
                // A system's offsets end below 2^64.
                let expected = [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidInput];
                assert!(expected.contains(&error.kind()), "{error:?}");
            }
        }
        assert!(RegularFile::open(std::env::temp_dir()).is_err());
    }
}
