//! Linear layers: right in every precision, and the same whatever the batch and the threads.

mod common;

use common::{bits, chain_bound, numbers, on_every_isa, reference, survival, with_threads};
use proptest::prelude::*;
use rscir_kernels::{Epilogue, Finish, PackedMatrix};

/// Around every edge of the tiles: 4, 6, 8 and 12 rows, 16 and 32 columns. The last one has more rows than a second-level cache
/// holds.
const SHAPES: [(usize, usize, usize); 17] = [
    (1, 1, 1),
    (1, 32, 16),
    (3, 33, 5),
    (4, 31, 8),
    (5, 16, 9),
    (6, 17, 64),
    (7, 64, 3),
    (8, 48, 33),
    (9, 47, 2),
    (11, 96, 40),
    (12, 32, 128),
    (13, 100, 31),
    (24, 15, 64),
    (50, 65, 77),
    (257, 40, 100),
    (30, 33, 1500),
    (1250, 35, 700),
];

fn apply(weights: &PackedMatrix, x: &[f32], m: usize, epilogue: Epilogue<'_>, out: &[f32]) -> Vec<f32> {
    let mut out = out.to_vec();
    weights.apply(x, m, epilogue, &mut out);
    out
}

#[test]
fn is_the_matrix_product_on_every_isa_with_the_same_bits() {
    for (seed, (m, n, k)) in SHAPES.into_iter().enumerate() {
        let (x, w) = (numbers(m * k, seed as u64), numbers(n * k, 100 + seed as u64));
        let packed = PackedMatrix::pack(&w, n, k);
        assert_eq!((packed.n(), packed.k()), (n, k));
        let expected = reference(&x, &w, m, n, k);
        on_every_isa(
            || apply(&packed, &x, m, Epilogue::none(), &vec![f32::NAN; m * n]),
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
fn the_epilogue_is_what_a_separate_pass_would_do() {
    for (m, n, k) in SHAPES {
        let (x, w, bias, residual) = (numbers(m * k, 1), numbers(n * k, 2), numbers(n, 3), numbers(m * n, 4));
        let packed = PackedMatrix::pack(&w, n, k);
        let plain = apply(&packed, &x, m, Epilogue::none(), &residual);
        for finish in [Finish::Store, Finish::Gelu, Finish::QuickGelu, Finish::GeluTanh, Finish::Add] {
            for bias in [None, Some(&bias[..])] {
                on_every_isa(
                    || apply(&packed, &x, m, Epilogue { bias, finish }, &residual),
                    |isa, out, portable| {
                        assert_eq!(bits(out), bits(portable), "{isa:?} {m}x{n}x{k} {finish:?}");
                        for (at, &got) in out.iter().enumerate() {
                            let x = f64::from(plain[at] + bias.map_or(0.0, |bias| bias[at % n]));
                            let want = match finish {
                                Finish::Store => x,
                                Finish::Gelu => x * (1.0 - survival(x)),
                                Finish::QuickGelu => x / (1.0 + (-1.702 * x).exp()),
                                Finish::GeluTanh => gelu_tanh(x),
                                Finish::Add => x + f64::from(residual[at]),
                            };
                            let bound = 1e-6_f64.max(2.0 * f64::from(f32::EPSILON) * want.abs());
                            let error = (f64::from(got) - want).abs();
                            assert!(
                                error <= bound,
                                "{isa:?} {m}x{n}x{k} {finish:?} at {at}: {got} for {want}"
                            );
                        }
                    },
                );
            }
        }
    }
}

/// A layer that hands its input on, to reach an activation alone.
fn activate(x: &[f32], epilogue: Epilogue<'_>) -> Vec<f32> {
    apply(&PackedMatrix::pack(&[1.0], 1, 1), x, x.len(), epilogue, &vec![0.0; x.len()])
}

/// PyTorch's `gelu(x, approximate="tanh")`.
fn gelu_tanh(x: f64) -> f64 {
    let argument = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
    0.5 * x * (1.0 + argument.tanh())
}

#[test]
fn activations_are_exact_over_their_whole_range() {
    let x: Vec<f32> = (-400_000..=400_000).map(|i| i as f32 * 1e-4).collect();
    const EACH: [Epilogue<'_>; 3] =
        [Epilogue::none().gelu(), Epilogue::none().quick_gelu(), Epilogue::none().gelu_tanh()];
    let mut worst = [0.0_f64; 3];
    on_every_isa(
        || EACH.map(|epilogue| activate(&x, epilogue)),
        |isa, out, portable| {
            assert_eq!(out.clone().map(|x| bits(&x)), portable.clone().map(|x| bits(&x)), "{isa:?}")
        },
    );
    let got = EACH.map(|epilogue| activate(&x, epilogue));
    for (i, &x) in x.iter().enumerate() {
        let x = f64::from(x);
        let exact = [x * survival(-x), x / (1.0 + (-1.702 * x).exp()), gelu_tanh(x)];
        for (worst, (got, want)) in worst.iter_mut().zip(got.iter().map(|got| got[i]).zip(exact)) {
            // The part that is not the rounding of a large result.
            *worst = worst.max((f64::from(got) - want).abs() - f64::from(f32::EPSILON) * want.abs());
        }
    }
    assert!(worst[0] < 2.5e-7 && worst[1] < 1e-7 && worst[2] < 1e-7, "{worst:?}");
}

#[test]
fn activations_survive_the_ends_of_f32() {
    let x = [f32::MAX, f32::INFINITY, f32::MIN, -0.0, f32::NAN];
    let gelu = activate(&x, Epilogue::none().gelu());
    assert_eq!(gelu[..2], [f32::MAX, f32::INFINITY]);
    assert!(gelu[2].abs() < 2.5e-7 && gelu[3] == 0.0 && gelu[4].is_nan(), "{gelu:?}");
    for epilogue in [Epilogue::none().quick_gelu(), Epilogue::none().gelu_tanh()] {
        let gated = activate(&x, epilogue);
        assert_eq!(gated[..2], [f32::MAX, f32::INFINITY]);
        assert!(gated[2].abs() < 3.0 && gated[3] == 0.0 && gated[4].is_nan(), "{gated:?}");
    }
}

#[test]
fn does_not_depend_on_threads() {
    let (m, n, k) = (300, 200, 100);
    let (x, w) = (numbers(m * k, 1), numbers(n * k, 2));
    let run = || apply(&PackedMatrix::pack(&w, n, k), &x, m, Epilogue::none(), &vec![0.0; m * n]);
    let one = with_threads(1, run);
    for threads in [2, 3, 8] {
        assert_eq!(bits(&one), bits(&with_threads(threads, run)), "{threads} threads");
    }
}

#[test]
fn empty_dimensions_are_fine() {
    assert_eq!(apply(&PackedMatrix::pack(&[], 0, 3), &[1.0; 6], 2, Epilogue::none(), &[]), []);
    assert_eq!(apply(&PackedMatrix::pack(&[1.0; 6], 2, 3), &[], 0, Epilogue::none(), &[]), []);
    let bias = [1.0, 2.0];
    let out = apply(&PackedMatrix::pack(&[], 2, 0), &[], 2, Epilogue::bias(&bias), &[9.0; 4]);
    assert_eq!(out, [1.0, 2.0, 1.0, 2.0]);
}

#[test]
#[should_panic(expected = "the bias has n elements")]
fn lengths_must_agree() {
    PackedMatrix::pack(&[0.0; 6], 2, 3).apply(&[0.0; 3], 1, Epilogue::bias(&[0.0; 3]), &mut [0.0; 2]);
}

proptest! {
    #[test]
    fn a_row_alone_is_a_row_of_the_batch(m in 1_usize..40, n in 1_usize..80, k in 1_usize..100, seed in 0_u64..1000) {
        let (x, w) = (numbers(m * k, seed), numbers(n * k, seed + 1));
        let packed = PackedMatrix::pack(&w, n, k);
        let batch = apply(&packed, &x, m, Epilogue::none(), &vec![0.0; m * n]);
        for i in 0..m {
            let alone = apply(&packed, &x[i * k..(i + 1) * k], 1, Epilogue::none(), &vec![0.0; n]);
            prop_assert_eq!(bits(&alone), bits(&batch[i * n..(i + 1) * n]));
        }
    }
}
