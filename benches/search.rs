//! Measures exact composed search in memory, for one query and for a batch of 64.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rscir::core::testing::unit_rows;
use rscir::core::{ComposedQuery, EncoderSpec};
use rscir::index::{MemoryArchive, SearchOptions, search_batch};
use rscir::weicom::{MethodSpec, Resources};

/// Number of images of PatternNet.
const ROWS: usize = 30_400;
/// Width of the vectors of a ViT-L/14.
const DIM: usize = 768;

fn composed(criterion: &mut Criterion) {
    let spec = EncoderSpec::unknown(DIM);
    let keys = (0..ROWS).map(|row| format!("{row}.jpg")).collect();
    let archive = MemoryArchive::new(spec.clone(), keys, unit_rows(ROWS, DIM, 1)).expect("distinct keys");
    let vectors = unit_rows(128, DIM, 2);
    let queries: Vec<ComposedQuery> = (0..64)
        .map(|q| {
            ComposedQuery::new(spec.clone())
                .with_image(vectors.vector(q))
                .and_then(|query| query.with_text(vectors.vector(64 + q)))
                .expect("fitting widths")
        })
        .collect();
    let mut group = criterion.benchmark_group("search");
    for method in ["image", "sum", "weicom", "rrf"] {
        let spec: MethodSpec = method.parse().expect("a known method");
        let built = spec.build(&Resources::default()).expect("no resources needed");
        for batch in [1, 64] {
            group.bench_function(format!("{method}/{batch}"), |b| {
                b.iter(|| {
                    search_batch(&archive, &*built, black_box(&queries[..batch]), &SearchOptions::top(10))
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = composed
}
criterion_main!(benches);
