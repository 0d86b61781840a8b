#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod decode;
mod error;
mod pipeline;
mod preprocess;

pub use decode::{
    DecodeLimits, ImageProblem, Oddities, Remedy, RgbImage, decode, decode_file, decode_with_oddities,
};
pub use error::{Error, Result};
pub use pipeline::{
    ChangeDetection, Failure, IMAGE_EXTENSIONS, ImageList, IngestOptions, IngestReport, LeftOut, NotPruned,
    Noticed, OddImages, Stage, ingest, real_folder,
};
pub use preprocess::{Interpolation, Preprocessing, Preprocessor, ResizeMode};
pub use rscir_core::{Decoding, Orientation, Stretch};
