//! Reads TIFF and BigTIFF files window by window, in memory that does not grow with the file.
//!
//! Both byte orders are read; strips and tiles, contiguous and planar; integers of 1 to 64 bits and floats of 16 to 64
//! bits; samples that are uncompressed, or compressed by PackBits, LZW, deflate, JPEG, Zstandard, WebP, LERC, LZMA or
//! facsimile's codes.
//!
//! [`Tiff::open`] opens a file, [`Tiff::image`] is its first image, the scene, and [`TiffImage::read_window`] reads
//! samples as the file has them. [`decode`](crate::decode()) reads whole files by the same code and converts them to
//! RGB. One thing differs: if strips or tiles are JPEG with less chroma than lightness, windows have the pixels of the
//! GDAL in rasterio's wheels (IJG's libjpeg 9), and whole files those of Pillow (libjpeg-turbo).
//!
//! Sizes in a file are checked before memory is taken: a strip or tile may have at most as many bytes as its compressed
//! bytes can stand for, and directories that lead to each other in a circle are read once. A damaged strip or tile is
//! an error only of the windows that touch it.

#![deny(clippy::indexing_slicing)]

mod block;
mod cache;
mod codec;
mod directory;
mod file;
mod image;
mod layout;
mod places;
mod predictor;
mod read_at;
mod samples;
pub(crate) mod tag;
mod tags;
mod window;

use std::io;

use rscir_jpeg::Library;

pub use cache::BlockCache;
pub(crate) use directory::{Directory, Form};
pub use file::Tiff;
pub(crate) use image::Parts;
pub use image::TiffImage;
pub use read_at::{ReadAt, RegularFile};
pub(crate) use samples::{Sample, each_type};
pub use samples::{SampleFormat, SampleType, Samples};
pub use tags::{ExtraSample, GeoTags, Photometric};
pub use window::Window;

use crate::ImageProblem;

pub(crate) fn damaged(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageProblem {
    ImageProblem::Damaged { format: "TIFF", source: problem.into() }
}

pub(crate) fn unsupported(kind: impl Into<String>) -> ImageProblem {
    ImageProblem::Unsupported { format: "TIFF", kind: kind.into() }
}

fn read_failed(offset: u64, source: io::Error) -> ImageProblem {
    ImageProblem::Source { offset, source }
}

/// The library whose pixels windows have if a block is a JPEG stream: that of the GDAL in rasterio's wheels, with whose
/// windows ours are compared. Whole images have the pixels of Pillow, which uses another library.
const WINDOWS_OF: Library = Library::Ijg;

/// Reads the directory of the first image of a file. The image's JPEG streams are decoded as Pillow decodes them.
pub(crate) fn first(source: &dyn ReadAt) -> Result<Parts, ImageProblem> {
    let (form, at) = Form::read(source)?;
    Parts::of(source, Directory::read(source, form, at)?, Library::Turbo)
}
