//! The format of a file, and checks of sizes before memory is allocated.

use super::{ImageProblem, Settings};
use rscir_core::Stretch;

/// Bytes of pixels that the header of any file may announce, however short the file is: so few do no harm.
const FREE_BYTES: u64 = 1 << 20;
/// Bytes of memory that decoding any file may take, however short the file is.
const FREE_MEMORY: u64 = 192 << 20;
/// Number of first bytes of a file of no known format that its error shows.
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
    /// Returns the format whose signature the file has.
    ///
    /// # Errors
    /// [`ImageProblem::Empty`] for no bytes, [`ImageProblem::UnknownFormat`] for other content.
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

/// Returns the number of pixels, width times height.
///
/// # Errors
/// [`ImageProblem::TooManyPixels`] if the limit is lower.
pub(super) fn check_pixels(width: u32, height: u32, options: Settings<'_>) -> Result<u64, ImageProblem> {
    let limit = options.limits.max_pixels;
    match u64::from(width) * u64::from(height) {
        pixels if pixels > limit => Err(ImageProblem::TooManyPixels { width, height, limit }),
        pixels => Ok(pixels),
    }
}

/// Refuses a file of `length` bytes that announces `needed` bytes of pixels, if a byte of its format can stand for at
/// most `most` bytes of pixels.
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

/// Refuses an image that takes more memory than the length of its file justifies: `decoding` bytes in the decoder, and
/// those of the result.
pub(super) fn check_memory(
    format: Format,
    pixels: u64,
    decoding: u64,
    length: usize,
    options: Settings<'_>,
) -> Result<(), ImageProblem> {
    // A pixel takes three bytes of RGB and one of a palette's index, and four more where percentiles sort a copy of a
    // band. In an image of bands each value takes four bytes.
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

/// Converts a number of bytes to `usize`.
///
/// # Errors
/// [`ImageProblem::TooManyBytes`] if memory cannot have so many.
pub(super) fn size(bytes: u64) -> Result<usize, ImageProblem> {
    usize::try_from(bytes).map_err(|_| ImageProblem::TooManyBytes { bytes, limit: usize::MAX as u64 })
}
