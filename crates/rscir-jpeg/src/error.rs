//! Why a file was not decoded.

use std::fmt;

/// A file that was not decoded. Offsets count bytes from the start of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not begin with the start-of-image marker `FF D8 FF`.
    #[error("not a JPEG file: it does not begin with FF D8 FF")]
    NotJpeg,
    /// The file ends before the image does.
    #[error("the file is truncated: byte {offset} is needed and not there; fetch or copy the file again")]
    Truncated {
        /// Where the next byte was looked for.
        offset: usize,
    },
    /// The entropy-coded data cannot hold an image of this size, which is above a million pixels: it has fewer bits than
    /// the image has 8 x 8 blocks.
    #[error("{bytes} bytes of image data are too few for {width} x {height} pixels")]
    TooLittleData {
        /// Width that the header tells, in pixels.
        width: u32,
        /// Height that the header tells, in pixels.
        height: u32,
        /// Bytes from the first scan header to the end of the file.
        bytes: usize,
    },
    /// The image has more pixels than the caller allows.
    #[error(
        "{width} x {height} pixels are more than the limit of {max_pixels}; raise Limits::max_pixels to decode it"
    )]
    TooManyPixels {
        /// Width that the header tells, in pixels.
        width: u32,
        /// Height that the header tells, in pixels.
        height: u32,
        /// The limit it exceeds.
        max_pixels: u64,
    },
    /// The width or the height is zero, or more than libjpeg's 65,500.
    #[error("an image of {width} x {height} pixels cannot be decoded; each side must be 1 to 65500")]
    Dimensions {
        /// Width that the header tells, in pixels.
        width: u32,
        /// Height that the header tells, in pixels.
        height: u32,
    },
    /// A valid file of a kind that is not decoded.
    #[error("{kind} is not supported (byte {offset})")]
    Unsupported {
        /// What the file uses.
        kind: Refused,
        /// Where it says so.
        offset: usize,
    },
    /// A marker segment with a wrong length or wrong contents.
    #[error("bad {segment} segment at byte {offset}: {reason}")]
    Segment {
        /// Which segment, by the name that the standard gives it.
        segment: &'static str,
        /// Where its contents begin.
        offset: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A marker that may not stand where it stands.
    #[error("unexpected marker FF {marker:02X} before byte {offset}: {reason}")]
    Marker {
        /// The second byte of the marker.
        marker: u8,
        /// Just after the marker.
        offset: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A scan uses a Huffman or quantization table that the file does not define, or defines wrongly.
    #[error("bad {table} table {index} for the scan at byte {offset}: {reason}")]
    Table {
        /// `"DC Huffman"`, `"AC Huffman"` or `"quantization"`.
        table: &'static str,
        /// The table's number in the file.
        index: u8,
        /// Where the scan's data begins.
        offset: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// More scans than any encoder writes: work without end for few bytes.
    #[error("more than {max} scans (byte {offset})")]
    TooManyScans {
        /// The limit.
        max: u32,
        /// Where the next scan begins.
        offset: usize,
    },
}

/// A kind of JPEG file that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Arithmetic coding (SOF9, SOF10, SOF11, SOF13 to SOF15).
    ArithmeticCoding,
    /// Lossless coding (SOF3).
    Lossless,
    /// Hierarchical coding (SOF5 to SOF7, DHP).
    Hierarchical,
    /// Samples of this many bits, not 8.
    Precision(u8),
    /// This many components, not 1, 3 or 4.
    Components(u8),
    /// Sampling factors whose ratio is no whole number.
    FractionalSampling,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ArithmeticCoding => f.write_str("arithmetic coding"),
            Self::Lossless => f.write_str("lossless JPEG"),
            Self::Hierarchical => f.write_str("hierarchical JPEG"),
            Self::Precision(bits) => write!(f, "a JPEG of {bits} bits a sample"),
            Self::Components(n) => write!(f, "a JPEG of {n} components"),
            Self::FractionalSampling => f.write_str("chroma sampling at a fractional ratio"),
        }
    }
}
