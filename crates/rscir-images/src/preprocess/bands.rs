//! Preparation of images of bands for a tower: torchvision's resize of tensors with `antialias`, which is Pillow's
//! filter without its rounding to bytes, and the same crop as for colors.

use rscir_core::BandsView;

use super::Preprocessing;
use super::filter::windows;
use super::geometry::axes;

/// For each kept pixel of an axis, the first input pixel of its window, and the weights of the window's pixels.
type FloatTaps = Vec<(usize, Vec<f32>)>;

/// A plan by which images of bands of one size are resized.
#[derive(Debug)]
pub(super) struct BandPlan {
    across: FloatTaps,
    down: FloatTaps,
    /// Position of the kept pixels in the square: across, down.
    pad: [usize; 2],
    size: usize,
    fill: f32,
}

impl BandPlan {
    pub(super) fn new(width: usize, height: usize, preprocessing: &Preprocessing) -> Self {
        let axes = axes(width, height, preprocessing);
        let [across, down] = axes.map(|axis| {
            let taps = windows(&axis, preprocessing.interpolation);
            taps.map(|(start, weights)| (start, weights.iter().map(|w| *w as f32).collect())).collect()
        });
        let pad = axes.map(|axis| axis.pad);
        Self { across, down, pad, size: preprocessing.size, fill: preprocessing.fill.into() }
    }

    /// Resizes `image`, which has the plan's size, into `out`, which is `[size, size, bands]`.
    pub(super) fn run(&self, image: BandsView<'_>, out: &mut [f32]) {
        let bands = image.bands();
        out.fill(self.fill);
        let rows = self.down.iter().map(|(start, weights)| start + weights.len());
        let first = self.down.iter().map(|(start, _)| *start).min().unwrap_or(0);
        let end = rows.max().unwrap_or(first);
        // Rows are resized before columns, as torch does it: the order decides the rounding.
        let width = self.across.len() * bands;
        let mut between = vec![0.0; (end - first) * width];
        let lines = image.data().chunks_exact(image.width() * bands).skip(first);
        for (line, out) in lines.zip(between.chunks_exact_mut(width.max(1))) {
            for (pixel, (start, weights)) in out.chunks_exact_mut(bands).zip(&self.across) {
                sum(pixel, weights, line[start * bands..].chunks_exact(bands));
            }
        }
        let [left, top] = self.pad;
        let lines = out.chunks_exact_mut(self.size * bands).skip(top);
        for (line, (start, weights)) in lines.zip(&self.down) {
            let line = &mut line[left * bands..][..width];
            sum(line, weights, between[(start - first) * width..].chunks_exact(width));
        }
    }
}

/// Writes the weighted sum of parts into `out`. There are at least as many parts as weights, and others are not used.
fn sum<'v>(out: &mut [f32], weights: &[f32], parts: impl Iterator<Item = &'v [f32]>) {
    out.fill(0.0);
    for (weight, part) in weights.iter().zip(parts) {
        for (out, value) in out.iter_mut().zip(part) {
            *out += weight * value;
        }
    }
}
