//! CLIP-like image and text encoders in pure Rust on candle: checkpoints, tokenizers, preprocessing, pipeline.
//!
//! A [`ClipEncoder`] is a model of the registry ([`models`]) or of files in open_clip's or Hugging Face's form: ViT,
//! ModifiedResNet, SigLIP and DOFA-CLIP towers, to their vectors.
//!
//! ```
//! use rscir_core::{ImageEncoder, RgbView, TextEncoder};
//! use rscir_encoders::{ClipEncoder, DecodeOptions, decode};
//!
//! let clip = ClipEncoder::from_folder("../../data/demo/model").build()?;
//! let file = std::fs::read("../../data/demo/benchmark/images/harbor/harbor00.jpg")?;
//! let tile = decode(&file, &DecodeOptions::default())?;
//! let image = clip.encode_image(RgbView::new(tile.width, tile.height, &tile.data)?)?;
//! let texts = clip.encode_texts(&["a harbor", "a forest"])?;
//! let similarity = |text: usize| -> f32 { image.row(0).iter().zip(texts.row(text)).map(|(a, b)| a * b).sum() };
//! assert!(similarity(0) > similarity(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`decode`] gives Pillow's pixels, [`Preprocessor`] open_clip's input, [`Tokenizer`] its ids; [`ingest`] takes a list of
//! files into any [`EmbeddingSink`](rscir_core::EmbeddingSink), goes on where it was cut off and reports what it could not read.
//! Images have three channels: of a file with more bands, three are chosen ([`DecodeOptions::bands`]), and a model that asks
//! for their [`Wavelengths`] is told them.
//!
//! It trains nothing, stores nothing and knows no archive.

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
