//! What the first bytes of a file tell, and checks before anything is allocated.

use super::{ImageProblem, Settings};
use rscir_core::Stretch;

/// Bytes of pixels that any file may have: a header does no harm below.
const FREE_BYTES: u64 = 1 << 20;
/// Bytes of memory that decoding any file may take.
const FREE_MEMORY: u64 = 192 << 20;
/// Bytes of a file that is no image which are shown for people to recognize it.
const SHOWN_BYTES: usize = 16;

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
    Tiff,
    WebP,
    Bmp,
}

impl Format {
    /// The format whose signature the file has.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, ImageProblem> {
        match bytes {
            [] => Err(ImageProblem::Empty),
            [0xFF, 0xD8, 0xFF, ..] => Ok(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Ok(Self::Png),
            // Classic and BigTIFF, in both byte orders.
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Ok(Self::Tiff),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Self::WebP),
            [b'B', b'M', ..] => Ok(Self::Bmp),
            _ => {
                let beginning = bytes.get(..SHOWN_BYTES).unwrap_or(bytes).escape_ascii().to_string();
                Err(ImageProblem::UnknownFormat { beginning })
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Tiff => "TIFF",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
        }
    }

    pub(super) fn damaged(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageProblem {
        ImageProblem::Damaged { format: self.name(), source: source.into() }
    }

    pub(super) fn unsupported(self, kind: String) -> ImageProblem {
        ImageProblem::Unsupported { format: self.name(), kind }
    }
}

/// Width times height, within the limit.
pub(super) fn check_pixels(width: u32, height: u32, options: Settings<'_>) -> Result<u64, ImageProblem> {
    let limit = options.limits.max_pixels;
    match u64::from(width) * u64::from(height) {
        pixels if pixels > limit => Err(ImageProblem::TooManyPixels { width, height, limit }),
        pixels => Ok(pixels),
    }
}

/// Refuses `needed` bytes of pixels from a file of `length` bytes each of which stands for `most` bytes at best.
pub(super) fn check_content(
    format: Format,
    needed: u64,
    length: usize,
    most: u64,
) -> Result<(), ImageProblem> {
    if needed > (length as u64).saturating_mul(most).saturating_add(FREE_BYTES) {
        return Err(ImageProblem::TooLittleData { format: format.name(), needed, length });
    }
    Ok(())
}

/// Refuses an image that takes more memory than its file justifies: `decoding` bytes in the decoder, and what becomes of
/// them in RGB.
pub(super) fn check_memory(
    format: Format,
    pixels: u64,
    decoding: u64,
    length: usize,
    options: Settings<'_>,
) -> Result<(), ImageProblem> {
    // Three bytes of RGB and one of a palette's indices; percentiles sort a band. Values of bands have four each, which the
    // samples in the file justify.
    let each = if matches!(options.decoding.stretch, Stretch::Percentile(..)) { 8 } else { 4 };
    let bands = match &options.decoding.bands {
        _ if !options.as_bands => 0,
        Some(bands) => 4 * bands.len() as u64,
        None => decoding.div_ceil(pixels.max(1)).saturating_mul(4),
    };
    let each = bands.saturating_add(each);
    let needed = pixels.saturating_mul(each).saturating_add(decoding);
    if needed > (length as u64).saturating_mul(options.limits.max_expansion).max(FREE_MEMORY) {
        let limit = options.limits.max_expansion;
        return Err(ImageProblem::Bomb { format: format.name(), needed, length, limit });
    }
    Ok(())
}

/// A number of bytes that memory can have.
pub(super) fn size(bytes: u64) -> Result<usize, ImageProblem> {
    usize::try_from(bytes).map_err(|_| ImageProblem::TooManyBytes { bytes, limit: usize::MAX as u64 })
}
