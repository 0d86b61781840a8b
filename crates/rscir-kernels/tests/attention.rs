//! Attention and layer normalization against f64 twins, over odd shapes, batches and threads.

mod common;

use common::{bits, numbers, on_every_isa, with_threads};
use half::bf16;
use rscir_kernels::{AttentionShape, attention, attention_bf16, layer_norm};

/// Batch, tokens, heads, width of a head: around the edges of every block, and the towers' own shapes.
const SHAPES: [(usize, usize, usize, usize); 10] = [
    (1, 1, 1, 1),
    (2, 3, 2, 5),
    (1, 16, 1, 16),
    (1, 17, 3, 28),
    (3, 33, 2, 32),
    (1, 50, 4, 64),
    (1, 65, 3, 80),
    (2, 77, 2, 64),
    (1, 257, 2, 64),
    (1, 130, 1, 128),
];

/// The formula, term by term in f64.
fn naive(qkv: &[f32], (batch, tokens, heads, dim): (usize, usize, usize, usize), causal: bool) -> Vec<f64> {
    let width = heads * dim;
    let at = |image: usize, token: usize, part: usize, head: usize, i: usize| {
        f64::from(qkv[(image * tokens + token) * 3 * width + part * width + head * dim + i])
    };
    let mut out = vec![0.0; batch * tokens * width];
    for image in 0..batch {
        for head in 0..heads {
            for query in 0..tokens {
                let keys = if causal { query + 1 } else { tokens };
                let dot = |key| {
                    (0..dim).map(|i| at(image, query, 0, head, i) * at(image, key, 1, head, i)).sum::<f64>()
                };
                let logits: Vec<f64> = (0..keys).map(|key| dot(key) / (dim as f64).sqrt()).collect();
                let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = logits.iter().map(|l| (l - largest).exp()).collect();
                let total: f64 = weights.iter().sum();
                for i in 0..dim {
                    out[(image * tokens + query) * width + head * dim + i] =
                        (0..keys).map(|key| weights[key] / total * at(image, key, 2, head, i)).sum();
                }
            }
        }
    }
    out
}

fn attended(
    qkv: &[f32],
    (batch, tokens, heads, dim): (usize, usize, usize, usize),
    causal: bool,
) -> Vec<f32> {
    let mut out = vec![f32::NAN; batch * tokens * heads * dim];
    attention(qkv, AttentionShape { batch, tokens, heads, head_dim: dim, causal }, &mut out);
    out
}

#[test]
fn attention_is_its_formula_on_every_isa() {
    for (seed, shape) in SHAPES.into_iter().enumerate() {
        let (batch, tokens, heads, dim) = shape;
        let qkv = numbers(batch * tokens * 3 * heads * dim, seed as u64);
        for causal in [false, true] {
            let expected = naive(&qkv, shape, causal);
            let check = |isa, out: &Vec<f32>, _: &Vec<f32>| {
                for (got, want) in out.iter().zip(&expected) {
                    // A mean of values below 1 in size, of f32 products.
                    assert!(
                        (f64::from(*got) - want).abs() < 2e-6,
                        "{isa:?} {shape:?} causal {causal}: {got} {want}"
                    );
                }
            };
            on_every_isa(|| attended(&qkv, shape, causal), check);
        }
    }
}

/// The same with operands in bf16.
fn attended_bf16(
    qkv: &[f32],
    (batch, tokens, heads, dim): (usize, usize, usize, usize),
    causal: bool,
) -> Vec<f32> {
    let mut out = vec![f32::NAN; batch * tokens * heads * dim];
    attention_bf16(qkv, AttentionShape { batch, tokens, heads, head_dim: dim, causal }, &mut out);
    out
}

#[test]
fn attention_in_bf16_rounds_its_operands_alone_with_the_same_bits_on_every_isa() {
    for (seed, shape) in SHAPES.into_iter().enumerate() {
        let (batch, tokens, heads, dim) = shape;
        let qkv = numbers(batch * tokens * 3 * heads * dim, seed as u64);
        let rounded: Vec<f32> = qkv.iter().map(|x| bf16::from_f32(*x).to_f32()).collect();
        for causal in [false, true] {
            let expected = naive(&rounded, shape, causal);
            let check = |isa, out: &Vec<f32>, portable: &Vec<f32>| {
                assert_eq!(bits(out), bits(portable), "{isa:?} {shape:?} causal {causal}");
                for (got, want) in out.iter().zip(&expected) {
                    // A mean of values of at most 1 in size, whose weights are rounded to 8 bits: 2^-9 of each.
                    assert!(
                        (f64::from(*got) - want).abs() < 1.0 / 512.0 + 2e-6,
                        "{isa:?} {shape:?} causal {causal}: {got} {want}"
                    );
                }
            };
            on_every_isa(|| attended_bf16(&qkv, shape, causal), check);
        }
    }
}

#[test]
fn attention_depends_neither_on_the_batch_nor_on_the_threads() {
    let shape @ (batch, tokens, heads, dim) = (3, 33, 2, 32);
    let qkv = numbers(batch * tokens * 3 * heads * dim, 7);
    for attended in [attended, attended_bf16] {
        let whole = with_threads(1, || attended(&qkv, shape, true));
        assert_eq!(bits(&whole), bits(&with_threads(2, || attended(&qkv, shape, true))));
        let alone: Vec<f32> = qkv
            .chunks_exact(tokens * 3 * heads * dim)
            .flat_map(|image| attended(image, (1, tokens, heads, dim), true))
            .collect();
        assert_eq!(bits(&whole), bits(&alone));
    }
}

#[test]
fn layer_norm_is_its_formula_on_every_isa() {
    for (seed, (rows, width)) in
        [(1, 1), (2, 7), (17, 16), (5, 33), (40, 257), (3, 1024)].into_iter().enumerate()
    {
        let (x, weight, bias) = (numbers(rows * width, seed as u64), numbers(width, 50), numbers(width, 51));
        let work = || {
            let mut out = vec![f32::NAN; x.len()];
            layer_norm(&x, &weight, &bias, 1e-5, &mut out);
            out
        };
        on_every_isa(work, |isa, out, _| {
            for (row, got) in x.chunks_exact(width).zip(out.chunks_exact(width)) {
                let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / width as f64;
                let variance = row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / width as f64;
                for (i, got) in got.iter().enumerate() {
                    let scaled = (f64::from(row[i]) - mean) / (variance + 1e-5).sqrt();
                    let want = scaled * f64::from(weight[i]) + f64::from(bias[i]);
                    assert!((f64::from(*got) - want).abs() < 1e-5, "{isa:?} {rows} x {width}: {got} {want}");
                }
            }
        });
    }
}
