use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rscir_checkpoint::{Checkpoint, Resized};
use rscir_core::{
    BandBatch, BandsView, Channels, ComposedQuery, Embeddings, EncoderSpec, ImageEncoder, InjectedPrompt,
    PixelBatch, Precision, Progress, Recorded, RgbView, Silent, TextEncoder, Wavelengths,
};
use rscir_images::{BandScale, BandValues, check_bands, decode_bands_file, decode_file};
use rscir_kernels::Isa;

use crate::clip::bands::BandNormalization;
use crate::clip::compute::Compute;
use crate::clip::config::{COLORS, ClipConfig, TokenizerConfig, VisionConfig};
use crate::clip::cuda::Kernels;
use crate::clip::pixels::Normalization;
use crate::clip::read::ModelFile;
use crate::clip::text::context_by_keys;
use crate::clip::towers::{Prompt, Scales, Towers};
use crate::device::{Device, Found};
use crate::error::refuse;
use crate::registry::{HubFile, Model};
use crate::{DecodeLimits, Decoding, Error, Hub, Preprocessing, Preprocessor, Result, Tokenizer};

/// Encodes images and texts to vectors of one space, by a model of the CLIP family.
///
/// ```no_run
/// use rscir_core::TextEncoder;
/// use rscir_encoders::{ClipEncoder, Device};
///
/// let clip = ClipEncoder::from_registry("remoteclip-vit-l-14")?.device(Device::Auto).build()?;
/// let pool = clip.encode_texts(&["a satellite image of a swimming pool"])?;
/// assert_eq!((pool.len(), pool.dim()), (1, 768));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ClipEncoder {
    name: String,
    checkpoint: Checkpoint,
    config: ClipConfig,
    preprocessor: Preprocessor,
    towers: Towers,
    tokenizer: Tokenizer,
    device: Found,
    precision: Precision,
    decoding: Decoding,
    limits: DecodeLimits,
    spec: OnceLock<EncoderSpec>,
}

impl ClipEncoder {
    /// Begins an encoder with a model of the registry ([`models`](crate::models)). The weights come from the cache of
    /// the Hugging Face hub; with the feature `hub` they are fetched if they are not there.
    ///
    /// # Errors
    /// [`Error::UnknownModel`] if the registry has no model of this name.
    pub fn from_registry(name: &str) -> Result<ClipEncoderBuilder> {
        Ok(ClipEncoderBuilder::new(Source::Registry { model: Model::find(name)?, weights: None }))
    }

    /// Begins an encoder with weights in any format that [`Checkpoint`] reads, and their configuration in open_clip's
    /// or Hugging Face's form. A `tokenizer.json` beside the configuration is used.
    pub fn from_files(weights: impl Into<PathBuf>, config: impl Into<PathBuf>) -> ClipEncoderBuilder {
        ClipEncoderBuilder::new(Source::Files { weights: weights.into(), config: config.into() })
    }

    /// Begins an encoder with a folder in which open_clip (`open_clip_config.json`) or Hugging Face (`config.json`)
    /// publish a model.
    pub fn from_folder(folder: impl Into<PathBuf>) -> ClipEncoderBuilder {
        ClipEncoderBuilder::new(Source::Folder(folder.into()))
    }

    /// Returns the device that the encoder computes on, which is never [`Device::Auto`].
    pub fn device(&self) -> Device {
        self.device.device
    }

    /// Returns the reason why [`Device::Auto`] did not take a GPU. `None` if it took one, or if another device was
    /// set.
    pub fn device_fallback(&self) -> Option<&str> {
        self.device.fallback.as_deref()
    }

    /// Returns the file of the weights, and the state dict that was taken from it.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the position embeddings that were resized, because the configuration asks for another image size or
    /// context length than the weights have. They are resized as open_clip resizes them: bicubic for images, linear
    /// for texts.
    pub fn resized(&self) -> &[Resized] {
        self.towers.resized()
    }

    /// Returns the shapes of both towers.
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// Returns the tokenizer, which turns texts into ids.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Returns how decoded images become the input of the tower.
    pub fn preprocessing(&self) -> &Preprocessing {
        self.preprocessor.preprocessing()
    }

    /// Returns how files are decoded to images.
    pub fn decoding(&self) -> &Decoding {
        &self.decoding
    }

    /// Returns the limits on an image of a query.
    pub fn limits(&self) -> &DecodeLimits {
        &self.limits
    }

    /// Makes a query of the image in a file and a text.
    ///
    /// # Errors
    /// [`Error::Io`] if the image cannot be read, [`Error::File`] if it is not a regular file or is too large,
    /// [`Error::Images`] with the path if it cannot be decoded. [`Error::Core`] if the image or the text cannot be
    /// encoded.
    pub fn compose(&self, image: impl AsRef<Path>, text: &str) -> Result<ComposedQuery> {
        self.query(Some(image.as_ref()), Some(text))
    }

    /// Makes a query of the image in a file, a text, or both. A method that needs a part that the query lacks returns
    /// an error.
    ///
    /// # Errors
    /// The errors of [`ClipEncoder::compose`].
    pub fn query(&self, image: Option<&Path>, text: Option<&str>) -> Result<ComposedQuery> {
        // The spec needs the hash of the weights, which takes time. The image comes first, so that a file that cannot
        // be read is an error at once.
        let image = image.map(|path| self.encode_file(path)).transpose()?;
        let mut query = ComposedQuery::new(self.spec().clone());
        if let Some(image) = image {
            query = query.with_image(image.vector(0))?;
        }
        if let Some(text) = text {
            query = query.with_text(self.encode_texts(&[text])?.vector(0))?.with_words(text);
        }
        Ok(query)
    }

