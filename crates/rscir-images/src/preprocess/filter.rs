//! Pillow's resampling weights (src/libImaging/Resample.c, `precompute_coeffs` and `normalize_coeffs_8bpc`).

use super::Interpolation;
use super::geometry::Axis;

/// Fractional bits of a weight: 32 less 8 of the pixel less 2 for lobes below 0 and sums above 1 (`PRECISION_BITS`).
pub(super) const PRECISION_BITS: u32 = 32 - 8 - 2;

impl Interpolation {
    /// Half the filter's width in pixels of the smaller image.
    fn support(self) -> f64 {
        match self {
            Self::Bicubic => 2.0,
            Self::Bilinear => 1.0,
        }
    }

    /// The filter's value. The order of operations is Pillow's: it decides the last bit.
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

/// For each kept pixel of an axis, the input pixels it is a weighted sum of.
///
/// All windows have the same length, so that loops over them are: shorter ones are filled with weights of zero, and
/// begin earlier where the image ends.
#[derive(Debug, PartialEq)]
pub(super) struct Taps {
    /// First input pixel of each window.
    pub(super) starts: Vec<usize>,
    /// Pixels in a window.
    pub(super) count: usize,
    /// `[kept, count]`, in units of 2^-[`PRECISION_BITS`].
    pub(super) weights: Vec<i32>,
}

impl Taps {
    pub(super) fn new(axis: &Axis, interpolation: Interpolation) -> Self {
        let kept = axis.crop..axis.crop + axis.kept;
        if axis.input == axis.resized {
            // Pillow leaves this axis out; a weight of one gives the pixel itself.
            return Self { starts: kept.collect(), count: 1, weights: vec![1 << PRECISION_BITS; axis.kept] };
        }
        let scale = axis.input as f64 / axis.resized as f64;
        let filter_scale = scale.max(1.0);
        let support = interpolation.support() * filter_scale;
        let inverse = 1.0 / filter_scale;
        // Casts truncate towards zero and saturate, as C's do in range.
        let window = |pixel: usize| {
            let center = (pixel as f64 + 0.5) * scale;
            let start = (center - support + 0.5) as usize;
            (center, start, ((center + support + 0.5) as usize).min(axis.input))
        };

        let count = kept.clone().map(window).map(|(_, start, end)| end - start).max().unwrap_or(1);
        let mut taps = Self {
            starts: Vec::with_capacity(axis.kept),
            count,
            weights: Vec::with_capacity(axis.kept * count),
        };
        for pixel in kept {
            let (center, start, end) = window(pixel);
            let values: Vec<f64> =
                (start..end).map(|input| interpolation.at((input as f64 - center + 0.5) * inverse)).collect();
            let sum: f64 = values.iter().fold(0.0, |sum, value| sum + value);
            let first = start.min(axis.input - count);
            let row = taps.weights.len();
            taps.starts.push(first);
            taps.weights.resize(row + count, 0);
            let row = &mut taps.weights[row + start - first..];
            for (weight, value) in row.iter_mut().zip(values) {
                let value = if sum == 0.0 { value } else { value / sum };
                *weight = (value * f64::from(1 << PRECISION_BITS) + 0.5_f64.copysign(value)) as i32;
            }
        }
        taps
    }

    /// The input pixels that any window covers.
    pub(super) fn span(&self) -> std::ops::Range<usize> {
        let first = self.starts.iter().min().copied().unwrap_or(0);
        let last = self.starts.iter().max().copied().unwrap_or(0);
        first..last + self.count
    }
}
