//! CLIP-like image and text encoders in pure Rust on candle: checkpoints, tokenizers, preprocessing, pipeline.

mod clip;
mod device;
mod encoder;
mod error;
mod hub;
mod images;
mod pipeline;
mod preprocess;
mod registry;
mod templates;
mod tokenizer;
mod weights;

pub use clip::config::ClipConfig;
pub use clip::dofa::Wavelengths;
pub use device::Device;
pub use encoder::{ClipEncoder, ClipEncoderBuilder};
pub use error::{Error, Result};
pub use images::{DecodeOptions, ImageProblem, RgbImage, Stretch, decode};
pub use pipeline::{
    ChangeDetection, Failure, IMAGE_EXTENSIONS, ImageList, IngestOptions, IngestReport, Stage, ingest,
};
pub use preprocess::{Interpolation, Preprocessing, Preprocessor, ResizeMode};
pub use registry::{HubFile, Model, models};
pub use templates::{AERIAL_SCENES, SATELLITE_IMAGE, encode_with_templates};
pub use tokenizer::Tokenizer;
pub use weights::{Checkpoint, Dtype, Format, Loader, TensorProblem};
