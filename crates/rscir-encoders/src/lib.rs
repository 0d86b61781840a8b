#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod clip;
mod device;
mod encoder;
mod error;
mod hub;
mod reading;
mod registry;
mod templates;
mod tokenizer;

pub use clip::config::ClipConfig;
pub use device::Device;
pub use encoder::{ClipEncoder, ClipEncoderBuilder};
pub use error::{Error, Result};
pub use hub::{DownloadProblem, Hub};
pub use registry::{HubFile, Model, models};
pub use rscir_checkpoint as checkpoint;
pub use rscir_checkpoint::{Checkpoint, Dtype, Format, Loader, Resized, TensorProblem};
pub use rscir_core::{Activation, Activations, Wavelengths};
pub use rscir_images as images;
pub use rscir_images::{
    BandScale, BandValues, ChangeDetection, Channels, DecodeLimits, Decoding, Failure, IMAGE_EXTENSIONS,
    ImageList, ImageProblem, IngestOptions, IngestReport, Interpolation, LeftOut, NotPruned, Noticed,
    OddImages, Oddities, Orientation, Preprocessing, Preprocessor, Remedy, ResizeMode, RgbImage, Stage,
    Stretch, decode, decode_with_oddities, ingest, real_folder,
};
pub use rscir_kernels::{Isa, IsaError};
pub use templates::{AERIAL_SCENES, SATELLITE_IMAGE, encode_with_templates};
pub use tokenizer::Tokenizer;
