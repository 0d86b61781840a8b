//! Rows and queries of integers with scales: every value is that of the formula, on every instruction set.

mod common;

use common::{bits, numbers, on_every_isa};
use rscir_kernels::{CodedQuery, CodedRows};

/// Integers from -127 to 127, both ends among them.
fn codes(n: usize, seed: u64) -> Vec<i8> {
    numbers(n, seed).into_iter().map(|x| (x * 140.0).clamp(-127.0, 127.0) as i8).collect()
}

/// Rows in blocks.
fn interleaved(rows: &[i8], n: usize, k: usize) -> Vec<u8> {
    let bytes = CodedRows::block_bytes(k);
    let mut blocks = vec![0; n.div_ceil(CodedRows::BLOCK) * bytes];
    for row in 0..n {
        let block = &mut blocks[row / CodedRows::BLOCK * bytes..][..bytes];
        CodedRows::write(&rows[row * k..(row + 1) * k], row % CodedRows::BLOCK, block);
    }
    blocks
}

fn product(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

#[test]
fn values_are_those_of_the_formula_on_every_isa() {
    let shapes =
        [(1, 1, 1), (1, 16, 4), (2, 17, 5), (3, 31, 3), (4, 32, 64), (5, 33, 7), (7, 100, 33), (9, 64, 768)];
    for (seed, (m, n, k)) in shapes.into_iter().enumerate() {
        let seed = 10 * seed as u64;
        let (rows, scales, extras) = (codes(n * k, seed), numbers(n, seed + 1), numbers(n, seed + 2));
        let blocks = interleaved(&rows, n, k);
        let (coarse, fine) = (codes(m * k, seed + 3), codes(m * k, seed + 4));
        let of = numbers(4 * m, seed + 5);
        let parts = coarse.chunks_exact(k).zip(fine.chunks_exact(k)).zip(of.as_chunks::<4>().0);
        let queries: Vec<_> = parts
            .clone()
            .map(|((coarse, fine), of)| CodedQuery::new(coarse, fine, [of[0], of[1]], of[2], of[3]))
            .collect();
        let mut expected = Vec::new();
        for ((coarse, fine), of) in parts {
            for (i, row) in rows.chunks_exact(k).enumerate() {
                let [coarse, fine] = [coarse, fine].map(|codes| product(codes, row) as f32);
                let sum = coarse.mul_add(of[0], fine * of[1]);
                expected.push(extras[i].mul_add(of[3], sum.mul_add(scales[i], of[2])));
            }
        }
        on_every_isa(
            || {
                let mut out = vec![f32::NAN; m * n];
                CodedRows::new(&blocks, &scales, &extras, k).values(&queries, &mut out);
                out
            },
            |isa, out, _| assert_eq!(bits(out), bits(&expected), "{isa:?} {m}x{n}x{k}"),
        );
    }
}

#[test]
fn products_do_not_overflow_at_the_largest_width() {
    let k = 131_071;
    for (row, query) in [(127, 127), (127, -127), (-127, 127), (-127, -127)] {
        let blocks = interleaved(&vec![row; k], 1, k);
        let query = vec![query; k];
        let queries = [CodedQuery::new(&query, &vec![0; k], [1.0, 1.0], 0.0, 0.0)];
        on_every_isa(
            || {
                let mut out = [f32::NAN];
                CodedRows::new(&blocks, &[1.0], &[0.0], k).values(&queries, &mut out);
                out
            },
            |isa, out, _| {
                assert_eq!(out[0], (i32::from(row) * i32::from(query[0]) * k as i32) as f32, "{isa:?}")
            },
        );
    }
}

#[test]
#[should_panic(expected = "one width")]
fn another_width_panics() {
    let blocks = interleaved(&[1; 8], 1, 8);
    let query = CodedQuery::new(&[1; 12], &[1; 12], [1.0; 2], 0.0, 0.0);
    CodedRows::new(&blocks, &[1.0], &[1.0], 8).values(&[query], &mut [0.0]);
}

#[test]
#[should_panic(expected = "elements from -127 to 127")]
fn a_query_of_the_lowest_byte_panics() {
    CodedQuery::new(&[-128], &[0], [1.0; 2], 0.0, 0.0);
}
