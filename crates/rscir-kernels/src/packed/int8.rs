//! Linear layers in int8: exact integer sums of quantised weights and activations.

use super::{Epilogue, Format, Panels};
use crate::parallel::bytes_mut;
use crate::simd::{LANES, Simd};

/// The largest weight. -128 is left out, so that the scale is symmetric.
const W_MAX: f32 = 127.0;
/// The largest activation.
const X_MAX: f32 = 255.0;

/// The weights of a linear layer in int8, laid out for the product.
///
/// A weight is an i8 times its output's scale. An activation is a u8 less its row's zero point, times its row's scale;
/// both are found on each call from the row's extremes, so that a row's result is its own. The scheme is that of
/// B. Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference
/// (2018), section 2, with a scale for each output and each row.
#[derive(Clone, Debug)]
pub struct PackedI8 {
    panels: Panels,
    /// For each output, and as many more as fill its panel.
    outputs: Int8,
}

impl PackedI8 {
    /// Quantises row-major `weights[n, k]` (`n` outputs, `k` inputs) and packs them.
    ///
    /// # Panics
    /// If `weights` has not `n * k` elements, or `k` is above 66,000, where a sum might not fit its 32 bits.
    pub fn pack(weights: &[f32], n: usize, k: usize) -> Self {
        assert_eq!(weights.len(), n * k, "weights have n x k elements");
        assert!(k <= 66_000, "a row of at most 66,000 inputs");
        let scale = |output: usize| {
            let row = &weights[output * k..(output + 1) * k];
            let largest = row.iter().fold(0.0_f32, |largest, w| largest.max(w.abs()));
            if largest > 0.0 { largest / W_MAX } else { 1.0 }
        };
        let padded = n.next_multiple_of(LANES);
        let mut outputs = Int8 { scales: (0..n).map(scale).collect(), sums: vec![0.0; padded] };
        let quantise = |w: f32, scale: f32| (w / scale).round_ties_even() as i8;
        let panels = Panels::pack(n, k, Int8::GROUP, |output, to| {
            let scale = outputs.scales[output];
            if let Some(last) = to.last_mut() {
                *last = 0;
            }
            for (to, &w) in bytes_mut(to).iter_mut().zip(&weights[output * k..(output + 1) * k]) {
                *to = quantise(w, scale) as u8;
            }
        });
        for output in 0..n {
            let row = &weights[output * k..(output + 1) * k];
            outputs.sums[output] =
                row.iter().map(|&w| i32::from(quantise(w, outputs.scales[output]))).sum::<i32>() as f32;
        }
        outputs.scales.resize(padded, 0.0);
        Self { panels, outputs }
    }

    /// The number of outputs.
    pub fn n(&self) -> usize {
        self.panels.n
    }

    /// The number of inputs.
    pub fn k(&self) -> usize {
        self.panels.k
    }

    /// `out[m, n] = epilogue(x[m, k] . W^T)`, with each row of `x` quantised to its own range. A row that holds NaN or
    /// infinity gives NaN.
    ///
    /// # Panics
    /// If a slice's length is not what `m`, `n` and `k` say.
    pub fn apply(&self, x: &[f32], m: usize, epilogue: Epilogue<'_>, out: &mut [f32]) {
        self.panels.apply(&self.outputs, x, m, epilogue, out);
    }
}

/// Four bytes in a group.
#[derive(Clone, Debug)]
struct Int8 {
    /// What one step of a weight is worth, for each output.
    scales: Vec<f32>,
    /// The sum of an output's quantised weights, by which a row's zero point shifts it.
    sums: Vec<f32>,
}

/// How a row of activations was quantised.
#[derive(Clone, Copy, Default)]
struct Row {
    scale: f32,
    zero: f32,
}

impl Format for Int8 {
    const GROUP: usize = 4;
    type Row = Row;
    type Sum<S: Simd> = S::I;
    /// Scales and sums of the weights.
    type Outputs<S: Simd> = (S::F, S::F);

    #[inline(always)]
    fn convert(x: &[f32], to: &mut [u32]) -> Row {
        // Adding 1.5 * 2^23 rounds to an integer, and leaves it in the low bits of the significand.
        const ROUND: f32 = 12_582_912.0;
        let mut lowest = [0.0_f32; 4 * LANES];
        let mut highest = [0.0_f32; 4 * LANES];
        // Stays zero unless there is NaN or infinity.
        let mut poison = [0.0_f32; 4 * LANES];
        let (chunks, rest) = x.as_chunks::<{ 4 * LANES }>();
        let mut last = [0.0; 4 * LANES];
        last[..rest.len()].copy_from_slice(rest);
        for chunk in chunks.iter().chain([&last]) {
            for i in 0..4 * LANES {
                lowest[i] = if chunk[i] < lowest[i] { chunk[i] } else { lowest[i] };
                highest[i] = if chunk[i] > highest[i] { chunk[i] } else { highest[i] };
                poison[i] += chunk[i] * 0.0;
            }
        }
        let lowest = lowest.iter().fold(0.0_f32, |a, &b| a.min(b));
        let highest = highest.iter().fold(0.0_f32, |a, &b| a.max(b));
        let poison: f32 = poison.iter().sum();
        let scale = if highest > lowest { (highest - lowest) / X_MAX } else { 1.0 };
        let inverse = scale.recip();
        let zero = (-lowest * inverse).round_ties_even();
        let offset = (zero as i32).wrapping_sub(ROUND.to_bits() as i32);
        for (to, &x) in bytes_mut(to).iter_mut().zip(x) {
            *to = ((x * inverse + ROUND).to_bits() as i32).wrapping_add(offset).clamp(0, 255) as u8;
        }
        Row { scale: scale + poison, zero }
    }

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::I {
        simd.splat_bits(0)
    }

    #[inline(always)]
    fn add_products<S: Simd>(simd: S, sum: S::I, x: S::I, weights: S::I) -> S::I {
        simd.dot_u8_i8(sum, x, weights)
    }

    #[inline(always)]
    fn outputs<S: Simd>(&self, simd: S, column: usize) -> Self::Outputs<S> {
        let columns = column..column + LANES;
        (simd.load_partial(&self.scales[columns.clone()]), simd.load_partial(&self.sums[columns]))
    }

    #[inline(always)]
    fn value<S: Simd>(simd: S, sum: S::I, row: Row, (scales, sums): Self::Outputs<S>) -> S::F {
        let centred = simd.mul_add(simd.splat(-row.zero), sums, simd.to_f32(sum));
        simd.mul(centred, simd.mul(scales, simd.splat(row.scale)))
    }
}
