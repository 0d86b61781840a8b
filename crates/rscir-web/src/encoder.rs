use rscir_core::{Embeddings, EncoderSpec, ImageEncoder, Result, RgbView, TextEncoder};

/// What gives images and texts their vectors. Whatever encodes both is one.
pub trait Encoder: Send + Sync {
    /// Returns what decides the vectors.
    fn spec(&self) -> &EncoderSpec;

    /// Encodes an image.
    ///
    /// # Errors
    /// The errors of [`ImageEncoder::encode_image`].
    fn image(&self, image: RgbView<'_>) -> Result<Embeddings>;

    /// Encodes texts: one row each, in order.
    ///
    /// # Errors
    /// The errors of [`TextEncoder::encode_texts`].
    fn texts(&self, texts: &[&str]) -> Result<Embeddings>;
}

impl<E: ImageEncoder + TextEncoder> Encoder for E {
    fn spec(&self) -> &EncoderSpec {
        ImageEncoder::spec(self)
    }

    fn image(&self, image: RgbView<'_>) -> Result<Embeddings> {
        self.encode_image(image)
    }

    fn texts(&self, texts: &[&str]) -> Result<Embeddings> {
        self.encode_texts(texts)
    }
}
