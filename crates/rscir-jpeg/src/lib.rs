//! A JPEG decoder in safe Rust that gives the pixels of libjpeg-turbo, byte for byte.
//!
//! [`decode`] turns the bytes of a file into an [`RgbImage`], the same bytes that Pillow 13 with libjpeg-turbo 3
//! gives for `Image.open(file).convert("RGB")` on x86-64, so that vectors made from the pixels agree with those of the
//! Python programs that published the weights. Measured against Pillow 13.0.0: of the demo's 630 tiles none differs, of 3,839
//! generated files (each quality, subsampling, restart interval, gray, CMYK, progressive, cut scans) none differs, the 539
//! that Pillow refuses included. A binding to libjpeg-turbo changes nothing but the speed, which is a third more.
//!
//! ```
//! use rscir_jpeg::{ColorSpace, Limits, decode, exif_orientation, read_header};
//!
//! # fn main() -> Result<(), rscir_jpeg::Error> {
//! let bytes = include_bytes!("../tests/data/q85_420_33x17.jpg");
//! let header = read_header(bytes)?;
//! assert_eq!((header.width, header.height, header.color_space), (33, 17, ColorSpace::YCbCr));
//!
//! let image = decode(bytes, &Limits::default())?;
//! assert_eq!(image.data.len(), 33 * 17 * 3);
//! assert_eq!(exif_orientation(bytes), None);
//! # Ok(())
//! # }
//! ```
//!
//! It decodes 8-bit baseline, extended sequential and progressive Huffman files with one, three or four components, any
//! sampling factors with whole ratios, restart intervals and any number of scans up to 500. It refuses by name what
//! Pillow refuses or what is outside the common practice: arithmetic coding, 12 bits a sample, lossless and hierarchical
//! files, a height given only after the scan (DNL).
//!
//! It does not encode, apply colour profiles or the EXIF orientation, decode at a reduced size, or read other formats.
//!
//! Damaged files are treated as Pillow treats them: a file that ends early is [`Error::Truncated`]; wrong entropy-coded
//! data inside a whole file is no error, and gives the pixels that libjpeg-turbo makes of it. It differs from Pillow in
//! little: it refuses images above a million pixels with less than a bit for each block ([`Error::TooLittleData`]) and
//! more than 500 scans; it passes over an incomplete segment after the image; and a file that ends within seven bytes
//! after the image without an end-of-image marker, of which Pillow takes some and not others, it takes from the fourth.
#![forbid(unsafe_code)]

mod bits;
mod color;
mod decode;
mod error;
mod exif;
mod frame;
mod huffman;
mod idct;
mod markers;
mod progressive;
mod render;
mod scan;
mod sequential;
mod smoothing;
mod upsample;

pub use decode::{Limits, RgbImage, decode, decode_into, read_header};
pub use error::{Error, Refused};
pub use exif::exif_orientation;
pub use frame::{ColorSpace, Header};
