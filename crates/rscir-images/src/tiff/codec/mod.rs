//! From the bytes of a strip or tile in the file to the bytes of its samples.

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

/// How a file's samples are compressed (TIFF 6.0, sections 3, 9, 10, 11, 13, 22; Adobe's technical notes for 8 and 7; libtiff's
/// and GDAL's for the others).
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

/// What belongs in a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) width: usize,
    pub(super) rows: usize,
    /// Samples of a pixel.
    pub(super) bands: usize,
    /// Bytes of a row.
    pub(super) stride: usize,
    /// Bytes of all rows.
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

    /// True if what is stored can be differences (TIFF 6.0, section 14).
    pub(super) fn is_predicted(&self) -> bool {
        matches!(self, Self::Lzw | Self::Deflate | Self::Zstd | Self::Lzma)
    }

    /// True if each strip or tile is coded as an image of its own, which says its size.
    pub(crate) fn is_image(&self) -> bool {
        matches!(self, Self::Jpeg(_) | Self::WebP | Self::Lerc(_))
    }

    /// True if the samples are red, green and blue, whatever the file says that they were made of.
    pub(crate) fn is_rgb(&self) -> bool {
        matches!(self, Self::Jpeg(shared) if shared.is_converted())
    }

    /// The most bytes that a byte of the file stands for.
    pub(crate) fn ratio(&self) -> u64 {
        match self {
            Self::None => 1,
            // The longest string of a table of 4,096 in 12 bits.
            Self::Lzw => 4096 * 8 / 12,
            Self::Deflate => deflate::RATIO,
            // A run of 128 in two bytes.
            Self::PackBits => 64,
            // Six blocks of a bit each for 16 x 16 pixels of three bytes.
            Self::Jpeg(_) => 1024,
            // A match of 273 bytes takes ten decisions or more, and each 0.02 bits at least.
            Self::Lzma => 1 << 16,
            // A block of one value may take no bits at all: the size that the block must have is the limit.
            Self::Zstd | Self::WebP | Self::Lerc(_) => u64::MAX,
            // A row like the one above is one bit.
            Self::Fax(_) => u64::MAX,
        }
    }

    /// Refuses samples that the compression cannot have.
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

    /// The bytes of a block.
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

/// What a byte of the file usually stands for at most: room is made for so much at first, and more as it comes, so that a
/// file that promises more than it has takes no memory.
const USUAL_RATIO: usize = 16;

/// Reads up to `length` bytes of a decoder of `raw` bytes.
fn first(raw: usize, length: usize, decoder: impl Read) -> Result<Vec<u8>, ImageProblem> {
    let mut out = Vec::with_capacity(length.min(raw.saturating_mul(USUAL_RATIO)));
    decoder.take(length as u64).read_to_end(&mut out).map_err(damaged)?;
    Ok(out)
}

/// The name of a compression that is not read (libtiff, tiff.h; Adobe's DNG).
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
