//! Linear layers in bf16 and int8: what they round, how far they are from f32, and that nothing else changes them.

mod common;

use common::{bits, chain_bound, numbers, on_every_isa, reference, with_threads};
use half::bf16;
use proptest::prelude::*;
use rscir_kernels::{Epilogue, PackedBf16, PackedI8};

const SHAPES: [(usize, usize, usize); 14] = [
    (1, 1, 1),
    (1, 32, 16),
    (3, 33, 5),
    (4, 31, 8),
    (5, 16, 9),
    (6, 17, 64),
    (7, 64, 3),
    (9, 47, 2),
    (11, 96, 40),
    (12, 32, 128),
    (13, 100, 31),
    (50, 65, 77),
    (129, 40, 100),
    (30, 33, 1500),
];

fn bf16_layer(w: &[f32], x: &[f32], m: usize, n: usize, k: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; m * n];
    PackedBf16::pack(w, n, k).apply(x, m, Epilogue::none(), &mut out);
    out
}

fn int8_layer(w: &[f32], x: &[f32], m: usize, n: usize, k: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; m * n];
    PackedI8::pack(w, n, k).apply(x, m, Epilogue::none(), &mut out);
    out
}

#[test]
fn bf16_is_the_product_of_the_rounded_operands_with_the_same_bits_on_every_isa() {
    let round = |x: &[f32]| -> Vec<f32> { x.iter().map(|&x| bf16::from_f32(x).to_f32()).collect() };
    for (seed, (m, n, k)) in SHAPES.into_iter().enumerate() {
        let (x, w) = (numbers(m * k, seed as u64), numbers(n * k, 100 + seed as u64));
        let expected = reference(&round(&x), &round(&w), m, n, k);
        on_every_isa(
            || bf16_layer(&w, &x, m, n, k),
            |isa, out, portable| {
                assert_eq!(bits(out), bits(portable), "{isa:?} {m}x{n}x{k}");
                for (i, (&got, &(want, magnitude))) in out.iter().zip(&expected).enumerate() {
                    let error = (f64::from(got) - want).abs();
                    assert!(
                        error <= chain_bound(k, magnitude),
                        "{isa:?} {m}x{n}x{k} at {i}: {got} for {want}"
                    );
                }
            },
        );
    }
}

#[test]
fn bf16_rounds_halves_to_even_and_keeps_what_is_not_finite() {
    // 1 + 2^-8 lies half way between 1 and 1 + 2^-7; 1 + 3 * 2^-8 between 1 + 2^-7 and 1 + 2^-6.
    let x = [1.0 + 0.003_906_25, 1.0 + 0.011_718_75, f32::MAX, f32::NEG_INFINITY, f32::NAN, 1.5, -0.0];
    let out = bf16_layer(&[1.0], &x, x.len(), 1, 1);
    assert_eq!(out[..4], [1.0, 1.015_625, f32::INFINITY, f32::NEG_INFINITY]);
    assert!(out[4].is_nan());
    assert_eq!(out[5..], [1.5, 0.0]);
}

/// The scheme of [`PackedI8`] in the plainest terms.
fn quantized(w: &[f32], x: &[f32], m: usize, n: usize, k: usize) -> Vec<f64> {
    let mut out = Vec::new();
    for x in x.chunks_exact(k).take(m) {
        let low = x.iter().copied().fold(0.0, f32::min);
        let high = x.iter().copied().fold(0.0, f32::max);
        let scale = (high / 255.0 - low / 255.0).max(f32::MIN_POSITIVE);
        let zero = (-low * scale.recip()).round_ties_even() as i64;
        let xs: Vec<i64> = x
            .iter()
            .map(|x| ((x * scale.recip()).round_ties_even() as i64 + zero).clamp(0, 255) - zero)
            .collect();
        for w in w.chunks_exact(k).take(n) {
            let largest = w.iter().fold(0.0_f32, |largest, w| largest.max(w.abs()));
            let w_scale = (largest / 127.0).max(f32::MIN_POSITIVE);
            let sum: i64 =
                xs.iter().zip(w).map(|(x, w)| x * (w * w_scale.recip()).round_ties_even() as i64).sum();
            out.push(sum as f64 * f64::from(scale) * f64::from(w_scale));
        }
    }
    out
}

