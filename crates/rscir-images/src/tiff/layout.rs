//! How the samples of an image lie in a file.

use rscir_jpeg::Library;

use super::codec::Compression;
use super::directory::Directory;
use super::samples::{SampleFormat, SampleType};
use super::{ReadAt, damaged, tag, unsupported};
use crate::ImageProblem;

/// Half of a tile's side that an image of any size may have, in pixels.
const SMALL_SIDE: usize = 4096;
/// Bytes that an uncompressed strip is read in parts of: a strip may be the whole scene.
const PART: usize = 1 << 18;

/// Predictor (TIFF 6.0, section 14; Adobe's technical note 3 for floats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    Horizontal,
    Float,
}

/// Sizes and types, without the places of strips and tiles.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Samples of a pixel.
    pub(crate) bands: usize,
    /// Bits of a sample.
    pub(crate) bits: usize,
    pub(crate) format: SampleFormat,
    pub(super) planar: bool,
    pub(super) predictor: Predictor,
    pub(crate) compression: Compression,
    /// Pixels of a strip or tile, or of the part of a strip that is read at once.
    pub(super) block: [usize; 2],
    /// Rows of a strip or tile in the file.
    pub(super) stored_rows: usize,
    /// Tiles are whole at the image's edges, strips are cut.
    pub(super) tiled: bool,
    /// The bits of the file's bytes are in the other order.
    pub(super) reversed: bool,
    /// The least significant byte of a sample comes first.
    pub(super) little: bool,
}

impl Layout {
    /// `library` says whose pixels blocks have that are JPEG streams.
    pub(super) fn of(
        source: &dyn ReadAt,
        directory: &Directory,
        library: Library,
    ) -> Result<Self, ImageProblem> {
        let number = |tag, default| -> Result<usize, ImageProblem> {
            let value = directory.value(source, tag, default)?;
            usize::try_from(value).map_err(|_| damaged(format!("tag {tag} is {value}")))
        };
        let side = |tag| match directory.value(source, tag, 0).map(u32::try_from) {
            Ok(Ok(0) | Err(_)) => Err(damaged("the image has no size")),
            Ok(Ok(side)) => Ok(side as usize),
            Err(error) => Err(error),
        };
        let (width, height) = (side(tag::WIDTH)?, side(tag::HEIGHT)?);
        let bands = number(tag::SAMPLES, 1)?;
        let all_bits = directory.values(source, tag::BITS)?.unwrap_or_else(|| vec![1]);
        let bits = match all_bits.first() {
            Some(bits @ 1..=64) if all_bits.iter().all(|other| other == bits) => *bits as usize,
            _ => return Err(unsupported(format!("samples of {all_bits:?} bits"))),
        };
        let format = match (directory.value(source, tag::SAMPLE_FORMAT, 1)?, bits) {
            (1 | 4, _) => SampleFormat::Unsigned,
            (2, 2..) => SampleFormat::Signed,
            (3, 16 | 32 | 64) => SampleFormat::Float,
            (5 | 6, _) => return Err(unsupported("samples that are complex numbers")),
            (other, _) => return Err(unsupported(format!("sample format {other} of {bits} bits"))),
        };
        let compression = Compression::of(source, directory, library)?;
        let planar = bands > 1 && directory.value(source, tag::PLANAR, 1)? == 2;
        compression.check(bits, if planar { 1 } else { bands })?;
        let predictor = match (directory.value(source, tag::PREDICTOR, 1)?, bits) {
            // Other compressions have no predictor, whatever the tag says.
            _ if !compression.is_predicted() => Predictor::None,
            (1, _) => Predictor::None,
            (2, 8 | 16 | 32 | 64) => Predictor::Horizontal,
            (3, 16 | 32 | 64) if format == SampleFormat::Float => Predictor::Float,
            (other, _) => return Err(unsupported(format!("predictor {other} of {bits} bits"))),
        };
        let tiled = directory.has(tag::TILE_WIDTH);
        let block = if tiled {
            [number(tag::TILE_WIDTH, 0)?, number(tag::TILE_HEIGHT, 0)?]
        } else {
            [width, number(tag::ROWS_PER_STRIP, height as u64)?.min(height)]
        };
        if bands == 0 || block.contains(&0) {
            return Err(damaged("pixels, strips or tiles without extent"));
        }
        let far_larger = |(tile, side): (usize, usize)| tile / 2 > side.max(SMALL_SIDE);
        if block.into_iter().zip([width, height]).any(far_larger) {
            return Err(damaged(format!("tiles of {block:?} pixels in an image of {width} x {height}")));
        }
        let reversed = directory.value(source, tag::FILL_ORDER, 1)? == 2;
        let little = directory.form.little;
        let mut layout = Self {
            width,
            height,
            bands,
            bits,
            format,
            planar,
            predictor,
            compression,
            block,
            stored_rows: block[1],
            tiled,
            reversed,
            little,
        };
        if !tiled && layout.compression == Compression::None {
            layout.block[1] = layout.rows_of_a_part()?;
        }
        Ok(layout)
    }

