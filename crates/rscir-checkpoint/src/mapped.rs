#![allow(unsafe_code)] // Mapping a file is unsafe: whoever changes it meanwhile changes memory.

use std::path::{Path, PathBuf};

use memmap2::Mmap;
use rscir_core::files::open_regular;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A file of weights, mapped into memory.
#[derive(Debug)]
pub(crate) struct MappedFile {
    path: PathBuf,
    map: Mmap,
}

impl MappedFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let fail = |source| Error::Io { path: path.to_owned(), source };
        let (file, _) = open_regular(path)?;
        // SAFETY: the bytes are only ever read as bytes or as numbers for which every bit pattern is valid, so a file that
        // is overwritten meanwhile gives wrong weights and no undefined value. A file that is truncated meanwhile ends
        // the process (SIGBUS); weights are written once, under a temporary name.
        let map = unsafe { Mmap::map(&file) }.map_err(fail)?;
        Ok(Self { path: path.to_owned(), map })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Releases the pages that were read, which the system counts as memory of this process. Reading them
    /// again takes them from the system's cache or from the file.
    pub(crate) fn release(&self) {
        // SAFETY: the map is of a file and never written to, so reading a page again gives the same bytes.
        #[cfg(unix)]
        let _ = unsafe { self.map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
    }

    /// Returns the SHA-256 of the file in hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        /// Number of bytes that are read before their pages are released.
        const PART: usize = 64 << 20;
        let mut hash = Sha256::new();
        for part in self.bytes().chunks(PART) {
            hash.update(part);
            self.release();
        }
        hexadecimal(hash.finalize().as_slice())
    }
}

/// Returns the SHA-256 of a file in hexadecimal, without holding the file in memory.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] if the file cannot be read.
pub fn file_sha256(path: impl AsRef<Path>) -> Result<String> {
    Ok(MappedFile::open(path.as_ref())?.sha256())
}

/// Writes bytes in lowercase hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_map_holds_what_reading_gives() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"abc").unwrap();
        let mapped = MappedFile::open(file.path()).unwrap();
        assert_eq!(mapped.bytes(), std::fs::read(file.path()).unwrap());
        mapped.release();
        assert_eq!(mapped.bytes(), b"abc");
        // FIPS 180-4's example.
        assert_eq!(mapped.sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn folders_and_missing_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(MappedFile::open(folder.path()), Err(Error::File(_))));
        assert!(matches!(MappedFile::open(&folder.path().join("none")), Err(Error::Io { .. })));
    }
}
