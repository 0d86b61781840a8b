//! The files of a list, as items of an ingest.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rscir_core::files::{FileError, open_regular};
use rscir_core::{Channels, ColumnSchema, Decoding, Fingerprint, ImageEncoder, RowValues, Stage};

use super::items::{Items, Look, Prepared, Refused, attempt};
use super::pixels::Pixels;
use super::{ChangeDetection, ImageList};
use crate::decode::{DecodeLimits, Oddities, decode_bands, decode_with_oddities};

/// The files of a list, with the options by which they are read.
pub(super) struct Files<'a> {
    pub(super) images: &'a ImageList,
    pub(super) decoding: &'a Decoding,
    pub(super) limits: DecodeLimits,
    pub(super) changes: ChangeDetection,
}

impl Items for Files<'_> {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn key(&self, item: usize) -> Cow<'_, str> {
        self.images.keys()[item].as_str().into()
    }

    fn path(&self, item: usize) -> PathBuf {
        self.images.path(item)
    }

    fn look(&self, item: usize, known: Fingerprint) -> Look {
        let path = self.path(item);
        let is_changed = match path.metadata() {
            Ok(metadata) if self.changes == ChangeDetection::SizeAndTime => {
                self.changes.fingerprint(&metadata, &[]) != known
            }
            // A file that cannot be read any more counts as changed, and is reported when it is to be encoded.
            Ok(_) => {
                read(&path, self.limits.max_bytes, self.changes).map_or(true, |(_, current)| current != known)
            }
            Err(error) if is_absent(&error) => return Look::Gone,
            // A file whose metadata cannot be read keeps its row.
            Err(_) => false,
        };
        if is_changed { Look::Changed } else { Look::Same }
    }

    fn columns(&self) -> &[ColumnSchema] {
        &[]
    }

    fn values(&self, _item: usize) -> Result<RowValues<'_>, Refused> {
        Ok(RowValues::new(&[]))
    }

    fn prepare(&self, item: usize, encoder: &dyn ImageEncoder) -> Result<Prepared, Refused> {
        let path = self.path(item);
        let (bytes, fingerprint) = attempt(Stage::Read, || read(&path, self.limits.max_bytes, self.changes))?;
        let channels = encoder.channels();
        if channels != Channels::Rgb {
            let decode = || decode_bands(&bytes, self.decoding, &self.limits, channels);
            let decoded = attempt(Stage::Decode, decode)?;
            drop(bytes);
            let pixels = Pixels::of_bands(&decoded, encoder)?;
            return Ok(Prepared { pixels, fingerprint, oddities: Oddities::default() });
        }
        let (decoded, oddities) =
            attempt(Stage::Decode, || decode_with_oddities(&bytes, self.decoding, &self.limits))?;
        drop(bytes);
        Ok(Prepared { pixels: Pixels::of_colors(&decoded, encoder)?, fingerprint, oddities })
    }
}

/// Tells whether an error means that a file does not exist, not that it is out of reach.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Reads a file. Returns its content, and the fingerprint that it had before it was read.
fn read(path: &Path, limit: u64, changes: ChangeDetection) -> io::Result<(Vec<u8>, Fingerprint)> {
    // Opening a pipe would wait for a writer, and reading a device may never end.
    let (file, length) = open_regular(path).map_err(without_path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    if length <= limit {
        // The file may grow while it is read, and one byte beyond the limit shows it.
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    let size = metadata.len().max(bytes.len() as u64);
    if size > limit {
        return Err(io::Error::other(format!("the file has {size} bytes, more than the limit of {limit}")));
    }
    let fingerprint = changes.fingerprint(&metadata, &bytes);
    Ok((bytes, fingerprint))
}

/// Returns the error without the path, which a [`Failure`](super::Failure) has already.
fn without_path(error: FileError) -> io::Error {
    match error {
        FileError::Io { source, .. } => source,
        FileError::NotRegular { kind, .. } => io::Error::other(format!("this is {kind}, not a regular file")),
        error => io::Error::other(error),
    }
}
