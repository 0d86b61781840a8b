//! TIFF and BigTIFF files read window by window, in memory that does not grow with the file.
//!
//! Both byte orders; strips and tiles, contiguous and planar; whole numbers of 1 to 64 bits and floats of 16 to 64;
//! uncompressed, PackBits, LZW, deflate, JPEG, Zstandard, WebP, LERC, LZMA and facsimile's codes. Of [`Tiff`], [`Tiff::image`] is the scene; [`TiffImage::read_window`] gives
//! its samples as the file has them. [`decode`](crate::decode()) reads whole files of all formats by the same code, and makes
//! RGB of them. One thing differs: where strips or tiles are JPEG with less chroma than lightness, windows have the pixels of
//! GDAL as rasterio's wheels have it (IJG's libjpeg 9), and whole files those of Pillow (libjpeg-turbo).
//!
//! A file is never taken at its word: strips and tiles are no longer than what the file has can stand for, directories that
//! lead to themselves end, and a damaged strip or tile spoils the windows that touch it and no others.

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

/// The library whose pixels windows have where a block is a JPEG stream: that of the GDAL whose windows are compared with, the
/// one in the wheels of rasterio. Whole images have the pixels of Pillow, whose library is another.
const WINDOWS_OF: Library = Library::Ijg;

/// The first image of a file in memory, as far as its directory tells. It is decoded as Pillow decodes it.
pub(crate) fn first(source: &dyn ReadAt) -> Result<Parts, ImageProblem> {
    let (form, at) = Form::read(source)?;
    Parts::of(source, Directory::read(source, form, at)?, Library::Turbo)
}
