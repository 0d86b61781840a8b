//! Reading and decoding of strips and tiles.

use std::borrow::Cow;
use std::ops::Range;

use super::codec::{Compression, Wanted};
use super::layout::{Layout, too_large};
use super::places::{Place, Places};
use super::predictor::{Row, samples};
use super::samples::Samples;
use super::{ReadAt, damaged, read_failed, unsupported};
use crate::ImageProblem;

/// Bytes that a block may have, however few bytes the file has for it.
const FREE_BYTES: u64 = 1 << 16;
/// The most bytes of a decoded block. GDAL's strips have some kilobytes and its tiles some hundred: a longer block is a
/// scene in one piece.
const MAX_BYTES: usize = 1 << 30;
/// Bytes of a decoded block up to which [`MAX_EXPANSION`] does not hold, as for whole images.
const FREE_MEMORY: usize = 192 << 20;
/// The most bytes that a byte in the file may stand for, since some compressions have no limit of their own. It is that
/// of whole images.
const MAX_EXPANSION: usize = 256;
/// The most bytes of a compressed block that are read for each byte of its samples, beside [`FREE_BYTES`]. Compressed
/// noise is somewhat longer than the samples, and a length in the file that is far too large must not make us read the
/// whole file.
const MAX_STORED: u64 = 4;

/// A strip or tile of an image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub(super) number: u64,
    /// The band of the block, if each band has blocks of its own, else 0.
    pub(super) plane: usize,
    /// First column of the block.
    pub(super) x: usize,
    /// First row of the block.
    pub(super) y: usize,
}

impl Block {
    /// Reads and decodes the block. Returns `None` if it was left out of the file.
    pub(super) fn read(
        self,
        source: &dyn ReadAt,
        layout: &Layout,
        places: &Places,
    ) -> Result<Option<Samples>, ImageProblem> {
        let (block, skipped) = layout.stored(self.number, self.plane, self.y);
        let place = places.get(source, block)?;
        if place.is_sparse() {
            return Ok(None);
        }
        let offset = place.offset;
        self.decode(source, layout, place, skipped).map(Some).map_err(|problem| match problem {
            ImageProblem::Damaged { source, .. } => ImageProblem::Block { block, offset, source },
            ImageProblem::Jpeg(error) if !matches!(error, rscir_jpeg::Error::Unsupported { .. }) => {
                ImageProblem::Block { block, offset, source: error.into() }
            }
            problem => problem,
        })
    }

    /// Returns the range of the block's bytes in the file, or `None` if the file has none or does not tell.
    pub(super) fn range(self, source: &dyn ReadAt, layout: &Layout, places: &Places) -> Option<Range<u64>> {
        let (block, skipped) = layout.stored(self.number, self.plane, self.y);
        let stride = layout.stride().ok()?;
        let place = places.get(source, block).ok().filter(|place| !place.is_sparse())?;
        let place = place.after(stride as u64 * skipped as u64).ok()?;
        let length = stride.checked_mul(layout.rows(self.y))?;
        let count = stored(source, layout, place, length).ok()?;
        Some(place.offset..place.offset + count)
    }

    fn decode(
        self,
        source: &dyn ReadAt,
        layout: &Layout,
        place: Place,
        skipped: usize,
    ) -> Result<Samples, ImageProblem> {
        let stride = layout.stride()?;
        let place = place.after(stride as u64 * skipped as u64)?;
        let rows = layout.rows(self.y);
        let length = stride.checked_mul(rows).ok_or_else(too_large)?;
        if length > MAX_BYTES {
            return Err(unsupported(format!("a compressed strip or tile of more than {MAX_BYTES} bytes")));
        }
        let mut raw = read(source, layout, place, length)?;
        let ratio = layout.compression.ratio();
        if length as u64 > (raw.len() as u64).saturating_mul(ratio).saturating_add(FREE_BYTES) {
            return Err(damaged(format!("{} bytes cannot hold {length}", raw.len())));
        }
        if length > raw.len().saturating_mul(MAX_EXPANSION).max(FREE_MEMORY) {
            let stored = raw.len();
            return Err(damaged(format!(
                "{stored} bytes stand for {length}: one color, or made to exhaust memory"
            )));
        }
        if layout.reversed && !layout.compression.is_image() {
            raw.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        let step = layout.bands_in_block();
        let wanted = Wanted { width: layout.block[0], rows, bands: step, stride, length };
        let bytes = layout.compression.expand(Cow::Owned(raw), wanted)?;
        Ok(samples(layout, bytes, Row { stride, samples: layout.block[0] * step, step }))
    }
}

/// Reads the bytes of a block in the file. They are `length` bytes once they are decompressed.
fn read(source: &dyn ReadAt, layout: &Layout, place: Place, length: usize) -> Result<Vec<u8>, ImageProblem> {
    let count = stored(source, layout, place, length)?;
    let mut raw = vec![0; usize::try_from(count).map_err(|_| too_large())?];
    source.read_at(place.offset, &mut raw).map_err(|error| read_failed(place.offset, error))?;
    Ok(raw)
}

/// Returns how many bytes of a block are read from the file.
fn stored(source: &dyn ReadAt, layout: &Layout, place: Place, length: usize) -> Result<u64, ImageProblem> {
    let beyond = || damaged("it lies beyond the end of the file");
    let rest = source.size().checked_sub(place.offset).ok_or_else(beyond)?;
    let needed = length as u64;
    let count = match (&layout.compression, place.length) {
        // If nothing is compressed, a missing or impossible length is replaced by that of the rows, as libtiff does.
        (Compression::None, None) => needed.min(rest),
        (Compression::None, Some(stored)) if stored == 0 || stored > rest && stored <= source.size() => {
            needed
        }
        // A compressed block without a length may reach up to the end of the file.
        (_, None | Some(0)) => rest,
        (_, Some(stored)) => stored,
    };
    if count > rest {
        return Err(beyond());
    }
    Ok(count.min(match layout.compression {
        Compression::None => needed,
        _ => needed.saturating_mul(MAX_STORED).saturating_add(FREE_BYTES),
    }))
}
