//! Normalization of prepared images, and their windows as rows for the first layer's matrix product.

use rayon::prelude::*;
use rscir_core::PixelBatch;

/// Value of each byte in each channel, as torchvision computes it in f32: `(byte / 255 - mean) / deviation`.
pub(crate) struct Normalization([[f32; 256]; 3]);

impl Normalization {
    /// Makes the table from the mean and the deviation of each channel.
    pub(crate) fn new(mean: [f32; 3], deviation: [f32; 3]) -> Self {
        let value = |channel: usize, byte: usize| (byte as f32 / 255.0 - mean[channel]) / deviation[channel];
        Self(std::array::from_fn(|channel| std::array::from_fn(|byte| value(channel, byte))))
    }

    /// Returns the values of all bytes in the first channel, then those in the others: `[3, 256]`.
    #[cfg(feature = "cuda")]
    pub(crate) fn values(&self) -> Vec<f32> {
        self.0.as_flattened().to_vec()
    }
}

/// Windows that a convolution without dilation sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    /// Side of a window in pixels.
    pub(crate) side: usize,
    /// Distance from one window to the next in pixels.
    pub(crate) stride: usize,
    /// Number of zeros around the image on each side.
    pub(crate) padding: usize,
}

impl Windows {
    /// Makes windows that lie side by side: the patches of a vision transformer.
    pub(crate) fn patches(side: usize) -> Self {
        Self { side, stride: side, padding: 0 }
    }

    /// Returns the number of windows along a side of an image. Pixels at the far edge that do not fill a window are
    /// ignored.
    pub(crate) fn along(&self, image: usize) -> usize {
        ((image + 2 * self.padding).saturating_sub(self.side)) / self.stride + 1
    }

    /// Returns the number of values in a window of three channels.
    pub(crate) fn values(&self) -> usize {
        self.side * self.side * 3
    }

    /// Returns the normalized windows of all images as rows, `[images * windows, side * side * 3]`. Windows are
    /// ordered row by row from the top, and so are the pixels of a window; channels are innermost.
    pub(crate) fn unfold(&self, batch: PixelBatch<'_>, normalization: &Normalization) -> Vec<f32> {
        let size = batch.size();
        let (along, values) = (self.along(size), self.values());
        let mut rows = vec![0.0; batch.len() * along * along * values];
        let images = batch.data().par_chunks_exact(size * size * 3);
        rows.par_chunks_exact_mut(along * along * values).zip(images).for_each(|(rows, image)| {
            for (window, row) in rows.chunks_exact_mut(values).enumerate() {
                let corner = [window / along * self.stride, window % along * self.stride];
                self.unfold_one(image, size, corner, row, normalization);
            }
        });
        rows
    }

    /// Writes one window to `row`, which must be zero where the window lies outside the image. The corner is a place
    /// in the padded image.
    fn unfold_one(
        &self,
        image: &[u8],
        size: usize,
        [top, left]: [usize; 2],
        row: &mut [f32],
        Normalization(table): &Normalization,
    ) {
        let inside = |at: usize| at.checked_sub(self.padding).filter(|at| *at < size);
        for (line, row) in row.chunks_exact_mut(self.side * 3).enumerate() {
            let Some(y) = inside(top + line) else { continue };
            // The columns of the window that lie in the image.
            let from = self.padding.saturating_sub(left).min(self.side);
            let to = (size + self.padding).saturating_sub(left).min(self.side);
            let start = (y * size + left + from - self.padding) * 3;
            let pixels = &image[start..start + (to - from) * 3];
            for (out, pixel) in row[from * 3..to * 3].chunks_exact_mut(3).zip(pixels.chunks_exact(3)) {
                for ((out, byte), values) in out.iter_mut().zip(pixel).zip(table) {
                    *out = values[usize::from(*byte)];
                }
            }
        }
    }
}

/// Reorders the weight of a convolution, `[outputs, channels, side, side]`, to the order of windows, with channels
/// innermost.
pub(crate) fn channels_last(weight: &[f32], channels: usize, side: usize) -> Vec<f32> {
    let area = side * side;
    weight
        .chunks_exact((channels * area).max(1))
        .flat_map(|kernel| (0..area).flat_map(move |at| (0..channels).map(move |c| kernel[c * area + at])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes values that equal their byte in the first channel, and are 1000 and 2000 more in the others.
    fn identity() -> Normalization {
        Normalization(std::array::from_fn(|c| std::array::from_fn(|byte| (1000 * c + byte) as f32)))
    }

    #[test]
    fn windows_are_rows_and_leave_the_rest() {
        let image: Vec<u8> = (0..5 * 5).flat_map(|i| [i, i, i]).collect();
        let batch = PixelBatch::new(5, &image).unwrap();
        let windows = Windows::patches(2);
        assert_eq!((windows.along(5), windows.values()), (2, 12));
        let rows = windows.unfold(batch, &identity());
        assert_eq!(rows.len(), 4 * 12);
        assert_eq!(rows[..6], [0., 1000., 2000., 1., 1001., 2001.]);
        assert_eq!(rows[6..12], [5., 1005., 2005., 6., 1006., 2006.]);
        assert_eq!(rows[3 * 12], 12.0);
    }

    #[test]
    fn padding_is_zero() {
        let image = [7; 2 * 2 * 3];
        let batch = PixelBatch::new(2, &image).unwrap();
        let rows = Windows { side: 3, stride: 2, padding: 1 }.unfold(batch, &identity());
        let inside: Vec<bool> = rows.chunks_exact(3).map(|pixel| pixel == [7., 1007., 2007.]).collect();
        assert_eq!(inside, [false, false, false, false, true, true, false, true, true]);
        assert_eq!(rows.iter().filter(|v| **v == 0.0).count(), 5 * 3);
    }

    #[test]
    fn bytes_become_torchvisions_values() {
        let Normalization(table) = Normalization::new([0.48145466, 0.5, 0.0], [0.26862954, 0.5, 1.0]);
        // torch 2.15: ((torch.tensor(b).float() / 255) - mean) / std
        assert_eq!(table[0][0], -1.792_262_6);
        assert_eq!(table[0][255], 1.930_336_1);
        assert_eq!((table[1][0], table[1][255], table[2][51]), (-1.0, 1.0, 0.2));
    }

    #[test]
    fn weights_follow_the_windows_order() {
        let weight: Vec<f32> = (0..12).map(|v| v as f32).collect();
        assert_eq!(channels_last(&weight, 3, 2), [0., 4., 8., 1., 5., 9., 2., 6., 10., 3., 7., 11.]);
    }
}