    /// Rows of an uncompressed strip that are read at once: all, or a part into which the strip can be cut.
    fn rows_of_a_part(&self) -> Result<usize, ImageProblem> {
        let rows = self.stored_rows;
        let fit = (PART / self.stride()?.max(1)).clamp(1, rows);
        // A single strip need not have whole parts.
        let is_part = |part: &usize| rows >= self.height || rows.is_multiple_of(*part);
        Ok((1..=fit).rev().find(is_part).unwrap_or(rows))
    }

    /// The number of the strip or tile in the file that a block is or lies in, and the rows before it there.
    pub(super) fn stored(&self, number: u64, plane: usize, y: usize) -> (u64, usize) {
        if self.stored_rows == self.block[1] {
            return (number, 0);
        }
        let strips = self.height.div_ceil(self.stored_rows);
        (plane as u64 * strips as u64 + (y / self.stored_rows) as u64, y % self.stored_rows)
    }

    pub(super) fn sample_type(&self) -> SampleType {
        SampleType { format: self.format, bits: self.bits as u16 }
    }

    /// Samples of a pixel in a strip or tile.
    pub(super) fn bands_in_block(&self) -> usize {
        if self.planar { 1 } else { self.bands }
    }

    /// Strips or tiles beside and below each other, in one plane.
    pub(super) fn across(&self) -> usize {
        self.width.div_ceil(self.block[0])
    }

    pub(super) fn down(&self) -> usize {
        self.height.div_ceil(self.block[1])
    }

    /// Bytes of a row of a strip or tile.
    pub(super) fn stride(&self) -> Result<usize, ImageProblem> {
        let bits = self.block[0].checked_mul(self.bands_in_block()).and_then(|n| n.checked_mul(self.bits));
        bits.map(|bits| bits.div_ceil(8)).ok_or_else(too_large)
    }

    /// Rows of a strip or tile that are read, where `y` is its first: none below the image, but what is coded as an image
    /// is read whole.
    pub(super) fn rows(&self, y: usize) -> usize {
        let whole = self.tiled && self.compression.is_image();
        if whole { self.block[1] } else { self.block[1].min(self.height.saturating_sub(y)) }
    }

    /// Bytes of all samples in the file's depth, at least one for each.
    pub(crate) fn bytes(&self) -> u64 {
        let pixels = self.width as u64 * self.height as u64;
        // Sides are below 2^32 and samples come from 16 bits or more: saturated, the limit refuses it.
        pixels.saturating_mul(self.bands as u64).saturating_mul(self.bits as u64).div_ceil(8)
    }

    /// Bytes of a sample in memory.
    pub(super) fn sample_bytes(&self) -> u64 {
        match (self.format, self.bits) {
            (_, ..=8) => 1,
            (SampleFormat::Float, 16) => 4,
            (_, ..=16) => 2,
            (_, ..=32) => 4,
            _ => 8,
        }
    }

    /// Bytes of memory that decoding a strip or tile takes: its bytes, and its samples.
    pub(crate) fn block_memory(&self) -> u64 {
        let sides = [self.block[0], self.rows(0), self.bands_in_block()];
        let samples = sides.iter().fold(1, |product: u64, side| product.saturating_mul(*side as u64));
        let stored = samples.saturating_mul(self.bits as u64).div_ceil(8);
        // Samples of one byte are the bytes themselves. A JPEG decoder keeps coefficients of 16 bits, and its image is
        // always RGB.
        let copies = if self.compression.is_image() { 6 } else { 1 };
        let converted = if self.bits == 8 { 0 } else { samples.saturating_mul(self.sample_bytes()) };
        stored.saturating_mul(copies).saturating_add(converted)
    }
}

pub(super) fn too_large() -> ImageProblem {
    damaged("strips or tiles too large for memory")
}
