//! Linear layers in int8: exact integer sums of quantized weights and activations.

use super::{Epilogue, Format, Panels, ROWS_WORTH_UNFOLDING_FOR, Unfolded};
use crate::isa::Isa;
use crate::pack::Conversion;
use crate::simd::{LANES, Simd};
use crate::tile::Product;
use crate::unfold::{Unfold, UnfoldRows};

/// Largest weight. -128 is left out, so that the scale is symmetric.
const W_MAX: f32 = 127.0;
/// Largest activation.
const X_MAX: f32 = 255.0;
/// How much lower a byte is if it is taken as signed after [`Simd::flip_signs`].
const SHIFT: i32 = 128;

/// Weights of a linear layer in int8, in the layout of the product.
///
/// A weight is an i8 times the scale of its output. An activation is a u8, less the zero point of its row,
/// times the scale of its row. Zero point and scale are computed on each call from the least and the greatest
/// value of the row, so that the result of a row does not depend on other rows. The scheme is that of B.
/// Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference
/// (2018), section 2, with a scale for each output and each row.
#[derive(Debug)]
pub struct PackedI8 {
    panels: Panels,
    outputs: Outputs,
}

impl PackedI8 {
    /// Quantizes row-major `weights[n, k]` (`n` outputs, `k` inputs) and packs them.
    ///
    /// # Panics
    /// Panics if `weights` does not have `n * k` elements, or if `k` is above 66,000, where a sum might not fit
    /// into 32 bits.
    pub fn pack(weights: &[f32], n: usize, k: usize) -> Self {
        assert!(k <= 66_000, "a row of at most 66,000 inputs");
        let (panels, mut rows) = Panels::pack::<Weights>(weights, n, k);
        rows.resize(n.next_multiple_of(LANES), WeightRow::default());
        let outputs = Outputs {
            scales: rows.iter().map(|row| row.scale).collect(),
            sums: rows.iter().map(|row| row.sum as f32).collect(),
            shifts: rows.iter().map(|row| (SHIFT * row.sum) as u32).collect(),
        };
        Self { panels, outputs }
    }

    /// Returns the number of outputs.
    pub fn n(&self) -> usize {
        self.panels.n
    }

    /// Returns the number of inputs.
    pub fn k(&self) -> usize {
        self.panels.k
    }

    /// Computes `out[m, n] = epilogue(x[m, k] . W^T)`, with each row of `x` quantized to its own range. A row
    /// that holds NaN or an infinity gives NaN.
    ///
    /// # Panics
    /// Panics if the length of a slice does not fit `m`, `n` and `k`.
    pub fn apply(&self, x: &[f32], m: usize, epilogue: Epilogue<'_>, out: &mut [f32]) {
        if m >= ROWS_WORTH_UNFOLDING_FOR && Isa::current().unfolds_int8() {
            self.panels.apply(&Unfolded(&self.outputs), x, m, epilogue, out);
        } else {
            self.panels.apply(&self.outputs, x, m, epilogue, out);
        }
    }
}

/// Number whose addition rounds to an integer, halves to even, and leaves it in the low bits of the
/// significand: 1.5 * 2^23.
const ROUND: f32 = 12_582_912.0;

