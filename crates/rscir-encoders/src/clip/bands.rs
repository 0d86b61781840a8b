//! Normalization of prepared images of bands, and their windows as rows for the first layer's matrix product.

use rayon::prelude::*;
use rscir_core::BandBatch;
use rscir_images::{BandScale, BandValues};

use super::pixels::Windows;

/// Normalization of the values of bands, as torchvision computes it in f32: `(value - mean) / deviation`. Levels are
/// first divided by 255.
pub(crate) struct BandNormalization {
    divisor: f32,
    /// Mean and deviation of each band.
    bands: Vec<[f32; 2]>,
}

impl BandNormalization {
    pub(crate) fn new(scale: &BandScale) -> Self {
        let divisor = if scale.values == BandValues::Levels { 255.0 } else { 1.0 };
        let bands = scale.mean.iter().zip(&scale.std).map(|(mean, std)| [*mean, *std]).collect();
        Self { divisor, bands }
    }

    /// Returns the normalized windows of all images as rows, `[images * windows, side * side * bands]`, in the order
    /// of [`Windows::unfold`]. The windows must be patches, which lie side by side.
    pub(crate) fn unfold(&self, batch: BandBatch<'_>, windows: Windows) -> Vec<f32> {
        let (size, bands) = (batch.size(), batch.bands());
        let (along, line) = (windows.along(size), windows.side * bands);
        let values = windows.side * line;
        let mut rows = vec![0.0; batch.len() * along * along * values];
        let images = batch.data().par_chunks_exact(size * size * bands);
        rows.par_chunks_exact_mut(along * along * values).zip(images).for_each(|(rows, image)| {
            for (window, row) in rows.chunks_exact_mut(values).enumerate() {
                let (top, left) = (window / along * windows.side, window % along * windows.side);
                for (y, row) in row.chunks_exact_mut(line).enumerate() {
                    let pixels = &image[((top + y) * size + left) * bands..][..line];
                    let each = pixels.iter().zip(self.bands.iter().cycle());
                    for (out, (value, [mean, std])) in row.iter_mut().zip(each) {
                        *out = (value / self.divisor - mean) / std;
                    }
                }
            }
        });
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_bands_are_rows_and_each_band_has_its_scale() {
        // The image has two bands of 3 x 3 pixels, in which one window of 2 x 2 fits.
        let values: Vec<f32> = (0..9).flat_map(|at| [at as f32, 100.0 + at as f32]).collect();
        let batch = BandBatch::new(3, 2, &values).unwrap();
        let scale = BandScale { values: BandValues::Measured, mean: vec![1.0, 100.0], std: vec![2.0, 4.0] };
        let rows = BandNormalization::new(&scale).unfold(batch, Windows::patches(2));
        assert_eq!(rows, [-0.5, 0.0, 0.0, 0.25, 1.0, 0.75, 1.5, 1.0]);
        let levels = BandScale { values: BandValues::Levels, mean: vec![0.5; 2], std: vec![0.5; 2] };
        let rows = BandNormalization::new(&levels).unfold(batch, Windows::patches(2));
        assert_eq!(rows[..2], [-1.0, (100.0 / 255.0 - 0.5) / 0.5]);
    }
}
