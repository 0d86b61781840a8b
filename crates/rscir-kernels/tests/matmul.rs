//! Products of unpacked matrices: right, and the same whatever the machine, the batch and the threads.

mod common;

use common::{bits, chain_bound, numbers, on_every_isa, reference, with_threads};
use half::{bf16, f16};
use proptest::prelude::*;
use rscir_kernels::{Element, dot, dot2, matmul_nt};

/// Around every edge of the tiles: strips of 4 rows, groups of 6 columns, lines of 16, tasks of 240 columns.
const SHAPES: [(usize, usize, usize); 18] = [
    (1, 1, 1),
    (1, 6, 16),
    (1, 7, 17),
    (2, 5, 15),
    (2, 13, 48),
    (3, 6, 33),
    (4, 6, 16),
    (4, 241, 64),
    (5, 11, 100),
    (6, 250, 7),
    (7, 12, 32),
    (8, 3, 31),
    (16, 18, 64),
    (17, 19, 65),
    (33, 500, 48),
    (130, 30, 768),
    (131, 8, 1024),
    (1, 400, 512),
];

fn product<E: Element>(a: &[f32], b: &[E], (m, n, k): (usize, usize, usize)) -> Vec<f32> {
    let mut out = vec![f32::NAN; m * n];
    matmul_nt(a, b, m, n, k, &mut out);
    out
}

#[test]
fn is_the_matrix_product_on_every_isa_with_the_same_bits() {
    for (seed, shape @ (m, n, k)) in SHAPES.into_iter().enumerate() {
        let (a, b) = (numbers(m * k, seed as u64), numbers(n * k, 100 + seed as u64));
        let expected = reference(&a, &b, m, n, k);
        on_every_isa(
            || product(&a, &b, shape),
            |isa, out, portable| {
                assert_eq!(bits(out), bits(portable), "{isa:?} {shape:?}");
                for (i, (&got, &(want, magnitude))) in out.iter().zip(&expected).enumerate() {
                    let error = (f64::from(got) - want).abs();
                    // Sixteen chains and a tree of four levels.
                    assert!(
                        error <= chain_bound(k / 16 + 5, magnitude),
                        "{isa:?} {shape:?} at {i}: {got} for {want}"
                    );
                }
            },
        );
    }
}

#[test]
fn each_element_is_the_dot_product_of_its_rows() {
    for (m, n, k) in SHAPES {
        let (a, b) = (numbers(m * k, 1), numbers(n * k, 2));
        let out = product(&a, &b, (m, n, k));
        for (i, row) in a.chunks_exact(k).enumerate() {
            for (j, other) in b.chunks_exact(k).enumerate() {
                assert_eq!(out[i * n + j].to_bits(), dot(row, other).to_bits(), "{m}x{n}x{k} at {i}, {j}");
            }
        }
    }
}

#[test]
fn two_queries_in_one_pass_are_two_dot_products() {
    for k in [0, 1, 15, 16, 17, 100, 768] {
        let (row, first, second) = (numbers(k, 1), numbers(k, 2), numbers(k, 3));
        on_every_isa(
            || dot2(&row, &first, &second),
            |isa, &got, &portable| {
                assert_eq!(got, portable, "{isa:?} {k}");
                assert_eq!(got, (dot(&row, &first), dot(&row, &second)), "{isa:?} {k}");
            },
        );
    }
}

#[test]
fn does_not_depend_on_threads() {
    let (m, n, k) = (70, 2000, 100);
    let (a, b) = (numbers(m * k, 1), numbers(n * k, 2));
    let one = with_threads(1, || product(&a, &b, (m, n, k)));
    for threads in [2, 3, 8] {
        assert_eq!(
            bits(&one),
            bits(&with_threads(threads, || product(&a, &b, (m, n, k)))),
            "{threads} threads"
        );
    }
}

#[test]
fn does_not_depend_on_where_the_operands_lie() {
    let (m, n, k) = (20, 30, 64);
    let (a, b) = (numbers(m * k + 16, 1), numbers(n * k + 16, 2));
    let moved = |offset: usize| {
        let (mut a, mut b) = (a.clone(), b.clone());
        a.rotate_right(offset);
        b.rotate_right(offset);
        product(&a[offset..offset + m * k], &b[offset..offset + n * k], (m, n, k))
    };
    for offset in 1..16 {
        assert_eq!(bits(&moved(0)), bits(&moved(offset)), "moved by {offset}");
    }
}

#[test]
fn narrow_rows_are_multiplied_as_their_widened_values() {
    for (m, n, k) in SHAPES {
        let (a, b) = (numbers(m * k, 1), numbers(n * k, 2));
        let halves: Vec<f16> = b.iter().copied().map(f16::from_f32).collect();
        let brains: Vec<bf16> = b.iter().copied().map(bf16::from_f32).collect();
        let wide_halves: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
        let wide_brains: Vec<f32> = brains.iter().map(|x| x.to_f32()).collect();
        let expected = [&wide_halves, &wide_brains].map(|b| bits(&product(&a, b, (m, n, k))));
        on_every_isa(
            || [bits(&product(&a, &halves, (m, n, k))), bits(&product(&a, &brains, (m, n, k)))],
            |isa, got, _| assert_eq!(got, &expected, "{isa:?} {m}x{n}x{k}"),
        );
    }
}

#[test]
fn empty_dimensions_are_fine() {
    assert_eq!(product(&[], &numbers(12, 1), (0, 3, 4)), []);
    assert_eq!(product::<f32>(&numbers(12, 1), &[], (3, 0, 4)), []);
    assert_eq!(product::<f32>(&[], &[], (2, 3, 0)), [0.0; 6]);
}

#[test]
fn infinity_and_nan_stay_in_their_row_and_column() {
    let (m, n, k) = (5, 7, 20);
    let (mut a, mut b) = (numbers(m * k, 1), numbers(n * k, 2));
    a[k + 19] = f32::NAN;
    b[3 * k] = f32::INFINITY;
    let out = product(&a, &b, (m, n, k));
    for (at, x) in out.iter().enumerate() {
        assert_eq!(x.is_finite(), at / n != 1 && at % n != 3, "{x} at {at}");
    }
}

#[test]
#[should_panic(expected = "b has n x k elements")]
fn lengths_must_agree() {
    matmul_nt(&[0.0; 6], &[0.0; 5], 2, 2, 3, &mut [0.0; 4]);
}

proptest! {
    #[test]
    fn a_row_alone_is_a_row_of_the_batch(m in 1_usize..40, n in 1_usize..60, k in 0_usize..200, seed in 0_u64..1000) {
        let (a, b) = (numbers(m * k, seed), numbers(n * k, seed + 1));
        let batch = product(&a, &b, (m, n, k));
        for i in 0..m {
            let alone = product(&a[i * k..(i + 1) * k], &b, (1, n, k));
            prop_assert_eq!(bits(&alone), bits(&batch[i * n..(i + 1) * n]));
        }
    }
}
