mod builder;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rscir_checkpoint::{Checkpoint, Resized};
use rscir_core::{
    BandBatch, BandsView, Channels, ComposedQuery, Embeddings, EncoderSpec, ImageEncoder, InjectedPrompt,
    PixelBatch, Precision, Recorded, RgbView, TextEncoder,
};
use rscir_images::{BandValues, decode_bands_file, decode_file};

pub use builder::ClipEncoderBuilder;
use builder::Source;

use crate::clip::config::ClipConfig;
use crate::clip::towers::{Prompt, Towers};
use crate::device::{Device, Found};
use crate::registry::Model;
use crate::{DecodeLimits, Decoding, Error, Preprocessing, Preprocessor, Result, Tokenizer};

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
