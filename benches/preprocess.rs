//! Measures the way from a JPEG file to the input of a tower, on one thread: 256 x 256 pixels to 224 x 224.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rscir::core::RgbView;
use rscir::encoders::{DecodeLimits, Decoding, Preprocessing, Preprocessor, decode};

fn stages(criterion: &mut Criterion) {
    let tile = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo/benchmark/images/harbor/harbor00.jpg");
    let bytes = std::fs::read(tile).expect("the demo's tile");
    let image = decode(&bytes, &Decoding::default(), &DecodeLimits::default()).expect("a sound tile");
    let preprocessor = Preprocessor::new(Preprocessing::openai(224)).expect("a sound configuration");
    let mut pixels = vec![0; 224 * 224 * 3];
    let mut group = criterion.benchmark_group("preprocess");
    group.throughput(Throughput::Elements(1));
    group.bench_function("decode", |b| {
        b.iter(|| decode(black_box(&bytes), &Decoding::default(), &DecodeLimits::default()))
    });
    group.bench_function("resize", |b| {
        let view = RgbView::new(image.width, image.height, &image.data).expect("a whole image");
        b.iter(|| preprocessor.prepare(black_box(view), &mut pixels));
    });
    group.bench_function("both", |b| {
        b.iter(|| {
            let image = decode(black_box(&bytes), &Decoding::default(), &DecodeLimits::default())
                .expect("a sound tile");
            let view = RgbView::new(image.width, image.height, &image.data).expect("a whole image");
            preprocessor.prepare(view, &mut pixels)
        });
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
