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

/// A dual encoder of the CLIP family: images and texts into one space.
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
    /// A model of the registry ([`models`](crate::models)), its weights from the hub's cache, or fetched with the
    /// feature `hub`.
    ///
    /// # Errors
    /// [`Error::UnknownModel`].
    pub fn from_registry(name: &str) -> Result<ClipEncoderBuilder> {
        Ok(ClipEncoderBuilder::new(Source::Registry { model: Model::find(name)?, weights: None }))
    }

    /// Weights in any format that [`Checkpoint`] reads, and open_clip's or Hugging Face's configuration of them. A
    /// `tokenizer.json` beside the configuration is used.
    pub fn from_files(weights: impl Into<PathBuf>, config: impl Into<PathBuf>) -> ClipEncoderBuilder {
        ClipEncoderBuilder::new(Source::Files { weights: weights.into(), config: config.into() })
    }

    /// A folder as open_clip (`open_clip_config.json`) or Hugging Face (`config.json`) publish models.
    pub fn from_folder(folder: impl Into<PathBuf>) -> ClipEncoderBuilder {
        ClipEncoderBuilder::new(Source::Folder(folder.into()))
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device.device
    }

    /// Why [`Device::Auto`] did not find a GPU, if it was asked to.
    pub fn device_fallback(&self) -> Option<&str> {
        self.device.fallback.as_deref()
    }

    /// The weights' file, and which state dict of it was taken.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Position embeddings that were made to fit, because the configuration asks for another image size or context length
    /// than the weights are for: as open_clip does, bicubic for images and linear for texts.
    pub fn resized(&self) -> &[Resized] {
        self.towers.resized()
    }

    /// Shapes of both towers.
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// How texts become ids.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// How images become the tower's input.
    pub fn preprocessing(&self) -> &Preprocessing {
        self.preprocessor.preprocessing()
    }

    /// Returns how files become images.
    pub fn decoding(&self) -> &Decoding {
        &self.decoding
    }

    /// Returns what an image of a query may take.
    pub fn limits(&self) -> &DecodeLimits {
        &self.limits
    }

    /// A composed query: the image in this file, and the text.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::File`] if the image cannot be read: a pipe or a device is not. [`Error::Images`] with
    /// the path if it cannot be decoded.
    pub fn compose(&self, image: impl AsRef<Path>, text: &str) -> Result<ComposedQuery> {
        self.query(Some(image.as_ref()), Some(text))
    }

    /// A query of the image in a file, a text, or both. Methods that need what it lacks say so.
    ///
    /// # Errors
    /// As [`ClipEncoder::compose`].
    pub fn query(&self, image: Option<&Path>, text: Option<&str>) -> Result<ComposedQuery> {
        // Before the spec, which takes the hash of the weights: a file that cannot be read is told of at once.
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

    /// What decides the vectors. The first call hashes the weights' file.
    pub fn spec(&self) -> &EncoderSpec {
        // Hashing the weights takes about a second for the larger models; who only encodes does not wait for it.
        self.spec.get_or_init(|| EncoderSpec {
            // A folder may have no name, and an empty one is no record.
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

    /// The ids of a prompt, and the position of its marker.
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

/// What a [`ClipEncoder`] is built from.
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

/// Where a source's parts are.
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

    /// Takes the weights from this file instead of where the source has them.
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

    /// Takes the tokenizer from this `tokenizer.json`.
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

    /// Sets the number format to compute in. Default: `f32`. A CPU offers `f32`, `bf16` and `i8`, a GPU `f32`, `bf16` and
    /// `f16`.
    ///
    /// On a CPU it is the format of the factors of matrix products, weights and activations (`i8`: a scale for each
    /// output and each row); their sums and all other values are f32, and so are the first and the last layer.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets how files are decoded. Default: as Pillow. It is part of the spec: an archive and its queries need the same, and
    /// an ingest decodes as the spec says.
    #[must_use]
    pub fn decoding(mut self, decoding: Decoding) -> Self {
        self.decoding = decoding;
        self
    }

    /// Sets what an image of a query may take. Default: [`DecodeLimits::default`].
    #[must_use]
    pub fn limits(mut self, limits: DecodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the wavelengths of the channels, for a model that asks for them (DOFA-CLIP). Default: [`Wavelengths::RGB`].
    ///
    /// With other than three the encoder takes images of as many bands, as levels; of a file with more,
    /// [`Decoding::bands`] chooses them. The wavelengths are part of the spec.
    #[must_use]
    pub fn wavelengths(mut self, wavelengths: Wavelengths) -> Self {
        self.wavelengths = Some(wavelengths);
        self
    }

    /// Takes the state dict under this key of the weights' file, such as `ema`. Default: the only one, or the only one whose
    /// weights are not averaged; see [`Checkpoint::state_dicts`].
    #[must_use]
    pub fn state_dict(mut self, key: impl Into<String>) -> Self {
        self.state_dict = Some(key.into());
        self
    }

    /// Sets whether a GPU computes with this crate's own kernels where they fit (default), or with the tensor library's
    /// operations alone, which are slower and give the same but for rounding.
    #[must_use]
    pub fn own_kernels(mut self, own_kernels: bool) -> Self {
        self.own_kernels = own_kernels;
        self
    }

    /// Sets the name in the spec. Default: the registry's, or that of the weights' folder.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Hears of downloads.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Finds or fetches the files, and loads all of the weights or none.
    ///
    /// # Errors
    /// Whatever is missing or does not fit, with its path: see the variants of [`Error`].
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
                        // It has the padding, and lies beside the tokenizer in the cache, too.
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
                    (false, _) => Some("neither open_clip_config.json nor config.json is there"),
                    (true, None) => Some("there is a configuration, but no weights under a usual name"),
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

/// Names under which weights are published, the first that exists is taken.
const WEIGHTS: [&str; 7] = [
    "open_clip_model.safetensors",
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
    "model.pt",
    "model.bin",
];

/// The configuration in a folder, whether it exists or not.
fn config_in(folder: &Path) -> PathBuf {
    let open_clip = folder.join("open_clip_config.json");
    if open_clip.is_file() { open_clip } else { folder.join("config.json") }
}

/// The same towers for images of these wavelengths. Images of other than three are of bands, normalized as each of the colors
/// is.
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
            let expected = "three, since the model normalizes red, green and blue each in its way";
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
