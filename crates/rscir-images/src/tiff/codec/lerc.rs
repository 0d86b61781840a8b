//! LERC (Esri's Limited Error Raster Compression), alone or within deflate or Zstandard, as GDAL writes it.

use std::borrow::Cow;

use lerc_core::PixelData;
use lerc_reader::{InspectOptions, decode_first, decode_first_with_mask, inspect_first_with_options};

use super::{Wanted, deflate, zstd};
use crate::ImageProblem;
use crate::tiff::directory::Directory;
use crate::tiff::samples::SampleFormat;
use crate::tiff::{ReadAt, damaged, tag, unsupported};

/// Bytes of headers and masks by which a LERC stream may be longer than twice the samples of its block.
const OVERHEAD: usize = 1 << 16;

/// The compression around a LERC stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    Deflate,
    Zstd,
}

/// The coding of blocks and the type of their samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inner {
    around: Around,
    format: SampleFormat,
    /// Number of bytes of a sample.
    bytes: usize,
}

impl Inner {
    pub(super) fn of(source: &dyn ReadAt, directory: &Directory) -> Result<Self, ImageProblem> {
        let parameters = directory.values(source, tag::LERC_PARAMETERS)?.unwrap_or_default();
        let around = match parameters.get(1) {
            None | Some(0) => Around::Nothing,
            Some(1) => Around::Deflate,
            Some(2) => Around::Zstd,
            Some(other) => return Err(unsupported(format!("LERC within compression {other}"))),
        };
        let format = match directory.value(source, tag::SAMPLE_FORMAT, 1)? {
            2 => SampleFormat::Signed,
            3 => SampleFormat::Float,
            _ => SampleFormat::Unsigned,
        };
        let bytes = directory.value(source, tag::BITS, 1)? as usize / 8;
        Ok(Self { around, format, bytes })
    }

    /// Decodes a block to samples with the least significant byte first. In a file of the other order libtiff swaps the
    /// bytes of samples before they are coded, so that the result has the order of the file.
    ///
    /// # Errors
    /// [`ImageProblem::Damaged`] if the stream is damaged, or its size, bands or type are not those of the block.
    pub(super) fn expand(self, raw: &[u8], wanted: Wanted) -> Result<Vec<u8>, ImageProblem> {
        let most = wanted.length.saturating_mul(2).saturating_add(OVERHEAD);
        let stream = match self.around {
            Around::Nothing => Cow::Borrowed(raw),
            Around::Deflate => Cow::Owned(deflate::expand(raw, most)?),
            Around::Zstd => Cow::Owned(zstd::expand(raw, most)?),
        };
        let pixels = wanted.width * wanted.rows;
        let mut out = vec![0; wanted.length];
        let mut mask: Option<Vec<u8>> = None;
        let (mut rest, mut band) = (&*stream, 0);
        while !rest.is_empty() && band < wanted.bands {
            // The header is compared with the block before memory is allocated for the image.
            let quick = InspectOptions::new().with_compute_value_range(false);
            let info = inspect_first_with_options(rest, quick).map_err(damaged)?;
            let depth = info.depth as usize;
            if (info.width as usize, info.height as usize) != (wanted.width, wanted.rows)
                || depth == 0
                || depth > wanted.bands - band
            {
                let (width, height) = (info.width, info.height);
                return Err(damaged(format!(
                    "it is a LERC image of {width} x {height} pixels of {depth} bands"
                )));
            }
            // A band without a mask of its own may have that of the band before.
            let decoded = match &mask {
                Some(mask) if info.uses_external_mask() => decode_first_with_mask(rest, mask),
                _ => decode_first(rest),
            };
            let decoded = decoded.map_err(damaged)?;
            self.put(&decoded.pixels, decoded.mask.as_deref(), (band, depth, wanted.bands), &mut out)?;
            band += depth;
            mask = decoded.mask.or(mask);
            rest = rest.get(decoded.info.blob_size.max(1)..).unwrap_or_default();
        }
        if band + 1 == wanted.bands && self.bytes == 1 {
            // In images of bytes an alpha is stored as the mask of the other bands.
            let valid = |pixel: usize| mask.as_ref().is_none_or(|mask| mask.get(pixel) != Some(&0));
            let alphas = out.iter_mut().skip(band).step_by(wanted.bands);
            (0..pixels)
                .zip(alphas)
                .for_each(|(pixel, alpha)| *alpha = if valid(pixel) { u8::MAX } else { 0 });
        } else if band < wanted.bands {
            return Err(damaged(format!("it has {band} bands, and {} belong", wanted.bands)));
        }
        Ok(out)
    }

    /// Copies `depth` bands to the positions from band `band` on, of `bands` that a pixel has. Floats that the mask
    /// leaves out become NaN.
    fn put(
        self,
        pixels: &PixelData,
        mask: Option<&[u8]>,
        (band, depth, bands): (usize, usize, usize),
        out: &mut [u8],
    ) -> Result<(), ImageProblem> {
        macro_rules! put {
            ($values:expr, $missing:expr) => {
                for (number, (pixel, values)) in
                    out.chunks_exact_mut(bands * self.bytes).zip($values.chunks_exact(depth)).enumerate()
                {
                    let missing = mask.is_some_and(|mask| mask.get(number) == Some(&0));
                    let places = pixel.chunks_exact_mut(self.bytes).skip(band);
                    for (place, value) in places.zip(values) {
                        let value = if missing { $missing(*value) } else { *value };
                        place.copy_from_slice(&value.to_le_bytes());
                    }
                }
            };
        }
        match (pixels, self.format, self.bytes) {
            (PixelData::I8(values), SampleFormat::Signed, 1) => put!(values, |value| value),
            (PixelData::U8(values), SampleFormat::Unsigned, 1) => put!(values, |value| value),
            (PixelData::I16(values), SampleFormat::Signed, 2) => put!(values, |value| value),
            (PixelData::U16(values), SampleFormat::Unsigned, 2) => put!(values, |value| value),
            (PixelData::I32(values), SampleFormat::Signed, 4) => put!(values, |value| value),
            (PixelData::U32(values), SampleFormat::Unsigned, 4) => put!(values, |value| value),
            (PixelData::F32(values), SampleFormat::Float, 4) => put!(values, |_| f32::NAN),
            (PixelData::F64(values), SampleFormat::Float, 8) => put!(values, |_| f64::NAN),
            (other, ..) => {
                let kind = other.data_type().name();
                return Err(damaged(format!(
                    "it is a LERC image of the type {kind}, and the file says another"
                )));
            }
        }
        Ok(())
    }
}
