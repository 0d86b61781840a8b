//! Rotary positions in two dimensions, in the form of Perception Encoder (`RotaryEmbeddingCat` of timm's
//! layers/pos_embed_sincos.py, with the options of its models/eva.py).
//!
//! Pairs of values of a query or key are rotated by angles. In the first half of a head the angles grow with the
//! column of the patch, in the second half with its row. timm pairs neighbors. Here the rows of the weights are put
//! in another order, so that a pair is an element of a head's first half and the same element of its second half, and
//! whole registers are rotated at a time. Scores are sums over pairs, so the order does not change them.

use candle_core::{D, DType, Device, Tensor};

use super::compute::Compute;
use super::config::StackConfig;
use super::kernels;
use crate::Result;

/// Position of the first patch (`rope_grid_offset` of timm's models/eva.py).
const OFFSET: f32 = 1.0;

/// Ratio of the fastest frequency to the limit of the slowest (default of timm's `rope_temperature`).
const TEMPERATURE: f64 = 10_000.0;

/// Cosines and sines for the tokens of a tower.
pub(super) struct Rotary {
    /// Cosines, then sines: `[2, tokens, half a head]`.
    table: Tensor,
}

/// Returns, for each output of the projection to queries, keys and values, its row in the checkpoint: `[3 * width]`.
pub(super) fn order(width: usize, heads: usize) -> Vec<usize> {
    let head = width / heads;
    let place = |at: usize| {
        let (start, within) = (at - at % head, at % head);
        match within.checked_sub(head / 2) {
            None => start + 2 * within,
            Some(second) => start + 2 * second + 1,
        }
    };
    (0..3 * width).map(|at| if at < 2 * width { place(at) } else { at }).collect()
}

impl Rotary {
    /// Makes the table for a square of patches with `along` of them on a side. With `class`, a class token precedes
    /// the patches and is not rotated.
    pub(super) fn new(compute: &Compute, along: usize, class: bool, stack: &StackConfig) -> Result<Self> {
        let angles = angles(along, class, stack.width / stack.heads);
        let half = stack.width / stack.heads / 2;
        let values: Vec<f32> = angles
            .iter()
            .map(|angle| angle.cos() as f32)
            .chain(angles.iter().map(|angle| angle.sin() as f32))
            .collect();
        let table = Tensor::from_vec(values, (2, angles.len() / half.max(1), half), &Device::Cpu)?;
        Ok(Self { table: table.to_device(&compute.device)? })
    }

    /// Rotates the queries and keys of `qkv[batch, tokens, 3 width]`, on a CPU in their memory.
    pub(super) fn turn(&self, qkv: Tensor, heads: usize) -> Result<Tensor> {
        if qkv.device().is_cpu() {
            kernels::rotate(heads, &self.table, &qkv)?;
            return Ok(qkv);
        }
        self.turn_by_parts(&qkv, heads)
    }

    /// Rotates like [`Rotary::turn`], with the tensor library's operations in f32.
    fn turn_by_parts(&self, qkv: &Tensor, heads: usize) -> Result<Tensor> {
        let (batch, tokens, width) = qkv.dims3()?;
        let width = width / 3;
        let half = self.table.dim(D::Minus1)?;
        let [cos, sin] =
            [0, 1].map(|part| self.table.get(part).and_then(|table| table.reshape((1, tokens, 1, half))));
        let (cos, sin) = (cos?, sin?);
        let pairs = qkv.narrow(D::Minus1, 0, 2 * width)?.to_dtype(DType::F32)?;
        let pairs = pairs.reshape((batch, tokens, 2 * heads, 2, half))?;
        let [first, second] = [0, 1].map(|part| pairs.narrow(3, part, 1).and_then(|pairs| pairs.squeeze(3)));
        let (first, second) = (first?, second?);
        let turned = [
            (first.broadcast_mul(&cos)? - second.broadcast_mul(&sin)?)?,
            (second.broadcast_mul(&cos)? + first.broadcast_mul(&sin)?)?,
        ];
        let turned = Tensor::stack(&turned, 3)?.reshape((batch, tokens, 2 * width))?.to_dtype(qkv.dtype())?;
        Ok(Tensor::cat(&[&turned, &qkv.narrow(D::Minus1, 2 * width, width)?], 2)?)
    }
}

