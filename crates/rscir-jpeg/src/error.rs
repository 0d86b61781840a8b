//! Reasons why a file was not decoded.

use std::fmt;

/// Reason why a file was not decoded. Offsets count bytes from the start of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not begin with the start-of-image marker `FF D8 FF`.
    #[error("not a JPEG file: it does not begin with FF D8 FF")]
    NotJpeg,
    /// The file ends before the image does.
    #[error("the file is truncated: byte {offset} is missing; fetch or copy the file again")]
    Truncated {
        /// Offset of the first byte that is missing.
        offset: usize,
    },
    /// The entropy-coded data cannot hold an image of this size: the image is above a million pixels, and the data has
    /// fewer bits than the image has 8 x 8 blocks.
    #[error(
        "{bytes} bytes of image data cannot hold {width} x {height} pixels: the file is cut short or its header is \
         wrong; fetch or copy the file again"
    )]
    TooLittleData {
        /// Width in the header, in pixels.
        width: u32,
        /// Height in the header, in pixels.
        height: u32,
        /// Bytes from the first scan header to the end of the file.
        bytes: usize,
    },
    /// The image has more pixels than the caller allows.
    #[error(
        "{width} x {height} pixels are more than the limit of {max_pixels}; raise Limits::max_pixels to decode it"
    )]
    TooManyPixels {
        /// Width in the header, in pixels.
        width: u32,
        /// Height in the header, in pixels.
        height: u32,
        /// The limit, in pixels.
        max_pixels: u64,
    },
    /// The width or the height is zero, or more than libjpeg's 65,500.
    #[error("an image of {width} x {height} pixels cannot be decoded; each side must be 1 to 65500")]
    Dimensions {
        /// Width in the header, in pixels.
        width: u32,
        /// Height in the header, in pixels.
        height: u32,
    },
    /// The file is valid, but of a kind that is not decoded.
    #[error("{kind} is not supported (byte {offset}); convert the file to baseline JPEG or PNG")]
    Unsupported {
        /// Kind of the file.
        kind: Refused,
        /// Offset at which the file names the kind.
        offset: usize,
    },
    /// A marker segment has a wrong length or wrong contents.
    #[error("bad {segment} segment at byte {offset}: {reason}; fetch or write the file again")]
    Segment {
        /// Name of the segment in the standard, such as `"SOF"`.
        segment: &'static str,
        /// Offset at which the contents of the segment begin.
        offset: usize,
        /// What is wrong with the segment.
        reason: &'static str,
    },
    /// A marker stands where the standard does not allow it.
    #[error(
        "unexpected marker FF {marker:02X} before byte {offset}: {reason}; fetch or write the file again"
    )]
    Marker {
        /// Second byte of the marker.
        marker: u8,
        /// Offset of the byte after the marker, or after its segment.
        offset: usize,
        /// What is wrong with the marker.
        reason: &'static str,
    },
    /// A scan uses a Huffman or quantization table that the file does not define, or defines wrongly.
    #[error(
        "bad {table} table {index} for the scan at byte {offset}: {reason}; fetch or write the file again"
    )]
    Table {
        /// `"DC Huffman"`, `"AC Huffman"` or `"quantization"`.
        table: &'static str,
        /// Number of the table in the file.
        index: u8,
        /// Offset at which the data of the scan begins.
        offset: usize,
        /// What is wrong with the table.
        reason: &'static str,
    },
    /// The file has more scans than any encoder writes. Each of them takes time and may be a few bytes long.
    #[error("more than {max} scans (byte {offset}); write the file again with fewer scans")]
    TooManyScans {
        /// The limit.
        max: u32,
        /// Offset at which the data of the next scan begins.
        offset: usize,
    },
}

/// Kind of JPEG file that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Arithmetic coding (SOF9, SOF10, SOF11, SOF13 to SOF15).
    ArithmeticCoding,
    /// Lossless coding (SOF3).
    Lossless,
    /// Hierarchical coding (SOF5 to SOF7, DHP).
    Hierarchical,
    /// Samples of this many bits, which are not 8.
    Precision(u8),
    /// This many components. [`decode`](crate::decode) takes 1, 3 or 4 of them, and
    /// [`decode_components`](crate::decode_components) 1 to 4.
    Components(u8),
    /// Sampling factors whose ratio is not a whole number.
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
