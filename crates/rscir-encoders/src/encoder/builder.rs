use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rscir_checkpoint::Checkpoint;
use rscir_core::{Precision, Progress, Silent, Wavelengths};
use rscir_images::{BandScale, BandValues, check_bands};
use rscir_kernels::Isa;

use super::ClipEncoder;
use crate::clip::bands::BandNormalization;
use crate::clip::compute::Compute;
use crate::clip::config::{COLORS, ClipConfig, TokenizerConfig, VisionConfig};
use crate::clip::cuda::Kernels;
use crate::clip::pixels::Normalization;
use crate::clip::read::ModelFile;
use crate::clip::text::context_by_keys;
use crate::clip::towers::{Scales, Towers};
use crate::device::Device;
use crate::error::refuse;
use crate::registry::{HubFile, Model};
use crate::{DecodeLimits, Decoding, Error, Hub, Preprocessing, Preprocessor, Result, Tokenizer};

/// Builds a [`ClipEncoder`] from files and options.
pub struct ClipEncoderBuilder {
    source: Source,
    name: Option<String>,
    tokenizer: Option<PathBuf>,
    device: Device,
    precision: Precision,
    decoding: Decoding,
    limits: DecodeLimits,
    wavelengths: Option<Wavelengths>,
    state_dict: Option<String>,
    own_kernels: bool,
    progress: Arc<dyn Progress>,
}

