use std::ops::Range;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jpeg_encoder::{ColorType, Encoder};
use rscir_core::{Html, RgbView};

use crate::{Error, Result};

/// Default for the longest side of a picture in pixels: a tile is 11 to 22 em wide on the page, at most 352
/// pixels.
const MAX_SIDE: usize = 256;

/// JPEG quality at which textures of the ground show no blocks. A picture takes about ten kilobytes.
const QUALITY: u8 = 82;

/// Bytes of an RGB pixel.
const PIXEL: usize = 3;

/// A small JPEG that is embedded in a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    jpeg: Vec<u8>,
}

impl Picture {
    /// Reduces an image to a longest side of 256 pixels and encodes it. Each pixel of the picture is the mean
    /// of the pixels that it stands for. A smaller image keeps its size.
    ///
    /// # Errors
    /// [`Error::Picture`] if the encoder refuses the image, such as one with a side of 0.
    pub fn new(image: RgbView<'_>) -> Result<Self> {
        Self::within(image, MAX_SIDE)
    }

    /// Reduces an image like [`Picture::new`], but to a longest side of `side` pixels.
    ///
    /// # Errors
    /// [`Error::Picture`] if the encoder refuses the image, such as one with a side of 0.
    pub fn within(image: RgbView<'_>, side: usize) -> Result<Self> {
        let (width, height) = size_within(image.width(), image.height(), side.max(1));
        let failed = |source| Error::Picture { width, height, source };
        let pixels = reduced(image, width, height);
        // JPEG counts sides by 16 bits. A longer side becomes 0, which the encoder refuses.
        let sides = [width, height].map(|side| u16::try_from(side).unwrap_or(0));
        let mut jpeg = Vec::new();
        let mut encoder = Encoder::new(&mut jpeg, QUALITY);
        encoder.set_optimized_huffman_tables(true);
        encoder.encode(&pixels, sides[0], sides[1], ColorType::Rgb).map_err(failed)?;
        Ok(Self { width, height, jpeg })
    }

    /// Returns the width in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the height in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns the bytes of the JPEG file.
    #[must_use]
    pub fn jpeg(&self) -> &[u8] {
        &self.jpeg
    }

    /// Writes the picture as a data URL into an attribute.
    pub(crate) fn write_address(&self, html: &mut Html) {
        html.raw("data:image/jpeg;base64,").raw(&BASE64_STANDARD.encode(&self.jpeg));
    }
}

/// Returns the size at which an image fits into a square, at most its own size.
fn size_within(width: usize, height: usize, side: usize) -> (usize, usize) {
    let longest = width.max(height);
    if longest <= side {
        return (width, height);
    }
    // The height of a long panorama would be rounded to 0 and is 1 instead.
    let scaled = |length: usize| (length as f64 * side as f64 / longest as f64).round().max(1.0) as usize;
    (scaled(width), scaled(height))
}

/// Returns the image at a smaller size, in which each pixel is the mean of its block in the original.
fn reduced(image: RgbView<'_>, width: usize, height: usize) -> Vec<u8> {
    if (width, height) == (image.width(), image.height()) {
        return image.data().to_vec();
    }
    let mut pixels = Vec::with_capacity(width * height * PIXEL);
    for y in 0..height {
        let rows = block(y, height, image.height());
        for x in 0..width {
            let columns = block(x, width, image.width());
            let mut sums = [0_u64; PIXEL];
            for row in rows.clone() {
                let start = (row * image.width() + columns.start) * PIXEL;
                let pixels = image.data().get(start..start + columns.len() * PIXEL).unwrap_or_default();
                for pixel in pixels.chunks_exact(PIXEL) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, &byte)| *sum += u64::from(byte));
                }
            }
            let count = (rows.len() * columns.len()) as u64;
            pixels.extend(sums.map(|sum| ((sum + count / 2) / count) as u8));
        }
    }
    pixels
}

/// Returns the pixels of a side of length `from` that pixel `at` of a side of length `to` stands for.
fn block(at: usize, to: usize, from: usize) -> Range<usize> {
    let start = at * from / to;
    start..((at + 1) * from / to).max(start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_image_keeps_its_form_and_a_small_one_its_size() {
        for (size, shown) in [
            ((1, 1), (1, 1)),
            ((256, 200), (256, 200)),
            ((512, 256), (256, 128)),
            ((300, 900), (85, 256)),
            ((100_000, 1), (256, 1)),
        ] {
            let pixels = vec![7; size.0 * size.1 * PIXEL];
            let picture = Picture::new(RgbView::new(size.0, size.1, &pixels).unwrap()).unwrap();
            assert_eq!((picture.width(), picture.height()), shown);
            assert!(picture.jpeg().starts_with(&[0xff, 0xd8, 0xff]));
        }
    }

    #[test]
    fn a_pixel_is_the_mean_of_those_it_stands_for() {
        let pixels = [0, 10, 20, 4, 14, 24, 100, 0, 0, 101, 0, 0].map(|byte: u8| byte);
        let image = RgbView::new(4, 1, &pixels).unwrap();
        assert_eq!(reduced(image, 2, 1), [2, 12, 22, 101, 0, 0]);
    }
}
