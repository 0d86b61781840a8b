use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::error::IoAction;
use crate::{Error, Result};

/// Writes a file beside its place and renames it there once it is whole and synced.
pub(super) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    let mut partial = OsString::from(".");
    partial.push(name);
    partial.push(".partial");
    let partial = path.with_file_name(partial);
    let whole = File::create(&partial).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.into_inner()?.sync_all()?;
        fs::rename(&partial, path)
    });
    if whole.is_err() {
        // The first error is the one to report; a leftover is replaced by the next attempt.
        let _ = fs::remove_file(&partial);
    }
    whole.map_err(Error::io(IoAction::Write, path))
}

/// Writes numbers as little-endian `f32`.
pub(super) fn write_values(out: &mut dyn Write, values: &[f32]) -> io::Result<()> {
    /// Numbers turned into bytes at once: a page's worth.
    const CHUNK: usize = 1024;
    let mut bytes = Vec::with_capacity(4 * CHUNK);
    for chunk in values.chunks(CHUNK) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
        out.write_all(&bytes)?;
    }
    Ok(())
}
