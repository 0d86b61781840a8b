#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]
#![forbid(unsafe_code)]

mod bits;
mod color;
mod decode;
mod error;
mod exif;
mod frame;
mod huffman;
mod idct;
mod idct_double;
mod library;
mod markers;
mod progressive;
mod render;
mod scan;
mod sequential;
mod smoothing;
mod upsample;

pub use decode::{
    Components, Limits, RgbImage, decode, decode_as, decode_components, decode_components_as, decode_into,
    read_header,
};
pub use error::{Error, Refused};
pub use exif::exif_orientation;
pub use frame::{ColorSpace, Header};
pub use library::Library;
