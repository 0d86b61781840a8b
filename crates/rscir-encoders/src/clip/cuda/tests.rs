//! Compares each kernel with its twin in the tensor library's operations, on a GPU. `-- --ignored` runs the tests.

use candle_core::{D, DType, Device, Tensor};
use rscir_core::{PixelBatch, Precision};

use super::Kernels;
use crate::clip::compute::Compute;
use crate::clip::config::Activation;
use crate::clip::nn::{Buffer, LayerNorm, Linear, self_attention};
use crate::clip::pixels::{Normalization, Windows};

const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::F16];

/// Returns two ways to compute on the GPU: with kernels, and without them.
fn both(precision: Precision) -> [Compute; 2] {
    let device = crate::Device::Cuda(0).find().unwrap().candle;
    let kernels = Kernels::new(&device, &normalization()).unwrap();
    assert!(kernels.is_some());
    [kernels, None].map(|kernels| Compute { device: device.clone(), precision, kernels })
}

fn normalization() -> Normalization {
    Normalization::new([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])
}

/// Makes values without order, about as large as those of a normal distribution.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        // The multiplier and increment are those of Knuth's MMIX.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..count).map(|_| 2.0 * (next() + next() + next())).collect()
}

/// Asserts that two results differ by rounding: a few units in the last place of values near `scale`.
fn assert_near(what: &str, kernel: &Tensor, twin: &Tensor, scale: f64) {
    assert_eq!(kernel.dims(), twin.dims(), "{what}");
    let unit = match kernel.dtype() {
        DType::F32 => f64::from(f32::EPSILON),
        DType::F16 => 2f64.powi(-10),
        _ => 2f64.powi(-7),
    };
    let [a, b] = [kernel, twin].map(|x| {
        x.to_dtype(DType::F32)
            .unwrap()
            .to_device(&Device::Cpu)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    });
    let worst = a
        .iter()
        .zip(&b)
        .map(|(a, b)| f64::from((a - b).abs()))
        .fold(0.0, |m, d| if d > m || d.is_nan() { d } else { m });
    assert!(worst <= 8.0 * unit * scale, "{what} in {:?}: {worst} apart", kernel.dtype());
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn layers_are_their_twins() {
    for precision in PRECISIONS {
        let [with, without] = both(precision);
        // These rows do not fill a block, and these widths do not fill a warp.
        for (rows, inputs, outputs) in [(13, 64, 192), (257, 256, 1024), (3, 72, 40)] {
            let x = with.tensor(values(rows * inputs, 1).into(), &[1, rows, inputs]).unwrap();
            let weights: Vec<f32> =
                values(outputs * inputs, 2).iter().map(|w| w / (inputs as f32).sqrt()).collect();
            let bias = values(outputs, 3);
            let [linear, twin] = [&with, &without].map(|compute| {
                Linear::new(compute, &weights, Some(bias.clone().into()), [outputs, inputs]).unwrap()
            });
            let run = |l: &Linear, a| match a {
                Some(a) => l.forward_activated(&x, a, &mut Buffer::default()).unwrap(),
                None => l.forward(&x, &mut Buffer::default()).unwrap(),
            };
            for f in [None, Some(Activation::Gelu), Some(Activation::QuickGelu), Some(Activation::GeluTanh)] {
                assert_near(&format!("linear {f:?}"), &run(&linear, f), &run(&twin, f), 4.0);
            }
            let residual = || with.tensor(values(rows * outputs, 4).into(), &[1, rows, outputs]).unwrap();
            let [sum, expected] = [&linear, &twin].map(|layer| layer.add_to(&x, residual()).unwrap());
            assert_near("linear added", &sum, &expected, 8.0);

            let weight = values(inputs, 5);
            let [norm, twin] = [&with, &without].map(|compute| {
                let bias = values(inputs, 6);
                LayerNorm::new(compute, weight.clone().into(), bias.into(), 1e-5).unwrap()
            });
            let [norm, twin] = [&norm, &twin].map(|norm| norm.forward(&x, &mut Buffer::default()).unwrap());
            assert_near("layer norm", &norm, &twin, 8.0);
        }
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn attention_is_its_twin() {
    for precision in [Precision::Bf16, Precision::F16] {
        let [with, without] = both(precision);
        // The cases are one query, whole blocks and their neighbors, and heads that fill the size of their kernel or
        // do not.
        for (tokens, heads, head) in
            [(1, 1, 64), (50, 3, 64), (64, 2, 32), (65, 2, 72), (77, 1, 80), (129, 2, 88), (257, 2, 104)]
        {
            for causal in [false, true] {
                let width = heads * head;
                let qkv =
                    with.tensor(values(2 * tokens * 3 * width, 7).into(), &[2, tokens, 3 * width]).unwrap();
                let run = |compute: &Compute, qkv: &Tensor| {
                    self_attention(compute, qkv, heads, causal, &mut Buffer::default()).unwrap()
                };
                let kernel = run(&with, &qkv);
                // The twin computes in f32, because its rounding of scores to 16 bits is not tested here.
                let twin = run(&without, &qkv.to_dtype(DType::F32).unwrap());
                assert_near(&format!("attention {tokens} {heads} {head} {causal}"), &kernel, &twin, 1.0);
            }
        }
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn windows_are_those_of_the_cpu() {
    for precision in PRECISIONS {
        let [with, _] = both(precision);
        let kernels = with.kernels.as_ref().unwrap();
        for (size, windows) in [(15, Windows::patches(4)), (9, Windows { side: 3, stride: 2, padding: 1 })] {
            // The number of images grows and shrinks, so that the page-locked memory is allocated anew and used again.
            for images in [2, 5, 5, 1] {
                let pixels: Vec<u8> =
                    values(images * size * size * 3, 8).iter().map(|v| (v * 40.0 + 128.0) as u8).collect();
                let batch = PixelBatch::new(size, &pixels).unwrap();
                let along = windows.along(size);
                let shape = [images, along * along, windows.values()];
                let rows = Tensor::zeros(&shape, with.dtype(), &with.device).unwrap();
                kernels.unfold(batch, windows, &rows).unwrap();
                let expected = with.tensor(windows.unfold(batch, &normalization()).into(), &shape).unwrap();
                let difference =
                    (rows.to_dtype(DType::F32).unwrap() - expected.to_dtype(DType::F32).unwrap()).unwrap();
                let worst = difference.abs().unwrap().flatten_all().unwrap().max(D::Minus1).unwrap();
                assert_eq!(worst.to_scalar::<f32>().unwrap(), 0.0);
            }
        }
    }
}
