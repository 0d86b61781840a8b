//! The positions of strips and tiles in a file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::directory::{Directory, Entry, Form};
use super::{ReadAt, damaged, read_failed, tag};
use crate::ImageProblem;

/// Number of places that are read together. Their offsets of 64 bits have 8 KiB.
const PAGE: u64 = 1024;
/// The most pages that are kept, so that memory does not grow with the scene. They have the places of four million
/// strips or tiles, in at most 96 MiB.
const MAX_PAGES: usize = 4096;

/// The place of a strip or tile in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    /// Number of bytes. `None`: the file does not tell.
    pub(super) length: Option<u64>,
}

impl Place {
    /// Tells whether the strip or tile was left out of the file (GDAL's SPARSE_OK).
    pub(super) fn is_sparse(self) -> bool {
        self.offset == 0 && matches!(self.length, None | Some(0))
    }

    /// Returns the place of the bytes after the first `skipped`.
    ///
    /// # Errors
    /// [`ImageProblem::Damaged`] if there are no more bytes.
    pub(super) fn after(self, skipped: u64) -> Result<Self, ImageProblem> {
        if skipped == 0 {
            return Ok(self);
        }
        let beyond = || damaged("it lies beyond the end of the file");
        let offset = self.offset.checked_add(skipped).ok_or_else(beyond)?;
        let rest =
            |length: u64| if length == 0 { Some(0) } else { length.checked_sub(skipped).filter(|n| *n > 0) };
        let length = match self.length {
            None => None,
            Some(length) => Some(rest(length).ok_or_else(|| damaged("it is shorter than its rows"))?),
        };
        Ok(Self { offset, length })
    }
}

/// Offsets and lengths of strips or tiles, which are read page by page when they are needed.
#[derive(Debug)]
pub(crate) struct Places {
    form: Form,
    offsets: Option<Entry>,
    /// Lengths, which some programs leave out if nothing is compressed.
    lengths: Option<Entry>,
    pages: Mutex<BTreeMap<u64, Arc<[Place]>>>,
}

impl Places {
    pub(super) fn of(source: &dyn ReadAt, directory: &Directory, tiled: bool) -> Result<Self, ImageProblem> {
        // Some programs use the tags of strips for tiles.
        let entry = |tile, strip| {
            let entry = if tiled { directory.integers(tile) } else { None };
            entry.or_else(|| directory.integers(strip))
        };
        let offsets = entry(tag::TILE_OFFSETS, tag::STRIP_OFFSETS);
        let lengths = entry(tag::TILE_BYTES, tag::STRIP_BYTES);
        for entry in [offsets, lengths].into_iter().flatten() {
            entry.check(source)?;
        }
        Ok(Self { form: directory.form, offsets, lengths, pages: Mutex::default() })
    }

    /// Returns the number of strips or tiles that have a place.
    pub(super) fn len(&self) -> u64 {
        let offsets = self.offsets.map_or(0, |entry| entry.count);
        self.lengths.map_or(offsets, |entry| offsets.min(entry.count))
    }

    /// Returns the place of strip or tile `number`.
    pub(super) fn get(&self, source: &dyn ReadAt, number: u64) -> Result<Place, ImageProblem> {
        let (page, at) = (number / PAGE, number % PAGE);
        let known = self.pages.lock().unwrap_or_else(PoisonError::into_inner).get(&page).cloned();
        let places = match known {
            Some(places) => places,
            None => {
                let places: Arc<[Place]> = self.read(source, page)?.into();
                let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
                if pages.len() >= MAX_PAGES {
                    pages.clear();
                }
                pages.insert(page, places.clone());
                places
            }
        };
        let none = || damaged(format!("{} strips or tiles, of which number {number} is wanted", self.len()));
        places.get(at as usize).copied().ok_or_else(none)
    }

    fn read(&self, source: &dyn ReadAt, page: u64) -> Result<Vec<Place>, ImageProblem> {
        let first = page * PAGE;
        let count = self.len().saturating_sub(first).min(PAGE);
        let numbers = |entry: Entry| -> Result<Vec<u64>, ImageProblem> {
            let at = entry.at + first * entry.size as u64;
            let mut bytes = vec![0; count as usize * entry.size];
            source.read_at(at, &mut bytes).map_err(|error| read_failed(at, error))?;
            entry.numbers(self.form, &bytes)
        };
        let offsets = self.offsets.map(numbers).transpose()?.unwrap_or_default();
        let lengths = self.lengths.map(numbers).transpose()?;
        let place = |(at, offset)| Place {
            offset,
            length: lengths.as_ref().and_then(|lengths| lengths.get(at).copied()),
        };
        Ok(offsets.into_iter().enumerate().map(place).collect())
    }
}
