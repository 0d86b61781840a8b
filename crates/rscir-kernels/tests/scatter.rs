//! The scatter of vectors: the bits of three nested loops, on every instruction set.

mod common;

use common::{numbers, on_every_isa};
use rscir_kernels::add_scatter;

/// Three nested loops.
fn oracle(dim: usize, rows: &[f64], scatter: &mut [f64]) {
    for row in rows.chunks_exact(dim) {
        for i in 0..dim {
            for j in i..dim {
                scatter[i * dim + j] += row[i] * row[j];
            }
        }
    }
}

/// The upper triangle, as bits.
fn upper(dim: usize, scatter: &[f64]) -> Vec<u64> {
    (0..dim).flat_map(|i| (i..dim).map(move |j| i * dim + j)).map(|at| scatter[at].to_bits()).collect()
}

#[test]
fn has_the_bits_of_three_nested_loops() {
    for dim in [1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 100] {
        for count in [0, 1, 2, 127, 128, 129, 300] {
            let wide = |seed, len| -> Vec<f64> {
                numbers(len, seed).into_iter().map(|x| f64::from(x) - 1e-3 / 3.0).collect()
            };
            let (rows, before) = (wide(1, count * dim), wide(2, dim * dim));
            let mut expected = before.clone();
            oracle(dim, &rows, &mut expected);
            on_every_isa(
                || {
                    let mut scatter = before.clone();
                    add_scatter(dim, &rows, &mut scatter);
                    scatter
                },
                |isa, got, _| {
                    assert_eq!(upper(dim, got), upper(dim, &expected), "{isa:?}: {count} of width {dim}");
                },
            );
        }
    }
}

#[test]
#[should_panic(expected = "a whole number of vectors")]
fn half_a_vector_is_a_mistake_of_the_caller() {
    add_scatter(2, &[1.0; 3], &mut [0.0; 4]);
}
