//! Strips and tiles, read and decoded.

use std::borrow::Cow;
use std::ops::Range;

use super::codec::{Compression, Wanted};
use super::layout::{Layout, too_large};
use super::places::{Place, Places};
use super::predictor::{Row, samples};
use super::samples::Samples;
use super::{ReadAt, damaged, read_failed, unsupported};
use crate::ImageProblem;

/// Bytes of a block that any length in the file may stand for.
const FREE_BYTES: u64 = 1 << 16;
/// The most bytes of a block that are decoded at once. GDAL's strips have some kilobytes and its tiles some hundred; what is
/// longer is a scene in one piece.
const MAX_BYTES: usize = 1 << 30;
/// Bytes of a block that are decoded of any number of bytes in the file, and how many each of these stands for beyond them:
/// some compressions have no limit of their own. As for whole images.
const FREE_MEMORY: usize = 192 << 20;
const MAX_EXPANSION: usize = 256;
/// A compressed block is read up to this many bytes for each of its samples' bytes, and [`FREE_BYTES`]: coding of noise
/// makes it somewhat longer than they are, and a length that is far too large is no reason to read a whole file.
const MAX_STORED: u64 = 4;

/// A strip or tile of an image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub(super) number: u64,
    /// The band that it has, where each has its own.
    pub(super) plane: usize,
    /// Its first column and row.
    pub(super) x: usize,
    pub(super) y: usize,
}

impl Block {
    /// Reads and decodes; `None` for a block that was left out of the file.
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

    /// The bytes of the block in the file; `None` where there are none, or none are known.
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

/// The bytes of a block in the file, `length` long once they are decompressed.
fn read(source: &dyn ReadAt, layout: &Layout, place: Place, length: usize) -> Result<Vec<u8>, ImageProblem> {
    let count = stored(source, layout, place, length)?;
    let mut raw = vec![0; usize::try_from(count).map_err(|_| too_large())?];
    source.read_at(place.offset, &mut raw).map_err(|error| read_failed(place.offset, error))?;
    Ok(raw)
}

/// How many bytes of a block are read.
fn stored(source: &dyn ReadAt, layout: &Layout, place: Place, length: usize) -> Result<u64, ImageProblem> {
    let beyond = || damaged("it lies beyond the end of the file");
    let rest = source.size().checked_sub(place.offset).ok_or_else(beyond)?;
    let needed = length as u64;
    let count = match (&layout.compression, place.length) {
        // libtiff estimates lengths that cannot be where nothing is compressed: what the rows need.
        (Compression::None, None) => needed.min(rest),
        (Compression::None, Some(stored)) if stored == 0 || stored > rest && stored <= source.size() => {
            needed
        }
        // Up to the end of the file.
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
