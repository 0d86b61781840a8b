use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use half::{bf16, f16};
use rscir_core::files;

use crate::digest::{Digest, Hasher};
use crate::error::IoAction;
use crate::{Error, Result};

/// A file that is read from its beginning. A read of more bytes than it holds is an error before memory is
/// allocated.
pub(super) struct Input<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    length: u64,
    left: u64,
    hasher: Option<Hasher>,
}

impl<'a> Input<'a> {
    pub(super) fn open(path: &'a Path) -> Result<Self> {
        let (file, length) = files::open_regular(path)?;
        Ok(Self { path, reader: BufReader::new(file), length, left: length, hasher: None })
    }

    /// Opens a file whose checksum is computed as it is read. None of its bytes may be skipped.
    pub(super) fn hashed(path: &'a Path) -> Result<Self> {
        Ok(Self { hasher: Some(Hasher::default()), ..Self::open(path)? })
    }

    /// Stops computing the checksum, which saves time.
    pub(super) fn stop_hashing(&mut self) {
        self.hasher = None;
    }

    /// Returns the checksum of the bytes read so far; `None` if it is not computed.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.hasher.clone().map(Hasher::finish)
    }

    /// Reads the next `count` bytes.
    pub(super) fn bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.claim(count)?];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads the next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.claim(N as u64)?;
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads bytes that were claimed.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.reader.read_exact(bytes).map_err(Error::io(IoAction::Read, self.path))?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    /// Skips the next `count` bytes.
    pub(super) fn skip(&mut self, count: u64) -> Result<()> {
        self.claim(count)?;
        let offset = i64::try_from(count).map_err(|_| self.too_short(count))?;
        self.reader.seek_relative(offset).map_err(Error::io(IoAction::Read, self.path))
    }

    /// Reads the next `count` numbers, converted to `f32`.
    #[expect(clippy::indexing_slicing, reason = "a part is a chunk at most")]
    pub(super) fn values(&mut self, count: u64, element: Element, order: ByteOrder) -> Result<Vec<f32>> {
        /// Bytes that are converted at once. They fit a first-level cache.
        const CHUNK: u64 = 16 * 1024;
        let size = element.size();
        let bytes = count.checked_mul(size).ok_or_else(|| self.too_short(u64::MAX))?;
        let mut left = self.claim(bytes)? as u64;
        let mut values = Vec::with_capacity(left as usize / size as usize);
        let mut chunk = [0; CHUNK as usize];
        while left > 0 {
            let chunk = &mut chunk[..left.min(CHUNK) as usize];
            self.fill(chunk)?;
            if order == ByteOrder::Big {
                chunk.chunks_exact_mut(size as usize).for_each(<[u8]>::reverse);
            }
            element.decode(chunk, &mut values);
            left -= chunk.len() as u64;
        }
        Ok(values)
    }

    /// Checks that the whole file was read.
    pub(super) fn end(&self) -> Result<()> {
        self.check_left(0)
    }

    /// Checks that the file has exactly `count` more bytes.
    pub(super) fn check_left(&self, count: u64) -> Result<()> {
        if self.left == count { Ok(()) } else { Err(self.too_short(count)) }
    }

    /// Counts `count` bytes as read.
    ///
    /// # Errors
    /// [`Error::FileSize`] if the file does not have as many.
    fn claim(&mut self, count: u64) -> Result<usize> {
        let left = self.left.checked_sub(count).ok_or_else(|| self.too_short(count))?;
        let claimed = usize::try_from(count).map_err(|_| self.too_short(count))?;
        self.left = left;
        Ok(claimed)
    }

    /// Makes the error for a file that should have `count` more bytes.
    fn too_short(&self, count: u64) -> Error {
        self.size_error((self.length - self.left).saturating_add(count))
    }

    fn size_error(&self, expected: u64) -> Error {
        Error::FileSize { path: self.path.into(), expected, got: self.length }
    }
}

/// Number formats in which features are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F16,
    Bf16,
    F32,
    F64,
}

/// The byte of a number that comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl Element {
    /// Returns the number of bytes of one number.
    pub(super) fn size(self) -> u64 {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Appends the little-endian numbers in `bytes`.
    fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Self::F16 => out.extend(bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32())),
            Self::Bf16 => out.extend(bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32())),
            Self::F32 => out.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
            Self::F64 => out.extend(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32)),
        }
    }
}
