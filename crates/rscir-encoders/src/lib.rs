#![doc = include_str!("../README.md")]

mod clip;
mod device;
mod encoder;
mod error;
mod hub;
mod images;
mod pipeline;
mod preprocess;
mod reading;
mod registry;
mod templates;
mod tokenizer;

pub use clip::config::ClipConfig;
pub use clip::dofa::Wavelengths;
pub use device::Device;
pub use encoder::{ClipEncoder, ClipEncoderBuilder};
pub use error::{Error, Result};
pub use images::{
    DecodeOptions, ImageProblem, Oddities, Remedy, RgbImage, Stretch, decode, decode_with_oddities,
};
pub use pipeline::{
    ChangeDetection, Failure, IMAGE_EXTENSIONS, ImageList, IngestOptions, IngestReport, LeftOut, NotPruned,
    Noticed, OddImages, Stage, ingest, real_folder,
};
pub use preprocess::{Interpolation, Preprocessing, Preprocessor, ResizeMode};
pub use registry::{HubFile, Model, models};
pub use rscir_checkpoint as checkpoint;
pub use rscir_checkpoint::{Checkpoint, Dtype, Format, Loader, Resized, TensorProblem};
pub use templates::{AERIAL_SCENES, SATELLITE_IMAGE, encode_with_templates};
pub use tokenizer::Tokenizer;
