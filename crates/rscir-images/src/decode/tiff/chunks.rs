//! Strips and tiles put together to an image (TIFF 6.0, sections 3, 14 and 15).

use std::borrow::Cow;

use half::f16;

use super::compression::Compression;
use super::directory::{Directory, tag};
use super::{damaged, unsupported};
use crate::decode::ImageProblem;
use crate::decode::raster::{Samples, unpack};

/// Offset and length of a strip or tile that GDAL left out of the file.
const SPARSE: (u64, u64) = (0, 0);

/// Half of a tile's side that an image of any size may have, in pixels.
const SMALL_SIDE: usize = 4096;

/// SampleFormat (TIFF 6.0, section 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
    Float,
}

/// Predictor (TIFF 6.0, section 14; Adobe's technical note 3 for floats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Predictor {
    None,
    Horizontal,
    Float,
}

/// How samples of 8 bits and less become levels of gray.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// Those of less than 8 bits are spread over 0 to 255.
    pub(super) spread: bool,
    /// 0 is white: Pillow inverts 8 bits and less.
    pub(super) white_is_zero: bool,
}

impl Shown {
    /// What becomes of a stored value of `bits` bits.
    pub(super) fn value(self, stored: f64, bits: usize) -> f64 {
        let most = ((1_u64 << bits.min(8)) - 1) as f64;
        let spread = if self.spread && bits < 8 { stored * (255.0 / most) } else { stored };
        if self.white_is_zero && bits <= 8 { 255.0 - spread } else { spread }
    }
}

/// How the samples of an image lie in a file.
pub(super) struct Layout {
    width: usize,
    height: usize,
    /// Samples of a pixel.
    pub(super) samples: usize,
    /// Bits of a sample.
    pub(super) bits: usize,
    kind: Kind,
    planar: bool,
    predictor: Predictor,
    pub(super) compression: Compression,
    /// Pixels of a strip or tile.
    chunk: [usize; 2],
    /// Tiles are whole at the image's edges, strips are cut.
    tiled: bool,
    /// Where each strip or tile lies, and its length.
    places: Vec<(u64, u64)>,
    reversed: bool,
}

impl Layout {
    pub(super) fn of(
        directory: &Directory<'_>,
        width: usize,
        height: usize,
        compression: Compression,
    ) -> Result<Self, ImageProblem> {
        let number = |tag, default| -> Result<usize, ImageProblem> {
            let value = directory.value(tag, default)?;
            usize::try_from(value).map_err(|_| damaged(format!("tag {tag} is {value}")))
        };
        let samples = number(tag::SAMPLES, 1)?;
        let all_bits = directory.values(tag::BITS)?.unwrap_or_else(|| vec![1]);
        let bits = match all_bits.first() {
            Some(bits @ (1 | 2 | 4 | 8 | 16 | 32 | 64)) if all_bits.iter().all(|other| other == bits) => {
                *bits as usize
            }
            _ => return Err(unsupported(format!("samples of {all_bits:?} bits"))),
        };
        let kind = match (directory.value(tag::SAMPLE_FORMAT, 1)?, bits) {
            (1 | 4, _) => Kind::Unsigned,
            (2, 8..) => Kind::Signed,
            (3, 16..) => Kind::Float,
            (other, _) => return Err(unsupported(format!("sample format {other} of {bits} bits"))),
        };
        let predictor = match (directory.value(tag::PREDICTOR, 1)?, bits) {
            (1, _) => Predictor::None,
            (2, 8 | 16 | 32) => Predictor::Horizontal,
            (3, 32) if kind == Kind::Float => Predictor::Float,
            (other, _) => return Err(unsupported(format!("predictor {other} of {bits} bits"))),
        };
        let tiled = directory.values(tag::TILE_WIDTH)?.is_some();
        let chunk = if tiled {
            [number(tag::TILE_WIDTH, 0)?, number(tag::TILE_HEIGHT, 0)?]
        } else {
            [width, number(tag::ROWS_PER_STRIP, height as u64)?.min(height)]
        };
        if samples == 0 || chunk.contains(&0) {
            return Err(damaged("pixels, strips or tiles without extent"));
        }
        let far_larger = |(tile, side): (usize, usize)| tile / 2 > side.max(SMALL_SIDE);
        if chunk.into_iter().zip([width, height]).any(far_larger) {
            return Err(damaged(format!("tiles of {chunk:?} pixels in an image of {width} x {height}")));
        }
        let (offsets, lengths) =
            if tiled { (tag::TILE_OFFSETS, tag::TILE_BYTES) } else { (tag::STRIP_OFFSETS, tag::STRIP_BYTES) };
        let offsets = directory.values(offsets)?.unwrap_or_default();
        let places = match directory.values(lengths)? {
            Some(lengths) => offsets.into_iter().zip(lengths).collect(),
            // Some writers leave the lengths out where nothing is compressed: up to the end of the file.
            None => offsets
                .into_iter()
                .map(|offset| (offset, (directory.bytes.len() as u64).saturating_sub(offset)))
                .collect(),
        };
        let planar = samples > 1 && directory.value(tag::PLANAR, 1)? == 2;
        if planar && matches!(compression, Compression::Jpeg { .. }) {
            return Err(unsupported("planar JPEG"));
        }
        let reversed = directory.value(tag::FILL_ORDER, 1)? == 2;
        Ok(Self {
            width,
            height,
            samples,
            bits,
            kind,
            planar,
            predictor,
            compression,
            chunk,
            tiled,
            places,
            reversed,
        })
    }