/// Rounds to an integer. The result is right up to 2^22.
#[inline(always)]
fn round(x: f32) -> i32 {
    ((x + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32)
}

/// Returns the least and the greatest of zero and the elements of `x`, or NaN twice if an element is not
/// finite.
#[inline(always)]
fn range(x: &[f32]) -> (f32, f32) {
    const WIDTH: usize = 4 * LANES;
    let (mut lowest, mut highest) = ([0.0_f32; WIDTH], [0.0_f32; WIDTH]);
    // The sum stays zero if all elements are finite: NaN and infinity times zero are NaN.
    let mut poison = [0.0_f32; WIDTH];
    let (chunks, rest) = x.as_chunks::<WIDTH>();
    let mut last = [0.0; WIDTH];
    last[..rest.len()].copy_from_slice(rest);
    for chunk in chunks.iter().chain([&last]) {
        for i in 0..WIDTH {
            lowest[i] = if chunk[i] < lowest[i] { chunk[i] } else { lowest[i] };
            highest[i] = if chunk[i] > highest[i] { chunk[i] } else { highest[i] };
            poison[i] += chunk[i] * 0.0;
        }
    }
    let poison: f32 = poison.iter().sum();
    let lowest = lowest.iter().fold(0.0, |a: f32, b| a.min(*b));
    let highest = highest.iter().fold(0.0, |a: f32, b| a.max(*b));
    (lowest + poison, highest + poison)
}

/// Raises a scale below the least normal number to that number, so that its reciprocal is finite. NaN stays
/// NaN.
#[inline(always)]
fn step(scale: f32) -> f32 {
    if scale < f32::MIN_POSITIVE { f32::MIN_POSITIVE } else { scale }
}

/// Activations, four u8 in a group.
struct Activations;

/// How a row of activations was quantized.
#[derive(Clone, Copy, Default)]
struct Row {
    /// Value of one step.
    scale: f32,
    /// Reciprocal of the scale.
    inverse: f32,
    /// Byte that stands for zero.
    zero: f32,
}

impl Conversion for Activations {
    const GROUP: usize = 4;
    type Row = Row;

    #[inline(always)]
    fn measure(x: &[f32]) -> Row {
        let (lowest, highest) = range(x);
        let scale = step(highest / X_MAX - lowest / X_MAX);
        let inverse = scale.recip();
        Row { scale, inverse, zero: round(-lowest * inverse) as f32 }
    }

    #[inline(always)]
    fn groups<S: Simd>(simd: S, x: &[f32], row: &Row) -> S::I {
        let (inverse, zero) = (simd.splat(row.inverse), simd.splat(row.zero));
        let steps = |x| simd.add(simd.round(simd.mul(simd.load(x), inverse)), zero);
        let (x, _) = x.as_chunks();
        let bytes = simd.to_bytes([steps(&x[0]), steps(&x[1]), steps(&x[2]), steps(&x[3])]);
        if S::SIGNED_BYTES { simd.flip_signs(bytes) } else { bytes }
    }
}

impl UnfoldRows for Activations {
    #[inline(always)]
    fn rows<S: Simd>(simd: S, word: S::I) -> [S::I; 2] {
        simd.unfold_u8(word)
    }
}

/// Weights, four i8 in a group.
struct Weights;

/// How a row of weights was quantized.
#[derive(Clone, Copy, Default)]
struct WeightRow {
    /// Value of one step.
    scale: f32,
    /// Reciprocal of the scale.
    inverse: f32,
    /// Sum of the quantized weights. A zero point shifts the product by a multiple of it.
    sum: i32,
}

impl Conversion for Weights {
    const GROUP: usize = 4;
    type Row = WeightRow;

    #[inline(always)]
    fn measure(w: &[f32]) -> WeightRow {
        let (lowest, highest) = range(w);
        let scale = step(if highest < -lowest { -lowest } else { highest } / W_MAX);
        let inverse = scale.recip();
        let sum = w.iter().map(|w| round(w * inverse).clamp(-127, 127)).sum();
        WeightRow { scale, inverse, sum }
    }

    #[inline(always)]
    fn groups<S: Simd>(simd: S, w: &[f32], row: &WeightRow) -> S::I {
        let (inverse, middle) = (simd.splat(row.inverse), simd.splat(SHIFT as f32));
        let steps = |w| simd.add(simd.round(simd.mul(simd.load(w), inverse)), middle);
        let (w, _) = w.as_chunks();
        simd.flip_signs(simd.to_bytes([steps(&w[0]), steps(&w[1]), steps(&w[2]), steps(&w[3])]))
    }
}

/// Values by which the sums of the outputs are turned into numbers, padded to whole vectors.
#[derive(Debug)]
struct Outputs {
    scales: Vec<f32>,
    sums: Vec<f32>,
    /// By how much the product is lower with signed activations, as the bits of an i32.
    shifts: Vec<u32>,
}

impl Product for Outputs {
    type Sum<S: Simd> = S::I;

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::I {
        simd.splat_bits(0)
    }

    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::I, x: S::I, y: S::I) -> S::I {
        simd.dot_bytes(sum, x, y)
    }
}

impl Unfold for Outputs {
    #[inline(always)]
    fn weights<S: Simd>(simd: S, word: S::I) -> [S::I; 2] {
        simd.unfold_i8(word)
    }

    #[inline(always)]
    fn add_part<S: Simd>(simd: S, sum: S::I, x: S::I, y: S::I) -> S::I {
        simd.dot_i16(sum, x, y)
    }
}

impl Format for Outputs {
    type X = Activations;
    type Product = Self;
    /// Scales of the weights, their sums, and shifts.
    type Outputs<S: Simd> = (S::F, S::F, S::I);

    #[inline(always)]
    fn outputs<S: Simd>(&self, simd: S, column: usize) -> Self::Outputs<S> {
        let [scales, sums] =
            [&self.scales, &self.sums].map(|x| simd.load_partial(&x[column..column + LANES]));
        (scales, sums, simd.load_bits(&self.shifts[column..].as_chunks().0[0]))
    }

    #[inline(always)]
    fn value<S: Simd>(simd: S, sum: S::I, row: Row, (scales, sums, shifts): Self::Outputs<S>) -> S::F {
        let sum = if S::SIGNED_BYTES { simd.add_bits(sum, shifts) } else { sum };
        let centered = simd.mul_add(simd.splat(-row.zero), sums, simd.to_f32(sum));
        simd.mul(centered, simd.mul(scales, simd.splat(row.scale)))
    }
}
