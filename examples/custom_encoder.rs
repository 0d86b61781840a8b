//! Implements an encoder of your own by two traits, and checks it by the conformance suite. Everything else works
//! with it.

use rscir::core::{Error, PixelBatch, Result, RgbView, testing};
use rscir::prelude::*;

/// Encodes an image by the color in its middle, and a text by the colors that it names.
struct Colors(EncoderSpec);
impl ImageEncoder for Colors {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }
    fn input_size(&self) -> usize {
        1
    }
    fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> Result<()> {
        Error::check_length("one pixel", 3, out.len())?;
        let middle = (image.height() / 2 * image.width() + image.width() / 2) * 3;
        out.copy_from_slice(&image.data()[middle..middle + 3]);
        Ok(())
    }
    fn encode_pixels(&self, batch: PixelBatch<'_>) -> Result<Embeddings> {
        Error::check_length("side of the images", 1, batch.size())?;
        Embeddings::normalize(3, batch.data().iter().map(|&v| f32::from(v) + 1.0).collect())
    }
}
impl TextEncoder for Colors {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }
    fn encode_texts(&self, texts: &[&str]) -> Result<Embeddings> {
        let color = |text: &&str| ["red", "green", "blue"].map(|c| if text.contains(c) { 9.0 } else { 1.0 });
        Embeddings::normalize(3, texts.iter().flat_map(color).collect())
    }
}
fn main() {
    let colors = Colors(EncoderSpec::unknown(3));
    // Both functions panic if a promise of the traits is broken, and name it.
    testing::image_encoder(&colors, 1e-6);
    testing::text_encoder(&colors, 1e-6);
}
