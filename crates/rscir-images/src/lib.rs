#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod decode;
mod error;
mod memory;
mod pipeline;
mod preprocess;
mod tar_shards;
pub mod tiff;

pub use decode::{
    DecodeLimits, ImageProblem, Oddities, Remedy, check_bands, decode, decode_bands, decode_bands_file,
    decode_file, decode_with_oddities,
};
pub use error::{Error, Result};
pub use memory::MemoryImages;
pub use pipeline::{
    ChangeDetection, Failure, IMAGE_EXTENSIONS, ImageList, IngestOptions, IngestReport, IngestThreads,
    LeftOut, NotPruned, Noticed, OddImages, ingest, ingest_source, real_folder,
};
pub use preprocess::{BandScale, Interpolation, Preprocessing, Preprocessor, ResizeMode};
pub use rscir_core::{BandImage, BandValues, Channels, Decoding, Orientation, RgbImage, Stage, Stretch};
pub use tar_shards::TarShards;