    pub(super) fn is_float(&self) -> bool {
        self.kind == Kind::Float
    }

    /// True if some strip or tile is not in the file at all (GDAL's SPARSE_OK).
    pub(super) fn is_sparse(&self) -> bool {
        self.places.contains(&SPARSE)
    }

    /// Bytes of all samples in the file's depth, at least one for each.
    pub(super) fn bytes(&self) -> u64 {
        let pixels = self.width as u64 * self.height as u64;
        // Sides are below 2^32 and samples come from 16 bits or more: saturated, the limit refuses it.
        pixels.saturating_mul(self.samples as u64).saturating_mul(self.bits as u64).div_ceil(8)
    }

    /// Bytes of memory that reading takes: all samples, and a strip or tile.
    pub(super) fn memory(&self) -> u64 {
        let widened = match (self.kind, self.bits) {
            (Kind::Unsigned, ..=8) => 1,
            (Kind::Unsigned, 16) => 2,
            _ => 4,
        };
        let all = [self.width, self.height, self.samples, widened];
        let chunk = [
            self.chunk[0],
            self.chunk_rows(0),
            if self.planar { 1 } else { self.samples },
            self.bits.div_ceil(8),
        ];
        let bytes =
            |sides: [usize; 4]| sides.iter().fold(1, |bytes: u64, side| bytes.saturating_mul(*side as u64));
        // A JPEG decoder keeps coefficients of 16 bits, and its image is always RGB.
        let copies = if matches!(self.compression, Compression::Jpeg { .. }) { 6 } else { 1 };
        bytes(all).saturating_add(bytes(chunk).saturating_mul(copies))
    }

    /// Rows of a strip or tile that are read, where `y` is its first: none below the image, but a JPEG stream is read whole.
    fn chunk_rows(&self, y: usize) -> usize {
        let whole = self.tiled && matches!(self.compression, Compression::Jpeg { .. });
        if whole { self.chunk[1] } else { self.chunk[1].min(self.height - y) }
    }

    /// Reads all samples, interleaved. What is not in the file has the value `missing`.
    pub(super) fn read(
        &self,
        directory: &Directory<'_>,
        shown: Shown,
        missing: f64,
    ) -> Result<Samples, ImageProblem> {
        let little = directory.little;
        let (bits, bytes) = (self.bits, self.bits / 8);
        Ok(match (self.kind, bits) {
            (Kind::Unsigned, ..=8) => {
                Samples::U8(self.assemble(directory, shown.value(missing, bits) as u8, |row, values| {
                    let unpacked;
                    let row = if bits == 8 {
                        row
                    } else {
                        unpacked = unpack(row, row.len(), values.len(), bits as u8, shown.spread);
                        &unpacked
                    };
                    for (value, byte) in values.iter_mut().zip(row) {
                        *value = if shown.white_is_zero { 255 - byte } else { *byte };
                    }
                })?)
            }
            (Kind::Unsigned, 16) => {
                Samples::U16(self.assemble(directory, missing as u16, |row, values| {
                    let convert = if little { u16::from_le_bytes } else { u16::from_be_bytes };
                    for (value, pair) in values.iter_mut().zip(row.as_chunks().0) {
                        *value = convert(*pair);
                    }
                })?)
            }
            (kind, _) => Samples::F32(self.assemble(directory, missing as f32, |row, values| {
                for (value, digits) in values.iter_mut().zip(row.chunks_exact(bytes)) {
                    let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
                    let digits = digits.iter();
                    let number = if little { digits.rev().fold(0, join) } else { digits.fold(0, join) };
                    *value = as_f32(number, kind, bits);
                }
            })?),
        })
    }