#[test]
fn int8_is_the_integer_product_with_the_same_bits_on_every_isa() {
    for (seed, (m, n, k)) in SHAPES.into_iter().enumerate() {
        // Activations as after GELU: mostly positive, so that the zero point is not in the middle.
        let x: Vec<f32> = numbers(m * k, seed as u64).iter().map(|x| x.max(-0.17) * 3.0).collect();
        let w = numbers(n * k, 100 + seed as u64);
        let expected = quantized(&w, &x, m, n, k);
        on_every_isa(
            || int8_layer(&w, &x, m, n, k),
            |isa, out, portable| {
                assert_eq!(bits(out), bits(portable), "{isa:?} {m}x{n}x{k}");
                for (i, (&got, &want)) in out.iter().zip(&expected).enumerate() {
                    // The sum may lose its last bit on its way to f32, before the zero point is taken off it.
                    let bound = 4.0 * f64::from(f32::EPSILON) * (want.abs() + 0.02 * k as f64);
                    assert!(
                        (f64::from(got) - want).abs() <= bound,
                        "{isa:?} {m}x{n}x{k} at {i}: {got} for {want}"
                    );
                }
            },
        );
    }
}

#[test]
fn int8_takes_the_extremes_of_its_range_without_saturating() {
    // 255 * 127 in every place: pairs of such products overflow 16 bits.
    let k = 4096;
    for sign in [1.0, -1.0] {
        on_every_isa(
            || int8_layer(&vec![sign; k], &vec![2.0; k], 1, 1, k)[0],
            |isa, &got, _| assert!((got / (sign * 2.0 * k as f32) - 1.0).abs() < 1e-6, "{isa:?}: {got}"),
        );
    }
}

#[test]
fn int8_is_as_near_to_f32_as_its_steps_allow() {
    let (m, n, k) = (20, 40, 768);
    let (x, w) = (numbers(m * k, 1), numbers(n * k, 2));
    let out = int8_layer(&w, &x, m, n, k);
    let (mut dot, mut norm, mut exact_norm) = (0.0, 0.0, 0.0);
    for (&got, (want, _)) in out.iter().zip(reference(&x, &w, m, n, k)) {
        dot += f64::from(got) * want;
        norm += f64::from(got).powi(2);
        exact_norm += want * want;
    }
    let cosine = dot / (norm * exact_norm).sqrt();
    assert!(cosine > 0.9999, "cosine {cosine}");
}

#[test]
fn int8_rows_of_zeros_or_of_one_value_are_exact_and_rows_not_finite_are_nan() {
    let mut x = vec![0.0; 5 * 8];
    x[8..16].fill(0.75);
    x[16..24].fill(-0.75);
    x[24 + 3] = f32::NAN;
    x[32 + 5] = f32::NEG_INFINITY;
    let out = int8_layer(&[1.0; 8], &x, 5, 1, 8);
    assert_eq!(out[0], 0.0);
    assert!((out[1] - 6.0).abs() < 1e-5 && (out[2] + 6.0).abs() < 1e-5, "{out:?}");
    assert!(out[3].is_nan() && out[4].is_nan(), "{out:?}");
    // A silent output.
    assert_eq!(int8_layer(&[0.0; 8], &x[8..16], 1, 1, 8), [0.0]);
}

#[test]
fn neither_depends_on_threads() {
    let (m, n, k) = (150, 100, 90);
    let (x, w) = (numbers(m * k, 1), numbers(n * k, 2));
    let run = || (bits(&bf16_layer(&w, &x, m, n, k)), bits(&int8_layer(&w, &x, m, n, k)));
    let one = with_threads(1, run);
    for threads in [2, 3, 8] {
        assert_eq!(one, with_threads(threads, run), "{threads} threads");
    }
}

#[test]
fn empty_dimensions_are_fine() {
    let mut out = [9.0; 2];
    PackedBf16::pack(&[], 2, 0).apply(&[], 1, Epilogue::bias(&[1.0, 2.0]), &mut out);
    assert_eq!(out, [1.0, 2.0]);
    PackedI8::pack(&[], 2, 0).apply(&[], 1, Epilogue::bias(&[3.0, 4.0]), &mut out);
    assert_eq!(out, [3.0, 4.0]);
    PackedI8::pack(&[], 0, 4).apply(&[1.0; 4], 1, Epilogue::none(), &mut []);
}

#[test]
#[should_panic(expected = "x has m x k elements")]
fn lengths_must_agree() {
    PackedI8::pack(&[0.0; 6], 2, 3).apply(&[0.0; 4], 1, Epilogue::none(), &mut [0.0; 2]);
}

proptest! {
    #[test]
    fn a_row_alone_is_a_row_of_the_batch(m in 1_usize..40, n in 1_usize..80, k in 1_usize..100, seed in 0_u64..1000) {
        let (x, w) = (numbers(m * k, seed), numbers(n * k, seed + 1));
        for layer in [bf16_layer, int8_layer] {
            let batch = layer(&w, &x, m, n, k);
            for i in 0..m {
                let alone = layer(&w, &x[i * k..(i + 1) * k], 1, n, k);
                prop_assert_eq!(bits(&alone), bits(&batch[i * n..(i + 1) * n]));
            }
        }
    }
}
