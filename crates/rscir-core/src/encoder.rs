use crate::{BandBatch, BandValues, BandsView, Channels, Embeddings, EncoderSpec, Error, Result};

/// A decoded image: 8-bit RGB, interleaved, rows from the top.
#[derive(Debug, Clone, Copy)]
pub struct RgbView<'a> {
    width: usize,
    height: usize,
    data: &'a [u8],
}

impl<'a> RgbView<'a> {
    /// Views `data` as `height` rows of `width` RGB pixels.
    ///
    /// # Errors
    /// [`Error::Length`] if `data` is not `width * height * 3` long, or the image is empty.
    pub fn new(width: usize, height: usize, data: &'a [u8]) -> Result<Self> {
        let expected = width.saturating_mul(height).saturating_mul(3).max(3);
        Error::check_length("RGB image (width x height x 3 bytes)", expected, data.len())?;
        Ok(Self { width, height, data })
    }

    /// Returns the width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns all bytes, `[height, width, 3]`.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }
}

/// Prepared images `[len, size, size, 3]`: resized and cropped bytes before normalization.
///
/// Bytes take a quarter of the memory of floats in the queue between the cores and the device. The encoder
/// normalizes them where it computes.
#[derive(Debug, Clone, Copy)]
pub struct PixelBatch<'a> {
    size: usize,
    data: &'a [u8],
}

impl<'a> PixelBatch<'a> {
    /// Views `data` as square RGB images of side `size`.
    ///
    /// # Errors
    /// [`Error::Length`] if `data` is not a whole number of images.
    pub fn new(size: usize, data: &'a [u8]) -> Result<Self> {
        let image = size.saturating_mul(size).saturating_mul(3);
        if image == 0 || !data.len().is_multiple_of(image) {
            return Err(Error::Length {
                what: "pixel batch (whole images)",
                expected: image,
                got: data.len(),
            });
        }
        Ok(Self { size, data })
    }

    /// Returns the side of the images in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.data.len() / (self.size * self.size * 3)
    }

    /// Tells whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Returns all bytes, `[len, size, size, 3]`.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }
}

/// Turns images into vectors.
///
/// The work has two halves: [`prepare`](ImageEncoder::prepare) is computed by the cores, on any thread, and
/// [`encode_pixels`](ImageEncoder::encode_pixels) by the device. Both are deterministic, and an image's
/// vector does not depend on the other images of its batch (within the tolerance that the encoder states).
pub trait ImageEncoder: Send + Sync {
    /// Returns the record of everything that decides the vectors.
    fn spec(&self) -> &EncoderSpec;

    /// Returns the side, in pixels, of the square image that the tower takes.
    fn input_size(&self) -> usize;

    /// Returns the channels of the images that the encoder takes. Default: [`Channels::Rgb`].
    ///
    /// An encoder of bands offers [`prepare_bands`](ImageEncoder::prepare_bands) and
    /// [`encode_bands`](ImageEncoder::encode_bands), and refuses colors by [`Channels::check`].
    fn channels(&self) -> Channels {
        Channels::Rgb
    }

    /// Resizes and crops one decoded image into `out`, `[size, size, 3]` bytes.
    ///
    /// # Errors
    /// [`Error::Length`] if `out` has another length; [`Error::Channels`] of an encoder of bands.
    fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> Result<()>;

    /// Encodes a batch of prepared images, and returns one row for each, in order.
    ///
    /// # Errors
    /// [`Error::Length`] if the images have another size; [`Error::Channels`] of an encoder of bands; the encoder's own
    /// errors in [`Error::Source`].
    fn encode_pixels(&self, batch: PixelBatch<'_>) -> Result<Embeddings>;

    /// Prepares and encodes one image.
    ///
    /// # Errors
    /// The errors of [`ImageEncoder::prepare`] and [`ImageEncoder::encode_pixels`].
    fn encode_image(&self, image: RgbView<'_>) -> Result<Embeddings> {
        let size = self.input_size();
        let mut pixels = vec![0; size * size * 3];
        self.prepare(image, &mut pixels)?;
        self.encode_pixels(PixelBatch::new(size, &pixels)?)
    }

    /// Resizes and crops one decoded image of bands into `out`, `[size, size, bands]` values.
    ///
    /// # Errors
    /// [`Error::Channels`] if the encoder takes colors, or another number of bands; [`Error::Length`] if `out` has another
    /// length.
    fn prepare_bands(&self, image: BandsView<'_>, out: &mut [f32]) -> Result<()> {
        let _ = out;
        Err(other_channels(self.channels(), image.bands()))
    }

    /// Encodes a batch of prepared images of bands, and returns one row for each, in order.
    ///
    /// # Errors
    /// The errors of [`encode_pixels`](ImageEncoder::encode_pixels); [`Error::Channels`] if the encoder takes colors
    /// or another number of bands.
    fn encode_bands(&self, batch: BandBatch<'_>) -> Result<Embeddings> {
        Err(other_channels(self.channels(), batch.bands()))
    }

    /// Prepares and encodes one image of bands.
    ///
    /// # Errors
    /// The errors of [`ImageEncoder::prepare_bands`] and [`ImageEncoder::encode_bands`].
    fn encode_band_image(&self, image: BandsView<'_>) -> Result<Embeddings> {
        let size = self.input_size();
        let mut values = vec![0.0; size * size * image.bands()];
        self.prepare_bands(image, &mut values)?;
        self.encode_bands(BandBatch::new(size, image.bands(), &values)?)
    }
}

/// Makes the refusal of an image of `count` bands. The image does not know what its values are; the message says of
/// them what the encoder takes.
fn other_channels(takes: Channels, count: usize) -> Error {
    let values = match takes {
        Channels::Bands { values, .. } => values,
        Channels::Rgb => BandValues::Measured,
    };
    Error::Channels { takes, got: Channels::Bands { count, values } }
}

/// A prompt in which the embedding of one token is replaced: the primitive of pseudo-word methods (Pic2Word,
/// SEARLE, LinCIR).
#[derive(Debug, Clone, Copy)]
pub struct InjectedPrompt<'a> {
    /// The prompt, which holds `marker`.
    pub text: &'a str,
    /// The text whose token is replaced. It must be exactly one token of the prompt.
    pub marker: &'a str,
    /// The token embedding that is put in its place, as wide as the text tower.
    pub embedding: &'a [f32],
}

/// Turns texts into vectors.
pub trait TextEncoder: Send + Sync {
    /// Returns the record of everything that decides the vectors.
    fn spec(&self) -> &EncoderSpec;

    /// Encodes texts, and returns one row for each, in order. A text longer than the context is cut as the
    /// model's tokenizer cuts it.
    ///
    /// # Errors
    /// The encoder's own errors in [`Error::Source`].
    fn encode_texts(&self, texts: &[&str]) -> Result<Embeddings>;

    /// Encodes prompts with an injected token embedding, and returns one row for each, in order.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the encoder does not offer it, which is the default; [`Error::Parameter`] if
    /// the marker is not one token of the prompt; [`Error::Length`] if the embedding is not as wide as the
    /// text tower.
    fn encode_injected(&self, prompts: &[InjectedPrompt<'_>]) -> Result<Embeddings> {
        let _ = prompts;
        Err(Error::Unsupported {
            what: "an injected token embedding",
            by: self.spec().model.clone().unwrap_or_else(|| "this encoder".into()),
        })
    }
}