    fn encode_file(&self, path: &Path) -> Result<Embeddings> {
        let channels = self.channels();
        if channels != Channels::Rgb {
            let image = decode_bands_file(path, &self.decoding, &self.limits, channels)?;
            return Ok(self.encode_band_image(image.view()?)?);
        }
        let image = decode_file(path, &self.decoding, &self.limits)?;
        Ok(self.encode_image(RgbView::new(image.width, image.height, &image.data)?)?)
    }

    /// Returns everything that decides the vectors. The first call hashes the file of the weights.
    pub fn spec(&self) -> &EncoderSpec {
        // Hashing the weights takes about a second for the larger models; encoding alone never pays for it.
        self.spec.get_or_init(|| EncoderSpec {
            // The path of a folder may have no name. An empty name is then recorded as unknown.
            model: Some(self.name.clone()).filter(|name| !name.is_empty()),
            architecture: Some(self.config.to_string()),
            activation: Some(self.config.activation().into()),
            wavelengths: self.config.wavelengths().map(Recorded::from),
            decoding: self.decoding.clone(),
            preprocessing: Some(self.preprocessor.preprocessing().to_string()),
            tokenizer: Some(self.tokenizer.identity().into()),
            weights_sha256: Some(self.checkpoint.identity()),
            dim: self.config.dim,
            precision: self.precision,
        })
    }

    fn encode_prompts(&self, prompts: &[Prompt<'_>]) -> Result<Embeddings> {
        let vectors = self.towers.encode_texts(prompts, self.tokenizer.padding())?;
        Ok(Embeddings::normalize(self.config.dim, vectors)?)
    }

    /// Turns a prompt into ids, and finds the position of its marker.
    ///
    /// # Errors
    /// `Error::Length` if the embedding is not as wide as the text tower, `Error::Parameter` if the marker is not
    /// exactly one token of the prompt; the errors of [`Tokenizer::encode`].
    fn injected<'p>(&self, prompt: &InjectedPrompt<'p>) -> rscir_core::Result<Prompt<'p>> {
        rscir_core::Error::check_length(
            "injected token embedding (width of the text tower)",
            self.config.text_width(),
            prompt.embedding.len(),
        )?;
        let ids = self.tokenizer.encode(prompt.text)?;
        let marker = self.tokenizer.encode_bare(prompt.marker)?;
        let mut positions = ids.iter().enumerate().filter(|(_, id)| marker[..] == [**id]);
        match (positions.next(), positions.next()) {
            (Some((position, _)), None) => Ok(Prompt { injected: Some((position, prompt.embedding)), ids }),
            _ => Err(rscir_core::Error::Parameter {
                name: "marker",
                value: format!("{:?} in {:?}", prompt.marker, prompt.text),
                expected: "exactly one token of the prompt",
            }),
        }
    }
}

impl TextEncoder for ClipEncoder {
    fn spec(&self) -> &EncoderSpec {
        self.spec()
    }

    fn encode_texts(&self, texts: &[&str]) -> rscir_core::Result<Embeddings> {
        let ids = |text: &&str| Ok(Prompt { ids: self.tokenizer.encode(text)?, injected: None });
        let prompts: Vec<Prompt<'_>> = texts.iter().map(ids).collect::<Result<_>>()?;
        Ok(self.encode_prompts(&prompts)?)
    }

    fn encode_injected(&self, prompts: &[InjectedPrompt<'_>]) -> rscir_core::Result<Embeddings> {
        let prompts: Vec<Prompt<'_>> =
            prompts.iter().map(|prompt| self.injected(prompt)).collect::<rscir_core::Result<_>>()?;
        Ok(self.encode_prompts(&prompts)?)
    }
}

impl ImageEncoder for ClipEncoder {
    fn spec(&self) -> &EncoderSpec {
        self.spec()
    }

    fn input_size(&self) -> usize {
        self.config.image_size()
    }

    fn channels(&self) -> Channels {
        self.preprocessor.channels()
    }

    fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> rscir_core::Result<()> {
        self.preprocessor.prepare(image, out)
    }

    fn prepare_bands(&self, image: BandsView<'_>, out: &mut [f32]) -> rscir_core::Result<()> {
        self.preprocessor.prepare_bands(image, out)
    }

    fn encode_bands(&self, batch: BandBatch<'_>) -> rscir_core::Result<Embeddings> {
        let channels = self.channels();
        let values = match channels {
            Channels::Bands { values, .. } => values,
            _ => BandValues::Measured,
        };
        channels.check(Channels::Bands { count: batch.bands(), values })?;
        let size = self.config.image_size();
        rscir_core::Error::check_length("side of the prepared images", size, batch.size())?;
        Embeddings::normalize(self.config.dim, self.towers.encode_bands(batch)?)
    }

    fn encode_pixels(&self, batch: PixelBatch<'_>) -> rscir_core::Result<Embeddings> {
        self.channels().check(Channels::Rgb)?;
        let size = self.config.image_size();
        rscir_core::Error::check_length("side of the prepared images", size, batch.size())?;
        let vectors = self.towers.encode_images(batch)?;
        Embeddings::normalize(self.config.dim, vectors)
    }
}

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

enum Source {
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
    fn new(source: Source) -> Self {
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

impl From<Error> for rscir_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            error => {
                let kind = error.kind();
                Self::from_source("encoding failed", error).of_kind(kind)
            }
        }
    }
}
