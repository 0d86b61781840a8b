use rscir_core::ErrorKind;

use crate::Error;

/// Why an image cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageProblem {
    /// The file has no content.
    #[error("the file is empty")]
    Empty,
    /// The content is none of the formats that are read.
    #[error(
        "not an image of a known format: it begins with \"{beginning}\"; read are JPEG, PNG, TIFF, WebP, BMP"
    )]
    UnknownFormat {
        /// Its first bytes, escaped.
        beginning: String,
    },
    /// A larger file than the limit.
    #[error("{bytes} bytes are more than the limit of {limit}")]
    TooManyBytes {
        /// Bytes of the file.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More pixels than the limit.
    #[error("{width} x {height} pixels are more than the limit of {limit}")]
    TooManyPixels {
        /// Pixels in a row.
        width: u32,
        /// Number of rows.
        height: u32,
        /// The limit.
        limit: u64,
    },
    /// A header that promises more pixels than the file can hold: cut off, or made to exhaust memory.
    #[error("{format}: {length} bytes cannot hold the {needed} bytes of pixels that the header tells of")]
    TooLittleData {
        /// The format.
        format: &'static str,
        /// Bytes of pixels.
        needed: u64,
        /// Bytes of the file.
        length: usize,
    },
    /// An image that takes far more memory than its file is long.
    #[error(
        "{format}: decoding {length} bytes takes {needed} bytes of memory, more than {limit} for each of the file's: a \
         decompression bomb, or one color all over"
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
    /// A damaged or unsupported JPEG file.
    #[error("JPEG: {0}")]
    Jpeg(#[from] rscir_jpeg::Error),
    /// A damaged file of another format.
    #[error("{format}: {source}")]
    Damaged {
        /// The format.
        format: &'static str,
        /// What the decoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A strip or tile of a TIFF file is damaged; others may be sound.
    #[error("TIFF: strip or tile {block}, at byte {offset}: {source}")]
    Block {
        /// Its number in the file's list, from 0.
        block: u64,
        /// Where it lies in the file.
        offset: u64,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A source of bytes failed.
    #[error("reading at byte {offset} failed: {source}")]
    Source {
        /// Where was read.
        offset: u64,
        /// What the source said.
        source: std::io::Error,
    },
    /// A window that has no pixels or does not lie in the image.
    #[error(
        "the window of {} x {} pixels from column {} and row {} does not lie in the image of {width} x {height}",
        window.width, window.height, window.x, window.y
    )]
    Window {
        /// The window.
        window: crate::tiff::Window,
        /// Columns of the image.
        width: usize,
        /// Rows of the image.
        height: usize,
    },
    /// A valid file of a kind that is not read.
    #[error("{format}: {kind} is not supported; convert the file to PNG or an uncompressed TIFF")]
    Unsupported {
        /// The format.
        format: &'static str,
        /// What the file uses.
        kind: String,
    },
    /// An image of several bands, none of which is known to be red.
    #[error(
        "{bands} bands of {bits} bits and no color interpretation: three of them must be chosen as red, green and blue{}",
        if *bits > 8 { ", and a stretch of their values to bytes" } else { "" }
    )]
    NeedsBands {
        /// How many there are.
        bands: usize,
        /// Bits of a sample.
        bits: u32,
    },
    /// A chosen band that the image does not have.
    #[error("band {band} is chosen, but the image has {bands}, counted from 0")]
    NoBand {
        /// The band that was chosen.
        band: usize,
        /// How many there are.
        bands: usize,
    },
}

/// What a caller can choose so that an image is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// Three of the file's bands and, where they have more than 8 bits, a stretch:
    /// [`Decoding::bands`](rscir_core::Decoding::bands), [`Decoding::stretch`](rscir_core::Decoding::stretch).
    Bands {
        /// How many there are.
        bands: usize,
        /// Bits of a sample.
        bits: u32,
    },
    /// Other bands than the chosen ones: the file has fewer.
    OtherBands {
        /// How many there are.
        bands: usize,
    },
    /// A higher limit of memory, if the file is trusted:
    /// [`DecodeLimits::max_expansion`](crate::DecodeLimits::max_expansion).
    MaxExpansion,
}

impl ImageProblem {
    /// Returns what a caller can do about it.
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

    /// Returns what a caller can choose so that the image is decoded, if there is something.
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
