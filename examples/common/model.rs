//! The encoder of a program: the demo's, one of the registry, or one from files.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use rscir::core::Decoding;
use rscir::encoders::{ClipEncoderBuilder, Model, Wavelengths};
use rscir::index::MemorySink;
use rscir::prelude::*;

use super::bars::Bars;
use super::out::note;
use super::text::shown;
use super::{check, demo, notes};

/// The options that choose an encoder. Without any of them it is the demo's.
#[derive(Args, Debug, Clone)]
pub struct ModelArgs {
    /// Name of a model in the registry, such as clip-vit-l-14 or remoteclip-vit-l-14 [default: the demo's model;
    /// `search` uses the model that its archive records, if the registry has it]
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub model: Option<String>,
    /// File of weights: safetensors or PyTorch (.pt, .bin); with --model, in place of the published file
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// JSON configuration of --checkpoint, in the form of open_clip or Hugging Face
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    pub config: Option<PathBuf>,
    /// Name of a state dict in --checkpoint, if there are several: ema, or its path such as model.ema
    #[arg(long, value_name = "KEY", requires = "checkpoint")]
    pub state_dict: Option<String>,
    /// Device to compute on: cpu, cuda, cuda:1, or auto for a GPU if there is one [default: auto]
    #[arg(long)]
    pub device: Option<Device>,
    /// Number format to compute in
    #[arg(long, default_value = "f32")]
    pub precision: Precision,
    /// How images are decoded: bands (counted from 1), stretch and orientation, such as "bands=[3, 2, 1]
    /// stretch=percentile(2, 98) orientation=exif" [default: as Pillow decodes them; a search decodes a query as the
    /// archive records]
    #[arg(long, value_name = "OPTIONS", value_parser = super::decode::options)]
    pub decode: Option<Decoding>,
    /// Wavelengths of the bands in micrometers, three or more, for DOFA-CLIP, such as 0.842,0.665,0.56 [default:
    /// those of red, green and blue; a search takes those that the archive records]
    #[arg(long, value_name = "LIST")]
    pub wavelengths: Option<Wavelengths>,
    /// Number of images that are encoded at once
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub batch: u16,
}

impl ModelArgs {
    /// Returns the options, with the archive's records in place of those that are not given: the model, if the
    /// registry has it, the decoding and the wavelengths.
    #[must_use]
    pub fn or_recorded(&self, archive: &EncoderSpec) -> Self {
        let mut own = self.clone();
        own.decode.get_or_insert_with(|| archive.decoding.clone());
        if own.wavelengths.is_none() {
            own.wavelengths = archive.wavelengths.as_ref().and_then(|recorded| recorded.known().copied());
        }
        if self.model.is_none() && self.config.is_none() {
            let known = archive.model.as_deref().filter(|name| Model::find(name).is_ok());
            own.model = known.map(String::from);
        }
        own
    }

    /// Tells whether the options name no model, so that the demo's is used.
    pub fn is_demo(&self) -> bool {
        self.model.is_none() && self.checkpoint.is_none()
    }

    /// Checks that the files that are named can be read.
    pub fn check_files(&self) -> anyhow::Result<()> {
        check::input(self.checkpoint.as_deref())?;
        check::input(self.config.as_deref())
    }

    /// Checks that the model exists and that its files can be read, before anything else is done.
    pub fn check(&self) -> anyhow::Result<()> {
        self.check_files()?;
        self.builder().map(drop)
    }

    /// Starts to build the encoder.
    fn builder(&self) -> anyhow::Result<ClipEncoderBuilder> {
        Ok(match (&self.model, &self.checkpoint, &self.config) {
            (Some(name), None, _) => ClipEncoder::from_registry(name)?,
            (Some(name), Some(weights), _) => ClipEncoder::from_registry(name)?.weights(weights),
            (None, Some(weights), Some(config)) => ClipEncoder::from_files(weights, config),
            (None, Some(weights), None) => anyhow::bail!(
                "--checkpoint {} needs --config FILE or --model NAME: a state dict does not record its architecture",
                weights.display()
            ),
            (None, None, _) => ClipEncoder::from_folder(demo::path("model")?).name("demo"),
        })
    }

    /// Returns the device to compute on.
    pub fn device(&self) -> Device {
        self.device.unwrap_or(Device::Auto)
    }

    /// Returns how images are decoded.
    pub fn decoding(&self) -> Decoding {
        self.decode.clone().unwrap_or_default()
    }

    /// Loads the encoder.
    pub fn load(&self) -> anyhow::Result<ClipEncoder> {
        self.load_for(self.decoding())
    }

    /// Loads the encoder for images that are decoded in another way than by `--decode`.
    pub fn load_for(&self, decoding: Decoding) -> anyhow::Result<ClipEncoder> {
        let builder = self.builder()?;
        let builder = builder.device(self.device()).precision(self.precision).decoding(decoding);
        let builder = match self.wavelengths {
            Some(wavelengths) => builder.wavelengths(wavelengths),
            None => builder,
        };
        let builder = match &self.state_dict {
            Some(key) => builder.state_dict(key),
            None => builder,
        };
        let encoder =
            builder.build().map_err(notes::with_state_dict_option).context("cannot load the model")?;
        notes::say_weights(&encoder);
        // A build without CUDA gives the reason for computing on the CPU only to users who chose a device.
        let looks_for_gpu = self.device.is_some() || cfg!(feature = "cuda");
        if let Some(reason) = encoder.device_fallback().filter(|_| looks_for_gpu) {
            note!("computing on the CPU: {}", shown(reason));
        }
        Ok(encoder)
    }

    /// Encodes images into memory, in their order. Returns the archive and the number of images that failed, each
    /// of which is reported.
    pub fn encode(
        &self,
        encoder: &ClipEncoder,
        images: &ImageList,
        bars: &Bars,
    ) -> anyhow::Result<(MemoryArchive, usize)> {
        let options = IngestOptions::default().batch(self.batch.into()).progress(bars);
        let mut sink = MemorySink::new(encoder.spec().clone());
        let report = rscir::images::ingest(images, encoder, &mut sink, &options, &mut |failure| {
            notes::say_failed(bars, &failure);
        })?;
        notes::say_odd(&report);
        if report.failed > 0 && sink.is_empty() {
            anyhow::bail!("none of the {} images could be encoded", report.failed);
        }
        Ok((sink.into_archive()?, report.failed))
    }
}

/// Lists the images of a dataset, in the order of its `patternnet.csv`.
///
/// # Errors
/// If none of the images exists.
pub fn dataset_images(dataset: &Path) -> anyhow::Result<ImageList> {
    let keys = PatternCom::read_tiles(dataset)?.into_iter().map(|tile| tile.path).collect();
    let images = ImageList::new(dataset, keys);
    check::some_exist(&images)?;
    Ok(images)
}
