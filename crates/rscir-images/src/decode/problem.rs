use rscir_core::ErrorKind;

use crate::Error;

/// The reason why an image cannot be decoded, or a window of it cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageProblem {
    /// The file has no content.
    #[error("the file is empty; fetch or copy the file again")]
    Empty,
    /// The content is of none of the formats that are read.
    #[error(
        "not an image of a known format: it begins with \"{beginning}\"; convert it to JPEG, PNG, TIFF, WebP or BMP"
    )]
    UnknownFormat {
        /// The first bytes of the content, escaped.
        beginning: String,
    },
    /// The file, or what decoding takes, has more bytes than the limit.
    #[error(
        "{bytes} bytes are more than the limit of {limit}; cut the image into smaller ones, or raise the limit"
    )]
    TooManyBytes {
        /// Number of bytes.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The image has more pixels than the limit.
    #[error(
        "{width} x {height} pixels are more than the limit of {limit}; cut the image into smaller ones, or raise the limit"
    )]
    TooManyPixels {
        /// Number of columns.
        width: u32,
        /// Number of rows.
        height: u32,
        /// The limit.
        limit: u64,
    },
    /// The header announces more pixels than the file can hold: the file was cut off, or made to exhaust memory.
    #[error(
        "{format}: {length} bytes cannot hold the {needed} bytes of pixels that the header announces: the file is cut short or its \
         header is wrong; fetch or copy the file again"
    )]
    TooLittleData {
        /// The format.
        format: &'static str,
        /// Bytes of pixels.
        needed: u64,
        /// Bytes of the file.
        length: usize,
    },
    /// Decoding takes far more memory than the length of the file justifies.
    #[error(
        "{format}: decoding {length} bytes takes {needed} bytes of memory, more than {limit} for each of the file's: a \
         decompression bomb, or one color all over; raise the limit if the file is trusted"
    )]
    Bomb {
        /// The format.
        format: &'static str,
        /// Bytes of memory.
        needed: u64,
        /// Bytes of the file.
        length: usize,
        /// The limit: bytes of memory for each byte of the file.
        limit: u64,
    },
    /// A JPEG file is damaged or of a kind that is not read.
    #[error("JPEG: {0}")]
    Jpeg(#[from] rscir_jpeg::Error),
    /// A file of another format is damaged.
    #[error("{format}: {source}; fetch or write the file again")]
    Damaged {
        /// The format.
        format: &'static str,
        /// The decoder's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A strip or tile of a TIFF file is damaged. Other strips and tiles may be sound.
    #[error("TIFF: strip or tile {block}, at byte {offset}: {source}; fetch or write the file again")]
    Block {
        /// Number of the strip or tile in the file's list, from 0.
        block: u64,
        /// Byte of the file at which the strip or tile begins.
        offset: u64,
        /// What is wrong with the strip or tile.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The source of the file's bytes failed.
    #[error("reading at byte {offset} failed: {source}")]
    Source {
        /// The first byte that was to be read.
        offset: u64,
        /// The source's error.
        source: std::io::Error,
    },
    /// A window has no pixels, or reaches beyond the image.
    #[error(
        "the window of {} x {} pixels from column {} and row {} does not lie in the image of {width} x {height}: choose one \
         within it",
        window.width, window.height, window.x, window.y
    )]
    Window {
        /// The window.
        window: crate::tiff::Window,
        /// Number of columns of the image.
        width: usize,
        /// Number of rows of the image.
        height: usize,
    },
    /// The file is valid, but of a kind that is not read.
    #[error("{format}: {kind} is not supported; convert the file to PNG or an uncompressed TIFF")]
    Unsupported {
        /// The format.
        format: &'static str,
        /// The compression, type of samples or other property that is not read.
        kind: String,
    },
    /// The image has several bands, and it is not known which are red, green and blue.
    #[error(
        "{bands} bands of {bits} bits and no color interpretation: three of them must be chosen as red, green and blue{}",
        if *bits > 8 { ", and a stretch of their values to bytes" } else { "" }
    )]
    NeedsBands {
        /// Number of bands of the image.
        bands: usize,
        /// Bits of a sample.
        bits: u32,
    },
    /// A band was chosen that the image does not have.
    #[error("band {band} is chosen, but the image has {bands}, counted from 0: choose among them")]
    NoBand {
        /// The band that was chosen, counted from 0.
        band: usize,
        /// Number of bands of the image.
        bands: usize,
    },
}

/// A choice of the caller by which an image can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// Choose three of the file's bands ([`Decoding::bands`](rscir_core::Decoding::bands)) and, if they have more than
    /// 8 bits, a stretch ([`Decoding::stretch`](rscir_core::Decoding::stretch)).
    Bands {
        /// Number of bands of the file.
        bands: usize,
        /// Bits of a sample.
        bits: u32,
    },
    /// Choose other bands: the file has fewer than the chosen ones ask for.
    OtherBands {
        /// Number of bands of the file.
        bands: usize,
    },
    /// Raise the limit of memory ([`DecodeLimits::max_expansion`](crate::DecodeLimits::max_expansion)), if the file is
    /// trusted.
    MaxExpansion,
}

impl ImageProblem {
    /// Returns the kind of the error, by which a program decides what to do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Empty | Self::TooLittleData { .. } | Self::Damaged { .. } | Self::Block { .. } => {
                ErrorKind::Damaged
            }
            Self::Source { source, .. } => source.into(),
            Self::UnknownFormat { .. } | Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::TooManyBytes { .. } | Self::TooManyPixels { .. } | Self::Bomb { .. } => ErrorKind::TooLarge,
            Self::Jpeg(error) => match error {
                rscir_jpeg::Error::TooManyPixels { .. } | rscir_jpeg::Error::TooManyScans { .. } => {
                    ErrorKind::TooLarge
                }
                rscir_jpeg::Error::Unsupported { .. } => ErrorKind::Unsupported,
                _ => ErrorKind::Damaged,
            },
            Self::NeedsBands { .. } | Self::NoBand { .. } | Self::Window { .. } => ErrorKind::InvalidInput,
        }
    }

    /// Returns the choice by which the image can be decoded, or `None` if there is none.
    pub fn remedy(&self) -> Option<Remedy> {
        match *self {
            Self::NeedsBands { bands, bits } => Some(Remedy::Bands { bands, bits }),
            Self::NoBand { bands, .. } => Some(Remedy::OtherBands { bands }),
            Self::Bomb { .. } => Some(Remedy::MaxExpansion),
            _ => None,
        }
    }
}

impl From<ImageProblem> for Error {
    fn from(problem: ImageProblem) -> Self {
        Self::Pixels(Box::new(problem))
    }
}