    /// Reads every strip or tile and puts its rows into place; `convert` makes samples of a row's bytes, and those that are
    /// not in the file are `missing`.
    #[expect(
        clippy::indexing_slicing,
        reason = "columns and rows are limited to the image, for whose samples there is room"
    )]
    fn assemble<T: Copy + Default>(
        &self,
        directory: &Directory<'_>,
        missing: T,
        convert: impl Fn(&[u8], &mut [T]),
    ) -> Result<Vec<T>, ImageProblem> {
        let [chunk_width, chunk_height] = self.chunk;
        let across = self.width.div_ceil(chunk_width);
        let down = self.height.div_ceil(chunk_height);
        let planes = if self.planar { self.samples } else { 1 };
        let in_chunk = if self.planar { 1 } else { self.samples };
        let chunks = across as u64 * down as u64;
        if (self.places.len() as u64) < chunks.saturating_mul(planes as u64) {
            let places = self.places.len();
            return Err(damaged(format!(
                "{places} strips or tiles where {chunks} in each of {planes} planes belong"
            )));
        }
        let too_large = || damaged("strips or tiles too large for memory");
        let stride = chunk_width.checked_mul(in_chunk * self.bits).ok_or_else(too_large)?.div_ceil(8);
        let mut out = vec![missing; self.width * self.height * self.samples];
        let mut values = vec![T::default(); self.width.min(chunk_width) * in_chunk];
        for (number, place) in self.places.iter().enumerate().take(across * down * planes) {
            if *place == SPARSE {
                continue;
            }
            let (plane, chunk) = (number / (across * down), number % (across * down));
            let (x, y) = (chunk % across * chunk_width, chunk / across * chunk_height);
            let rows = chunk_height.min(self.height - y);
            let length = stride.checked_mul(self.chunk_rows(y)).ok_or_else(too_large)?;
            let mut data = self.chunk(directory, *place, length, stride)?;
            let columns = chunk_width.min(self.width - x);
            if self.predictor != Predictor::None {
                for row in data.to_mut().chunks_exact_mut(stride) {
                    self.undo_prediction(row, in_chunk, directory.little);
                }
            }
            for (row, bytes) in data.chunks_exact(stride).take(rows).enumerate() {
                let values = &mut values[..columns * in_chunk];
                convert(bytes, values);
                let at = ((y + row) * self.width + x) * self.samples + plane;
                let to = out[at..].iter_mut().step_by(planes);
                to.zip(values).for_each(|(to, value)| *to = *value);
            }
        }
        Ok(out)
    }

    /// The bytes of one strip or tile.
    fn chunk<'a>(
        &self,
        directory: &Directory<'a>,
        (offset, count): (u64, u64),
        length: usize,
        stride: usize,
    ) -> Result<Cow<'a, [u8]>, ImageProblem> {
        let beyond = || damaged("a strip or tile lies beyond the end of the file");
        let start = usize::try_from(offset).map_err(|_| beyond())?;
        // libtiff estimates a length of 0 where nothing is compressed, which some writers leave: what the rows need.
        let count = if count == 0 && self.compression == Compression::None { length as u64 } else { count };
        let end =
            usize::try_from(count).ok().and_then(|count| start.checked_add(count)).ok_or_else(beyond)?;
        let raw = directory.bytes.get(start..end).ok_or_else(beyond)?;
        if length as u64 > (raw.len() as u64).saturating_mul(self.compression.ratio()).saturating_add(1 << 16)
        {
            return Err(damaged(format!("{} bytes cannot hold a strip or tile of {length}", raw.len())));
        }
        if self.reversed && !matches!(self.compression, Compression::Jpeg { .. }) {
            let raw: Vec<u8> = raw.iter().map(|byte| byte.reverse_bits()).collect();
            return Ok(Cow::Owned(self.compression.expand(&raw, length, stride)?.into_owned()));
        }
        self.compression.expand(raw, length, stride)
    }

    /// Makes a row's values of its differences.
    #[expect(
        clippy::indexing_slicing,
        reason = "every place is at least a step from the row's beginning and before its end"
    )]
    fn undo_prediction(&self, row: &mut [u8], samples: usize, little: bool) {
        let bytes = self.bits / 8;
        let step = samples * bytes;
        match self.predictor {
            Predictor::None => {}
            Predictor::Horizontal => {
                for at in (step..row.len() / bytes * bytes).step_by(bytes) {
                    let number = |row: &[u8], at: usize| {
                        let digits = (0..bytes).map(|i| row[at + if little { bytes - 1 - i } else { i }]);
                        digits.fold(0_u32, |number, byte| number << 8 | u32::from(byte))
                    };
                    let sum = number(row, at).wrapping_add(number(row, at - step));
                    for i in 0..bytes {
                        row[at + i] = (sum >> (8 * if little { i } else { bytes - 1 - i })) as u8;
                    }
                }
            }
            Predictor::Float => {
                // Bytes of all samples by significance, each the difference from its neighbour.
                for at in samples..row.len() {
                    row[at] = row[at].wrapping_add(row[at - samples]);
                }
                let shuffled = row.to_vec();
                let count = row.len() / bytes;
                for (at, byte) in row.iter_mut().enumerate() {
                    let significance = if little { bytes - 1 - at % bytes } else { at % bytes };
                    *byte = shuffled[significance * count + at / bytes];
                }
            }
        }
    }
}

/// A sample's bits as a number. Values beyond 24 bits lose some; all of them are beyond a byte.
fn as_f32(number: u64, kind: Kind, bits: usize) -> f32 {
    match (kind, bits) {
        (Kind::Unsigned, _) => number as f32,
        // Its sign is the highest bit.
        (Kind::Signed, _) => ((number << (64 - bits)) as i64 >> (64 - bits)) as f32,
        (Kind::Float, 16) => f16::from_bits(number as u16).to_f32(),
        (Kind::Float, 32) => f32::from_bits(number as u32),
        (Kind::Float, _) => f64::from_bits(number) as f32,
    }
}
