//! The whole PatternCom evaluation at its real size, on synthetic features: 30,400 rows of 768, 9,385 query images, 20,984
//! queries in six attributes, up to 1,345 relevant rows a query. The bare matrix product of the same size is measured
//! beside it.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rscir::bench::{Query, QueryGroup, QuerySet};
use rscir::core::Queries;
use rscir::core::testing::unit_rows;
use rscir::prelude::*;

const ROWS: usize = 30_400;
const DIM: usize = 768;
const IMAGES: usize = 9_385;
const QUERIES: usize = 20_984;
const TEXTS: usize = 44;

/// Queries shaped as PatternCom's: each attribute has a share of the images, each image asks with some texts, and relevant
/// sets run from 2 rows to 1,345.
fn queries() -> QuerySet {
    let relevant: Vec<Vec<usize>> = (0..120)
        .map(|set| {
            let size = 2 + (1343 * set * set) / (119 * 119);
            let step = ROWS / size;
            (0..size).map(|i| (i * step + 37 * set) % ROWS).collect::<std::collections::BTreeSet<_>>()
        })
        .map(|rows| rows.into_iter().collect())
        .collect();
    let names = ["color", "context", "density", "existence", "quantity", "shape"];
    let mut groups: Vec<QueryGroup> =
        names.map(|name| QueryGroup { name: name.into(), ..QueryGroup::default() }).into();
    for q in 0..QUERIES {
        let image = q * IMAGES / QUERIES;
        let query = Query { image, text: (q * 7) % TEXTS, relevant: (q * 31) % relevant.len() };
        groups[image % 6].queries.push(query);
    }
    QuerySet {
        images: (0..IMAGES).map(|i| format!("{i}.jpg")).collect(),
        texts: (0..TEXTS).map(|t| format!("text {t}")).collect(),
        relevant,
        groups,
    }
}

fn whole(criterion: &mut Criterion) {
    let keys = (0..ROWS).map(|row| format!("{row}.jpg")).collect();
    let archive =
        MemoryArchive::new(EncoderSpec::unknown(DIM), keys, unit_rows(ROWS, DIM, 1)).expect("distinct keys");
    let queries = queries();
    let images = QueryVectors::images_of(&queries, &archive).expect("images of the archive");
    let vectors = QueryVectors { images, texts: unit_rows(TEXTS, DIM, 2) };
    let sweep: Vec<WeiCom> =
        (0..=10).map(|t| WeiCom::new(f64::from(t) / 10.0).expect("a lambda in range")).collect();
    let mut group = criterion.benchmark_group("evaluate");
    for (name, methods) in [("one lambda", &sweep[5..6]), ("eleven lambdas", &sweep[..])] {
        let methods: Vec<&dyn Method> = methods.iter().map(|m| m as &dyn Method).collect();
        group.bench_function(name, |b| {
            b.iter(|| evaluate(&archive, &queries, &vectors, &methods, EvaluateOptions::default()));
        });
    }
    group.bench_function("bare product", |b| {
        let mut scores = vec![0.0; 64 * ROWS];
        b.iter(|| {
            for block in vectors.images.as_slice().chunks(64 * DIM) {
                let block = Queries::new(DIM, block).expect("whole rows");
                let scores = &mut scores[..block.len() * ROWS];
                archive.similarities(block, scores).expect("fitting shapes");
                black_box(&scores);
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = whole
}
criterion_main!(benches);
