//! How fast a linear layer of ViT-L/14 is on each instruction set of this machine.

#![allow(clippy::print_stdout, reason = "a measurement is read by who runs it")]

mod common;

use std::time::Instant;

use common::numbers;
use rscir_kernels::{
    AttentionShape, Epilogue, Isa, PackedBf16, PackedI8, PackedMatrix, attention, attention_bf16,
};

/// Rows, outputs and inputs: two images through the wider layer of a perceptron.
const SHAPE: (usize, usize, usize) = (514, 4096, 1024);

/// Rounds of each, of which the fastest counts.
const ROUNDS: usize = 25;

#[test]
#[ignore = "a measurement: cargo test --release -p rscir-kernels --test speed -- --ignored --nocapture"]
fn of_a_linear_layer_in_each_precision_and_of_attention_on_each_instruction_set() {
    let (m, n, k) = SHAPE;
    let (x, w) = (numbers(m * k, 1), numbers(n * k, 2));
    let (f32s, bf16s, i8s) =
        (PackedMatrix::pack(&w, n, k), PackedBf16::pack(&w, n, k), PackedI8::pack(&w, n, k));
    let shape = AttentionShape { batch: 2, tokens: 257, heads: 16, head_dim: 64, causal: false };
    let qkv = numbers(shape.batch * shape.tokens * 3 * 1024, 3);
    let mut out = vec![0.0; m * n];
    let mut attended = vec![0.0; shape.batch * shape.tokens * 1024];
    println!("fastest here: {}", Isa::detect().name());
    println!("| instruction set | f32 GFLOP/s | bf16 | int8 | attention f32 ms | bf16 |");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    for isa in Isa::available().filter(|&isa| isa != Isa::Portable) {
        let mut least = [f64::INFINITY; 5];
        for _ in 0..ROUNDS {
            for (i, least) in least.iter_mut().enumerate() {
                let elapsed = pool.install(|| {
                    isa.force(|| {
                        let start = Instant::now();
                        match i {
                            0 => f32s.apply(&x, m, Epilogue::none(), &mut out),
                            1 => bf16s.apply(&x, m, Epilogue::none(), &mut out),
                            2 => i8s.apply(&x, m, Epilogue::none(), &mut out),
                            3 => attention(&qkv, shape, &mut attended),
                            _ => attention_bf16(&qkv, shape, &mut attended),
                        }
                        start.elapsed()
                    })
                });
                *least = least.min(elapsed.as_secs_f64());
            }
        }
        let rate = |seconds: f64| 2e-9 * (m * n * k) as f64 / seconds;
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
            isa.name(),
            rate(least[0]),
            rate(least[1]),
            rate(least[2]),
            1e3 * least[3],
            1e3 * least[4]
        );
    }
}
