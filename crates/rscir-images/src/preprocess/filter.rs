//! Pillow's resampling weights (src/libImaging/Resample.c, `precompute_coeffs` and `normalize_coeffs_8bpc`).

use super::Interpolation;
use super::geometry::Axis;

/// Fractional bits of a weight: of 32 bits, 8 are the pixel's, and 2 are left for lobes below 0 and sums above 1
/// (`PRECISION_BITS`).
pub(super) const PRECISION_BITS: u32 = 32 - 8 - 2;

impl Interpolation {
    /// Returns half the filter's width, in pixels of the smaller image.
    fn support(self) -> f64 {
        match self {
            Self::Bicubic => 2.0,
            Self::Bilinear => 1.0,
        }
    }

    /// Computes the filter's value at `x`. The order of operations is Pillow's, since it decides the last bit.
    fn at(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Bilinear if x < 1.0 => 1.0 - x,
            _ => 0.0,
        }
    }
}

/// For each kept pixel of an axis, the window of input pixels of which it is the weighted sum.
///
/// All windows have the same length, so that all loops over them have. Shorter windows are filled up with weights of
/// zero, and those at the image's end begin earlier.
#[derive(Debug, PartialEq)]
pub(super) struct Taps {
    /// First input pixel of each window.
    pub(super) starts: Vec<usize>,
    /// Number of pixels in a window.
    pub(super) count: usize,
    /// Weights, `[kept, count]`, in units of 2^-[`PRECISION_BITS`].
    pub(super) weights: Vec<i32>,
}

/// Computes for each kept pixel of an axis the first input pixel of its window, and the weights, whose sum is 1.
pub(super) fn windows(
    axis: &Axis,
    interpolation: Interpolation,
) -> impl ExactSizeIterator<Item = (usize, Vec<f64>)> {
    let input = axis.input;
    // Pillow skips an axis whose length stays the same. A single weight of 1 gives the same pixels.
    let is_same = input == axis.resized;
    let scale = input as f64 / axis.resized as f64;
    let filter_scale = scale.max(1.0);
    let support = interpolation.support() * filter_scale;
    let inverse = 1.0 / filter_scale;
    (axis.crop..axis.crop + axis.kept).map(move |pixel| {
        if is_same {
            return (pixel, vec![1.0]);
        }
        // Casts truncate towards zero as those of C do. Beyond the range they saturate.
        let center = (pixel as f64 + 0.5) * scale;
        let start = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(input);
        let mut weights: Vec<f64> =
            (start..end).map(|input| interpolation.at((input as f64 - center + 0.5) * inverse)).collect();
        let sum: f64 = weights.iter().fold(0.0, |sum, value| sum + value);
        if sum != 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= sum);
        }
        (start, weights)
    })
}

impl Taps {
    pub(super) fn new(axis: &Axis, interpolation: Interpolation) -> Self {
        let windows: Vec<(usize, Vec<f64>)> = windows(axis, interpolation).collect();
        let count = windows.iter().map(|(_, weights)| weights.len()).max().unwrap_or(1);
        let mut taps = Self {
            starts: Vec::with_capacity(axis.kept),
            count,
            weights: Vec::with_capacity(axis.kept * count),
        };
        for (start, values) in windows {
            let first = start.min(axis.input - count);
            let row = taps.weights.len();
            taps.starts.push(first);
            taps.weights.resize(row + count, 0);
            let row = &mut taps.weights[row + start - first..];
            for (weight, value) in row.iter_mut().zip(values) {
                *weight = (value * f64::from(1 << PRECISION_BITS) + 0.5_f64.copysign(value)) as i32;
            }
        }
        taps
    }

    /// Returns the range of input pixels that the windows cover.
    pub(super) fn span(&self) -> std::ops::Range<usize> {
        let first = self.starts.iter().min().copied().unwrap_or(0);
        let last = self.starts.iter().max().copied().unwrap_or(0);
        first..last + self.count
    }
}