/// Where a model's files are found.
pub(super) enum Source {
    Registry { model: &'static Model, weights: Option<PathBuf> },
    Files { weights: PathBuf, config: PathBuf },
    Folder(PathBuf),
}

/// Parts of a model, found from its [`Source`].
struct Parts {
    name: String,
    weights: PathBuf,
    tokenizer: Option<PathBuf>,
    config: ClipConfig,
    preprocessing: Preprocessing,
}

impl ClipEncoderBuilder {
    /// Begins an encoder of the model at `source`, with the defaults of all options.
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            name: None,
            tokenizer: None,
            device: Device::default(),
            precision: Precision::default(),
            decoding: Decoding::default(),
            limits: DecodeLimits::default(),
            wavelengths: None,
            state_dict: None,
            own_kernels: true,
            progress: Arc::new(Silent),
        }
    }

    /// Sets the file of the weights. Default: the published file of a model of the registry, or the one in the folder.
    #[must_use]
    pub fn weights(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        match &mut self.source {
            Source::Registry { weights, .. } => *weights = Some(path),
            Source::Files { weights, .. } => *weights = path,
            Source::Folder(folder) => {
                self.source = Source::Files { weights: path, config: config_in(folder) };
            }
        }
        self
    }

    /// Sets the file of the tokenizer, a `tokenizer.json`. Default: the one beside the configuration or, for a model
    /// of the registry that needs one, the published one. A model without a file uses CLIP's own tokenizer.
    #[must_use]
    pub fn tokenizer(mut self, path: impl Into<PathBuf>) -> Self {
        self.tokenizer = Some(path.into());
        self
    }

    /// Sets the device. Default: [`Device::Auto`].
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Sets the number format to compute in. Default: `f32`. A CPU offers `f32`, `bf16` and `i8`, a GPU `f32`, `bf16`
    /// and `f16`.
    ///
    /// On a CPU the format is that of the factors of matrix products: weights and activations. `i8` has a scale for
    /// each output and each row. Sums and all other values are f32, and so are the first and the last layer.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets how files are decoded. Default: as Pillow decodes them.
    ///
    /// The decoding is part of the spec: an archive and its queries need the same, and an ingest decodes as the spec
    /// says.
    #[must_use]
    pub fn decoding(mut self, decoding: Decoding) -> Self {
        self.decoding = decoding;
        self
    }

    /// Sets the limits on an image of a query. Default: [`DecodeLimits::default`].
    #[must_use]
    pub fn limits(mut self, limits: DecodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the wavelengths of the channels, for a model that asks for them (DOFA-CLIP). Default:
    /// [`Wavelengths::RGB`].
    ///
    /// With more than three wavelengths the encoder takes images of as many bands, with values as levels.
    /// [`Decoding::bands`] chooses the bands of a file that has more. The wavelengths are part of the spec.
    #[must_use]
    pub fn wavelengths(mut self, wavelengths: Wavelengths) -> Self {
        self.wavelengths = Some(wavelengths);
        self
    }

    /// Sets the key of the state dict in the file of the weights, such as `ema`. Default: the only state dict, or the
    /// only one whose weights are not averaged; see [`Checkpoint::state_dicts`].
    #[must_use]
    pub fn state_dict(mut self, key: impl Into<String>) -> Self {
        self.state_dict = Some(key.into());
        self
    }

    /// Sets whether a GPU computes with the CUDA kernels of this crate where they fit. Default: true. Without them it
    /// uses the operations of the tensor library, which are slower and give the same vectors except for rounding.
    #[must_use]
    pub fn own_kernels(mut self, own_kernels: bool) -> Self {
        self.own_kernels = own_kernels;
        self
    }

    /// Sets the name of the model in the spec. Default: its name in the registry, or the name of the folder of the
    /// weights.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets what receives the progress of downloads. Default: [`Silent`].
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Finds or fetches the files, loads all of the weights and makes the encoder.
    ///
    /// # Errors
    /// - [`Error::Isa`] if `RSCIR_ISA` names an instruction set that is unknown or that this machine lacks;
    /// - [`Error::ConfigValue`] if the device does not offer the precision, or an option or a value of the
    ///   configuration is not allowed; [`Error::Device`] if the device cannot be used;
    /// - [`Error::NotDownloaded`], [`Error::NotPublished`], [`Error::Download`] or [`Error::Hash`] if published files
    ///   cannot be had; [`Error::ModelFolder`] if a folder has no model;
    /// - [`Error::Io`], [`Error::File`], [`Error::Config`], [`Error::Checkpoint`] or [`Error::Tokenizer`] if a file
    ///   cannot be read or does not fit the architecture;
    /// - [`Error::NoTokenizer`], [`Error::NoPadding`] or [`Error::Vocabulary`] if the tokenizer is missing or does
    ///   not fit;
    /// - [`Error::Candle`] if the tensor library fails.
    pub fn build(self) -> Result<ClipEncoder> {
        Isa::requested()?;
        self.decoding.check().map_err(|error| match error {
            rscir_core::Error::Parameter { name, value, expected } => {
                Error::ConfigValue { key: name.into(), got: value, expected }
            }
            error => error.into(),
        })?;
        let device = self.device.find()?;
        let offered = match device.device {
            Device::Cuda(_) => matches!(self.precision, Precision::F32 | Precision::Bf16 | Precision::F16),
            _ => matches!(self.precision, Precision::F32 | Precision::Bf16 | Precision::I8),
        };
        if !offered {
            let got = format!("{} on {}", self.precision, device.device);
            return refuse("precision", got, "f32, bf16 or i8 on a CPU; f32, bf16 or f16 on a GPU");
        }
        let mut parts = self.parts()?;
        let mut config = tuned(parts.config, &mut parts.preprocessing, self.wavelengths)?;
        let checkpoint = match &self.state_dict {
            Some(key) => Checkpoint::open_state_dict(&parts.weights, key)?,
            None => Checkpoint::open(&parts.weights)?,
        }
        .open_clip_names();
        config.text.context = context_by_keys(&checkpoint, config.text.context);
        let tokenizer = tokenizer(&config, parts.tokenizer.as_deref())?;
        if !config.text.causal && !tokenizer.knows_padding() {
            return Err(Error::NoPadding);
        }
        if tokenizer.vocabulary() > config.text.vocabulary {
            let (tokenizer, tower) = (tokenizer.vocabulary(), config.text.vocabulary);
            return Err(Error::Vocabulary { tokenizer, tower });
        }
        let scales = Scales {
            colors: Normalization::new(parts.preprocessing.mean, parts.preprocessing.std),
            bands: parts.preprocessing.bands.as_ref().map(BandNormalization::new),
        };
        let preprocessor = Preprocessor::new(parts.preprocessing)?;
        check_bands(&self.decoding, preprocessor.channels())?;
        let kernels = match self.own_kernels {
            true => Kernels::new(&device.candle, &scales.colors)?,
            false => None,
        };
        let compute = Compute { device: device.candle.clone(), precision: self.precision, kernels };
        let towers = Towers::load(&checkpoint, &config, scales, compute)?;
        Ok(ClipEncoder {
            name: self.name.unwrap_or(parts.name),
            checkpoint,
            config,
            preprocessor,
            towers,
            tokenizer,
            device,
            precision: self.precision,
            decoding: self.decoding,
            limits: self.limits,
            spec: OnceLock::new(),
        })
    }
}

