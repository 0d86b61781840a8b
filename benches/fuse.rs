//! Measures normalizing and combining similarity lists of PatternCom's size.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rscir::core::testing::unit_rows;
use rscir::core::{Fusion, ScoreStatistics};
use rscir::weicom::{Normalization, Rrf, WeiCom};

/// Number of images of PatternNet, and so of rows of a similarity list in PatternCom.
const ROWS: usize = 30_400;

fn lists(criterion: &mut Criterion) {
    let rows = unit_rows(2, ROWS, 1);
    let (image, text) = (rows.row(0), rows.row(1));
    let mut group = criterion.benchmark_group("fuse");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("statistics", |b| b.iter(|| ScoreStatistics::of(black_box(image))));
    let statistics = ScoreStatistics::of(image);
    let mut out = vec![0.0; ROWS];
    for normalization in [Normalization::Cdf, Normalization::ZScore, Normalization::MinMax] {
        group.bench_function(format!("normalize/{normalization}"), |b| {
            b.iter(|| normalization.apply(black_box(image), &statistics, &mut out));
        });
    }
    group.bench_function("normalize/reciprocal rank", |b| {
        b.iter(|| Rrf::default().normalize(black_box(image), &statistics, &mut out));
    });
    let weicom = WeiCom::default();
    group.bench_function("combine/weicom", |b| b.iter(|| weicom.combine(black_box(image), text, &mut out)));
    group.finish();
}

criterion_group!(benches, lists);
criterion_main!(benches);
