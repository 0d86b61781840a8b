//! The layout of an image's samples in a file.

use rscir_jpeg::Library;

use super::codec::Compression;
use super::directory::Directory;
use super::samples::{SampleFormat, SampleType};
use super::{ReadAt, damaged, tag, unsupported};
use crate::ImageProblem;

/// Half of the longest side of a tile, in pixels, that is accepted in an image of any size.
const SMALL_SIDE: usize = 4096;
/// Bytes of the parts in which an uncompressed strip is read, since a single strip may hold the whole scene.
const PART: usize = 1 << 18;

/// The tag Predictor (TIFF 6.0, section 14; Adobe's technical note 3 for floats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    Horizontal,
    Float,
}

/// Sizes and types of an image and its strips or tiles, without their positions.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Number of samples of a pixel.
    pub(crate) bands: usize,
    /// Number of bits of a sample.
    pub(crate) bits: usize,
    pub(crate) format: SampleFormat,
    pub(super) planar: bool,
    pub(super) predictor: Predictor,
    pub(crate) compression: Compression,
    /// Width and height in pixels of a strip or tile, or of the part of a strip that is read at once.
    pub(super) block: [usize; 2],
    /// Number of rows of a strip or tile in the file.
    pub(super) stored_rows: usize,
    /// True for tiles, which are whole at the image's edges. False for strips, which are cut there.
    pub(super) tiled: bool,
    /// True if the lowest bit of a byte comes first.
    pub(super) reversed: bool,
    /// True if the least significant byte of a sample comes first.
    pub(super) little: bool,
}

impl Layout {
    /// Reads the layout from a directory. `library` is the one whose pixels blocks have that are JPEG streams.
    ///
    /// # Errors
    /// [`ImageProblem::Damaged`] if sizes cannot be, [`ImageProblem::Unsupported`] for types and compressions that are
    /// not read.
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
            // Other compressions have no predictor, and the tag is ignored.
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

    /// Returns the number of rows of an uncompressed strip that are read at once: all, or a part that divides the strip
    /// evenly.
    fn rows_of_a_part(&self) -> Result<usize, ImageProblem> {
        let rows = self.stored_rows;
        let fit = (PART / self.stride()?.max(1)).clamp(1, rows);
        // A single strip may have a shorter last part.
        let is_part = |part: &usize| rows >= self.height || rows.is_multiple_of(*part);
        Ok((1..=fit).rev().find(is_part).unwrap_or(rows))
    }

    /// Returns the number of the strip or tile in the file that a block is, or in which it lies, and the number of rows
    /// before the block there.
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

    /// Returns the number of samples of a pixel in a strip or tile.
    pub(super) fn bands_in_block(&self) -> usize {
        if self.planar { 1 } else { self.bands }
    }

    /// Returns the number of strips or tiles beside each other.
    pub(super) fn across(&self) -> usize {
        self.width.div_ceil(self.block[0])
    }

    /// Returns the number of strips or tiles below each other, in one plane.
    pub(super) fn down(&self) -> usize {
        self.height.div_ceil(self.block[1])
    }

    /// Returns the number of bytes of a row of a strip or tile.
    pub(super) fn stride(&self) -> Result<usize, ImageProblem> {
        let bits = self.block[0].checked_mul(self.bands_in_block()).and_then(|n| n.checked_mul(self.bits));
        bits.map(|bits| bits.div_ceil(8)).ok_or_else(too_large)
    }

    /// Returns the number of rows of a strip or tile that are read. `y` is its first row. Rows below the image are not
    /// read, except in a tile that is coded as an image, which is decoded whole.
    pub(super) fn rows(&self, y: usize) -> usize {
        let whole = self.tiled && self.compression.is_image();
        if whole { self.block[1] } else { self.block[1].min(self.height.saturating_sub(y)) }
    }

    /// Returns the number of bytes of all samples with as many bits as in the file, rounded up.
    pub(crate) fn bytes(&self) -> u64 {
        let pixels = self.width as u64 * self.height as u64;
        // The product may be too large. It then saturates, and the limit of bytes refuses the image.
        pixels.saturating_mul(self.bands as u64).saturating_mul(self.bits as u64).div_ceil(8)
    }

    /// Returns the number of bytes of a sample in memory.
    pub(super) fn sample_bytes(&self) -> u64 {
        match (self.format, self.bits) {
            (_, ..=8) => 1,
            (SampleFormat::Float, 16) => 4,
            (_, ..=16) => 2,
            (_, ..=32) => 4,
            _ => 8,
        }
    }

    /// Returns the bytes of memory that decoding a strip or tile takes: those of its bytes and of its samples.
    pub(crate) fn block_memory(&self) -> u64 {
        let sides = [self.block[0], self.rows(0), self.bands_in_block()];
        let samples = sides.iter().fold(1, |product: u64, side| product.saturating_mul(*side as u64));
        let stored = samples.saturating_mul(self.bits as u64).div_ceil(8);
        // Samples of one byte are the decoded bytes themselves. A JPEG decoder also keeps coefficients of 16 bits, and
        // makes RGB even of gray.
        let copies = if self.compression.is_image() { 6 } else { 1 };
        let converted = if self.bits == 8 { 0 } else { samples.saturating_mul(self.sample_bytes()) };
        stored.saturating_mul(copies).saturating_add(converted)
    }
}

pub(super) fn too_large() -> ImageProblem {
    damaged("strips or tiles too large for memory")
}
