//! Decompression of strips and tiles: from their bytes in the file to the bytes of their samples.

mod deflate;
mod fax;
mod jpeg;
mod lerc;
mod lzma;
mod lzw;
mod packbits;
mod webp;
mod zstd;

use std::borrow::Cow;
use std::io::Read;

use rscir_jpeg::Library;

use super::directory::Directory;
use super::{ReadAt, damaged, tag, unsupported};
use crate::ImageProblem;

/// The compression of a file's samples (TIFF 6.0, sections 3, 9, 10, 11, 13 and 22; Adobe's technical notes for codes 7
/// and 8; libtiff and GDAL for the others).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Jpeg(jpeg::Shared),
    Zstd,
    WebP,
    Lerc(lerc::Inner),
    Lzma,
    Fax(fax::Scheme),
}

/// The size that a decompressed block must have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) width: usize,
    pub(super) rows: usize,
    /// Number of samples of a pixel.
    pub(super) bands: usize,
    /// Number of bytes of a row.
    pub(super) stride: usize,
    /// Number of bytes of all rows.
    pub(super) length: usize,
}

impl Compression {
    pub(super) fn of(
        source: &dyn ReadAt,
        directory: &Directory,
        library: Library,
    ) -> Result<Self, ImageProblem> {
        Ok(match directory.value(source, tag::COMPRESSION, 1)? {
            1 => Self::None,
            2 => Self::Fax(fax::Scheme::Rows { of_bytes: 1 }),
            3 if directory.value(source, tag::T4_OPTIONS, 0)? & 1 != 0 => {
                Self::Fax(fax::Scheme::Group3ByAbove)
            }
            3 => Self::Fax(fax::Scheme::Group3),
            4 => Self::Fax(fax::Scheme::Group4),
            5 => Self::Lzw,
            7 => Self::Jpeg(jpeg::Shared::of(source, directory, library)?),
            8 | 32_946 => Self::Deflate,
            32_771 => Self::Fax(fax::Scheme::Rows { of_bytes: 2 }),
            32_773 => Self::PackBits,
            34_887 => Self::Lerc(lerc::Inner::of(source, directory)?),
            34_925 => Self::Lzma,
            50_000 => Self::Zstd,
            50_001 => Self::WebP,
            other => return Err(unsupported(named(other))),
        })
    }

    /// Tells whether the stored numbers can be differences (TIFF 6.0, section 14).
    pub(super) fn is_predicted(&self) -> bool {
        matches!(self, Self::Lzw | Self::Deflate | Self::Zstd | Self::Lzma)
    }

    /// Tells whether each strip or tile is coded as an image of its own, with its size.
    pub(crate) fn is_image(&self) -> bool {
        matches!(self, Self::Jpeg(_) | Self::WebP | Self::Lerc(_))
    }

    /// Tells whether decompression converts luminance and color differences to red, green and blue.
    pub(crate) fn is_rgb(&self) -> bool {
        matches!(self, Self::Jpeg(shared) if shared.is_converted())
    }

    /// Returns the most bytes that a byte of the file can stand for.
    pub(crate) fn ratio(&self) -> u64 {
        match self {
            Self::None => 1,
            // A code of 12 bits stands for at most the longest string in a table of 4,096.
            Self::Lzw => 4096 * 8 / 12,
            Self::Deflate => deflate::RATIO,
            // Two bytes stand for a run of at most 128.
            Self::PackBits => 64,
            // Six blocks of at least one bit stand for 16 x 16 pixels of three bytes.
            Self::Jpeg(_) => 1024,
            // A match of 273 bytes takes at least ten decisions, each of at least 0.02 bits.
            Self::Lzma => 1 << 16,
            // Samples of one value may take no bits, so that only the size of the block limits them.
            Self::Zstd | Self::WebP | Self::Lerc(_) => u64::MAX,
            // A row that equals the one above takes one bit, whatever its width.
            Self::Fax(_) => u64::MAX,
        }
    }

    /// Checks that the compression can have samples of so many bits and bands.
    ///
    /// # Errors
    /// [`ImageProblem::Unsupported`] if not.
    pub(super) fn check(&self, bits: usize, bands: usize) -> Result<(), ImageProblem> {
        let kind = match self {
            Self::Jpeg(_) if bits != 8 => "JPEG",
            Self::WebP if bits != 8 || !(3..=4).contains(&bands) => "WebP",
            Self::Lerc(_) if ![8, 16, 32, 64].contains(&bits) => "LERC",
            Self::Fax(_) if bits != 1 || bands != 1 => "facsimile's codes",
            _ => return Ok(()),
        };
        Err(unsupported(format!("{kind} of {bands} x {bits} bits")))
    }

    /// Decompresses a block to exactly the bytes that are wanted.
    ///
    /// # Errors
    /// [`ImageProblem::Damaged`] if there are fewer, or the data are damaged.
    pub(super) fn expand(&self, raw: Cow<'_, [u8]>, wanted: Wanted) -> Result<Vec<u8>, ImageProblem> {
        let length = wanted.length;
        let mut out = match self {
            Self::None => raw.into_owned(),
            Self::Lzw => lzw::expand(&raw, length)?,
            Self::Deflate => deflate::expand(&raw, length)?,
            Self::PackBits => packbits::expand(&raw, length),
            Self::Jpeg(shared) => shared.expand(&raw, wanted)?,
            Self::Zstd => zstd::expand(&raw, length)?,
            Self::WebP => webp::expand(&raw, wanted)?,
            Self::Lerc(inner) => inner.expand(&raw, wanted)?,
            Self::Lzma => lzma::expand(&raw, length)?,
            Self::Fax(scheme) => scheme.expand(&raw, wanted)?,
        };
        if out.len() < length {
            return Err(damaged(format!("there are {} bytes where {length} belong", out.len())));
        }
        out.truncate(length);
        Ok(out)
    }
}

/// The number of bytes for which a byte of the file usually stands at most. Memory is first allocated for so many, and
/// more when they come, so that a file with a wrong size does not exhaust memory.
const USUAL_RATIO: usize = 16;

/// Reads up to `length` bytes from a decoder whose input has `raw` bytes.
fn first(raw: usize, length: usize, decoder: impl Read) -> Result<Vec<u8>, ImageProblem> {
    let mut out = Vec::with_capacity(length.min(raw.saturating_mul(USUAL_RATIO)));
    decoder.take(length as u64).read_to_end(&mut out).map_err(damaged)?;
    Ok(out)
}

/// Returns the name of a compression that is not read (libtiff, tiff.h; Adobe's DNG).
fn named(number: u64) -> String {
    let name = match number {
        6 => "old-style JPEG",
        9 | 10 | 34_661 => "JBIG",
        32_766 => "NeXT",
        32_809 => "ThunderScan",
        33_003 | 33_005 | 34_712 => "JPEG 2000",
        34_676 | 34_677 => "SGILog",
        34_892 => "lossy JPEG of DNG",
        50_002 | 52_546 => "JPEG XL",
        other => return format!("compression {other}"),
    };
    format!("{name} (compression {number})")
}