impl ClipEncoderBuilder {
    fn parts(&self) -> Result<Parts> {
        match &self.source {
            Source::Registry { model, weights } => {
                let published = model.hub.as_ref();
                let weights = match (weights, published) {
                    (Some(path), _) => path.clone(),
                    (None, Some(file)) => Hub::from_env().locate(file, &*self.progress)?,
                    (None, None) => return Err(Error::NotPublished { model: model.name }),
                };
                let tokenizer = match (&self.tokenizer, model.config.text.tokenizer, published) {
                    (Some(path), ..) => Some(path.clone()),
                    (None, TokenizerConfig::File(_), Some(file)) => {
                        let beside = |name| {
                            let beside = HubFile { file: name, sha256: None, ..*file };
                            Hub::from_env().locate(&beside, &*self.progress)
                        };
                        // This file says how texts are padded. It is read from beside the tokenizer, also in the
                        // cache.
                        beside("tokenizer_config.json")?;
                        Some(beside("tokenizer.json")?)
                    }
                    _ => None,
                };
                let (config, preprocessing) = (model.config, model.preprocessing());
                Ok(Parts { name: model.name.into(), weights, tokenizer, config, preprocessing })
            }
            Source::Files { weights, config } => self.files(weights.clone(), config),
            Source::Folder(folder) => {
                let config = config_in(folder);
                let weights = WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.is_file());
                let missing = match (config.is_file(), &weights) {
                    (true, Some(_)) => None,
                    (false, _) => Some(
                        "neither open_clip_config.json nor config.json is there; add the configuration of the weights",
                    ),
                    (true, None) => Some(
                        "there is a configuration, but no weights under a usual name, such as model.safetensors; give \
                         their path with `weights`",
                    ),
                };
                match (missing, weights) {
                    (None, Some(weights)) => self.files(weights, &config),
                    (missing, _) => {
                        let missing = missing.unwrap_or_default();
                        Err(Error::ModelFolder { path: folder.clone(), missing })
                    }
                }
            }
        }
    }

    fn files(&self, weights: PathBuf, config: &Path) -> Result<Parts> {
        let ModelFile { config: read, preprocessing } = ModelFile::read(config)?;
        let beside = config.with_file_name("tokenizer.json");
        let tokenizer = self.tokenizer.clone().or_else(|| beside.is_file().then_some(beside));
        let folder = weights.parent().and_then(Path::file_name);
        let name = folder.or(weights.file_stem()).unwrap_or_default().to_string_lossy().into_owned();
        Ok(Parts { name, weights, tokenizer, config: read, preprocessing })
    }
}

/// Usual names of published weights. The first one that exists in a folder is taken.
const WEIGHTS: [&str; 7] = [
    "open_clip_model.safetensors",
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
    "model.pt",
    "model.bin",
];

/// Returns the path of open_clip's configuration in a folder, or that of Hugging Face's if there is none.
fn config_in(folder: &Path) -> PathBuf {
    let open_clip = folder.join("open_clip_config.json");
    if open_clip.is_file() { open_clip } else { folder.join("config.json") }
}

/// Returns the configuration with the wavelengths of the channels, if some are given. With more than three of them,
/// images have bands, and `preprocessing` is set to normalize each band like a color.
///
/// # Errors
/// [`Error::ConfigValue`] if the model does not ask for wavelengths, or if there are more than three and the model
/// normalizes the colors differently from each other.
fn tuned(
    mut config: ClipConfig,
    preprocessing: &mut Preprocessing,
    wavelengths: Option<Wavelengths>,
) -> Result<ClipConfig> {
    let Some(wavelengths) = wavelengths else { return Ok(config) };
    let count = wavelengths.micrometers().len();
    match &mut config.vision {
        VisionConfig::Vit(vit) if vit.wavelengths.is_some() => {
            vit.wavelengths = Some(wavelengths);
            vit.channels = count;
        }
        _ => return refuse("wavelengths", wavelengths, "left out: the model does not ask for them"),
    }
    if count != COLORS {
        let (mean, std) = (preprocessing.mean, preprocessing.std);
        if [mean, std].iter().any(|of_color| of_color.iter().any(|value| *value != of_color[0])) {
            let expected = "three, because the model normalizes red, green and blue each in its own way";
            return refuse("the number of wavelengths", count, expected);
        }
        let (mean, std) = (vec![mean[0]; count], vec![std[0]; count]);
        preprocessing.bands = Some(BandScale { values: BandValues::Levels, mean, std });
    }
    Ok(config)
}

fn tokenizer(config: &ClipConfig, file: Option<&Path>) -> Result<Tokenizer> {
    let context = config.text.context;
    match (file, config.text.tokenizer) {
        (Some(path), TokenizerConfig::Clip) => Tokenizer::from_file(path, context),
        (Some(path), TokenizerConfig::File(cleaning)) => {
            Tokenizer::from_file_cleaned(path, context, Some(cleaning))
        }
        (None, TokenizerConfig::Clip) => Tokenizer::clip(context),
        (None, TokenizerConfig::File(_)) => Err(Error::NoTokenizer),
    }
}