/// Returns the angles of the pairs of a head's values, `[tokens, head / 2]`. Each step is rounded to f32 where
/// PyTorch rounds it.
fn angles(along: usize, class: bool, head: usize) -> Vec<f64> {
    let bands = head / 4;
    let frequency = |band: usize| {
        let exponent = band as f32 / bands as f32;
        1.0 / TEMPERATURE.powf(exponent.into()) as f32
    };
    let side = along as f32;
    // timm divides by the side and multiplies with the side of the pretraining. The two sides are equal, but the
    // steps round.
    let position = |at: usize| (at as f32 + OFFSET) / side * side;
    let angle = |at: usize, band: usize| f64::from(position(at) * frequency(band));
    let patches = (0..along * along).flat_map(|patch| {
        let (column, row) = (patch % along, patch / along);
        (0..bands).map(move |band| angle(column, band)).chain((0..bands).map(move |band| angle(row, band)))
    });
    std::iter::repeat_n(0.0, if class { 2 * bands } else { 0 }).chain(patches).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rscir_core::Precision;

    /// Compares with timm 1.0.31: `RotaryEmbeddingCat(8, in_pixels=False, feat_shape=[2, 2], ref_feat_shape=[2, 2],
    /// grid_offset=1.0, grid_indexing="xy").get_embed()`, which has each sine twice.
    #[test]
    fn angles_are_timms() {
        let sines: Vec<f64> = angles(2, true, 8).iter().map(|angle| angle.sin()).collect();
        let (one, two) = ([SIN_1, SIN_001], [SIN_2, SIN_002]);
        let expected = [[0.0; 2], [0.0; 2], one, one, two, one, one, two, two, two];
        assert_eq!(sines.len(), 20);
        for (sine, expected) in sines.iter().zip(expected.as_flattened()) {
            assert!((sine - expected).abs() < 1e-7, "{sine} {expected}");
        }
    }

    const SIN_1: f64 = 0.841_470_98;
    const SIN_2: f64 = 0.909_297_43;
    const SIN_001: f64 = 0.009_999_833;
    const SIN_002: f64 = 0.019_998_667;

    #[test]
    fn pairs_of_neighbors_come_apart_within_their_head() {
        let order = order(8, 2);
        assert_eq!(order[..8], [0, 2, 1, 3, 4, 6, 5, 7]);
        assert_eq!(order[8..16], [8, 10, 9, 11, 12, 14, 13, 15]);
        assert_eq!(order[16..], [16, 17, 18, 19, 20, 21, 22, 23]);
    }

    /// Compares the tensor library's operations, which a GPU uses, with the kernel of the CPU.
    #[test]
    fn both_ways_turn_alike() {
        let compute = Compute { device: Device::Cpu, precision: Precision::F32, kernels: None };
        let (width, heads, along) = (40, 2, 3);
        let activation = super::super::config::Activation::Gelu;
        let stack =
            StackConfig { width, layers: 1, heads, hidden: 1, activation, epsilon: 1e-5, scaled: false };
        let rotary = Rotary::new(&compute, along, true, &stack).unwrap();
        let values: Vec<f32> =
            (0..2 * 10 * 3 * width).map(|at| ((at * 7919) % 1009) as f32 / 500.0 - 1.0).collect();
        let qkv = Tensor::from_vec(values.clone(), (2, 10, 3 * width), &Device::Cpu).unwrap();
        let by_parts =
            rotary.turn_by_parts(&qkv, heads).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let by_kernel = rotary.turn(qkv, heads).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let far = by_parts.iter().zip(&by_kernel).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-6, "{far}");
        assert_ne!(by_kernel, values);
        // The class token and the values stay.
        assert_eq!(by_kernel[..3 * width], values[..3 * width]);
        assert_eq!(by_kernel[5 * width..6 * width], values[5 * width..6 * width]);
    }
}
