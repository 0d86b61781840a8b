use std::borrow::Cow;

use rscir_core::{Fingerprint, ImageSource, Result, RgbImage};
use sha2::{Digest, Sha256};

/// Decoded images in memory with their keys, as the source of an ingest. It can be collected from an iterator of keys
/// and images.
///
/// ```
/// use rscir_core::ImageSource;
/// use rscir_images::{MemoryImages, RgbImage};
///
/// let gray = |level| RgbImage { width: 2, height: 1, data: vec![level; 6] };
/// let images: MemoryImages = (1..4u8).map(|level| (format!("level {level}"), gray(level))).collect();
/// assert_eq!((images.len(), &*images.key(2)), (3, "level 3"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryImages(Vec<(String, RgbImage)>);

impl MemoryImages {
    /// Makes a source from pairs of a key and an image, in the given order.
    pub fn new(images: Vec<(String, RgbImage)>) -> Self {
        Self(images)
    }
}

impl<K: Into<String>> FromIterator<(K, RgbImage)> for MemoryImages {
    fn from_iter<I: IntoIterator<Item = (K, RgbImage)>>(images: I) -> Self {
        Self(images.into_iter().map(|(key, image)| (key.into(), image)).collect())
    }
}

impl ImageSource for MemoryImages {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn key(&self, item: usize) -> Cow<'_, str> {
        self.0[item].0.as_str().into()
    }

    /// Hashes the size and the pixels of an image.
    fn fingerprint(&self, item: usize) -> Result<Fingerprint> {
        let image = &self.0[item].1;
        let mut hash = Sha256::new();
        hash.update(b"pixels");
        hash.update((image.width as u64).to_le_bytes());
        hash.update((image.height as u64).to_le_bytes());
        hash.update(&image.data);
        Ok(Fingerprint::of_sha256(hash.finalize().into()))
    }

    fn read(&self, item: usize) -> Result<RgbImage> {
        Ok(self.0[item].1.clone())
    }
}
