//! Measures the whole PatternCom evaluation at its real size, on synthetic features, and the bare matrix product of
//! the same size. `benches/compare/evaluate` measures the same beside the products of other crates.

mod synthetic;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rscir::core::Queries;
use rscir::prelude::*;
use synthetic::{DIM, ROWS, Synthetic, peak_mebibytes};

/// Number of query images in a block of the bare product: a size at which products are fast.
const BLOCK: usize = 512;

fn whole(criterion: &mut Criterion) {
    let synthetic = Synthetic::new();
    synthetic.evaluate(true);
    if let Some(peak) = peak_mebibytes() {
        report(&format!("evaluate/eleven lambdas, archive included: peak memory {peak} MiB"));
    }
    let mut group = criterion.benchmark_group("evaluate");
    group.bench_function("one lambda", |b| b.iter(|| synthetic.evaluate(false)));
    group.bench_function("eleven lambdas", |b| b.iter(|| synthetic.evaluate(true)));
    group.bench_function("bare product", |b| {
        let mut scores = vec![0.0; BLOCK * ROWS];
        b.iter(|| {
            for block in synthetic.vectors.images.as_slice().chunks(BLOCK * DIM) {
                let block = Queries::new(DIM, block).expect("whole rows");
                let scores = &mut scores[..block.len() * ROWS];
                synthetic.archive.similarities(block, scores).expect("fitting shapes");
                black_box(&scores);
            }
        });
    });
    group.finish();
}

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn report(line: &str) {
    println!("{line}");
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = whole
}
criterion_main!(benches);
