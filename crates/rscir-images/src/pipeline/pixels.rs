//! Prepared images on their way to the encoder: bytes of colors, or values of bands.

use rscir_core::{BandBatch, BandImage, Channels, Embeddings, ImageEncoder, PixelBatch, RgbImage, Stage};

use super::items::{Refused, attempt};

/// One prepared image, or several one after another.
pub(super) enum Pixels {
    Colors(Vec<u8>),
    Bands { count: usize, values: Vec<f32> },
}

impl Pixels {
    /// Makes an empty list for the encoder's kind of images.
    pub(super) fn none(encoder: &dyn ImageEncoder) -> Self {
        match encoder.channels() {
            Channels::Bands { count, .. } => Self::Bands { count, values: Vec::new() },
            _ => Self::Colors(Vec::new()),
        }
    }

    /// Resizes and crops an image of colors to the encoder's input.
    pub(super) fn of_colors(image: &RgbImage, encoder: &dyn ImageEncoder) -> Result<Self, Refused> {
        let size = encoder.input_size();
        let mut pixels = vec![0; size * size * 3];
        attempt(Stage::Prepare, || encoder.prepare(image.view()?, &mut pixels))?;
        Ok(Self::Colors(pixels))
    }

    /// Resizes and crops an image of bands to the encoder's input.
    pub(super) fn of_bands(image: &BandImage, encoder: &dyn ImageEncoder) -> Result<Self, Refused> {
        let (size, count) = (encoder.input_size(), image.bands);
        let mut values = vec![0.0; size * size * count];
        attempt(Stage::Prepare, || encoder.prepare_bands(image.view()?, &mut values))?;
        Ok(Self::Bands { count, values })
    }

    /// Appends images of the same kind. All images of one encoder are of one kind.
    pub(super) fn extend(&mut self, more: &Self) {
        match (self, more) {
            (Self::Colors(pixels), Self::Colors(more)) => pixels.extend_from_slice(more),
            (Self::Bands { values, .. }, Self::Bands { values: more, .. }) => values.extend_from_slice(more),
            _ => {}
        }
    }

    pub(super) fn clear(&mut self) {
        match self {
            Self::Colors(pixels) => pixels.clear(),
            Self::Bands { values, .. } => values.clear(),
        }
    }

    pub(super) fn encode(&self, encoder: &dyn ImageEncoder) -> rscir_core::Result<Embeddings> {
        let size = encoder.input_size();
        match self {
            Self::Colors(pixels) => encoder.encode_pixels(PixelBatch::new(size, pixels)?),
            Self::Bands { count, values } => encoder.encode_bands(BandBatch::new(size, *count, values)?),
        }
    }
}
