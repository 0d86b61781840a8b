//! From the bytes of a strip or tile in the file to the bytes of its samples.

mod deflate;
mod jpeg;
mod lzw;
mod packbits;

use std::borrow::Cow;

use super::directory::Directory;
use super::{ReadAt, damaged, tag, unsupported};
use crate::ImageProblem;

/// How a file's samples are compressed (TIFF 6.0, sections 3, 9, 13, 22, and Adobe's technical notes for 8 and 7).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Jpeg(jpeg::Shared),
}

impl Compression {
    pub(super) fn of(source: &dyn ReadAt, directory: &Directory) -> Result<Self, ImageProblem> {
        Ok(match directory.value(source, tag::COMPRESSION, 1)? {
            1 => Self::None,
            5 => Self::Lzw,
            8 | 32_946 => Self::Deflate,
            32_773 => Self::PackBits,
            7 => Self::Jpeg(jpeg::Shared::of(source, directory)?),
            other => return Err(unsupported(format!("compression {other}"))),
        })
    }

    /// True if what is stored can be differences (TIFF 6.0, section 14).
    pub(super) fn is_predicted(&self) -> bool {
        matches!(self, Self::Lzw | Self::Deflate)
    }

    /// True if each strip or tile is coded as an image of its own.
    pub(crate) fn is_image(&self) -> bool {
        matches!(self, Self::Jpeg(_))
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
        }
    }

    /// The `length` bytes of a block, of rows of `stride` bytes.
    pub(super) fn expand(
        &self,
        raw: Cow<'_, [u8]>,
        length: usize,
        stride: usize,
    ) -> Result<Vec<u8>, ImageProblem> {
        let mut out = match self {
            Self::None => raw.into_owned(),
            Self::Lzw => lzw::expand(&raw, length)?,
            Self::Deflate => deflate::expand(&raw, length)?,
            Self::PackBits => packbits::expand(&raw, length),
            Self::Jpeg(shared) => shared.expand(&raw, length, stride)?,
        };
        if out.len() < length {
            return Err(damaged(format!("there are {} bytes where {length} belong", out.len())));
        }
        out.truncate(length);
        Ok(out)
    }
}
