//! Measures the towers of the demo model: images a second for several sizes of batches, and texts a second.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rscir::core::PixelBatch;
use rscir::prelude::*;

fn towers(criterion: &mut Criterion) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo/model");
    let encoder = ClipEncoder::from_folder(model).device(Device::Cpu).build().expect("the demo's model");
    let size = encoder.input_size();
    let pixels: Vec<u8> = (0..32 * size * size * 3).map(|i| ((i * 7919) >> 4) as u8).collect();
    let mut group = criterion.benchmark_group("encode");
    for batch in [1, 8, 32] {
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(format!("images/{batch}"), |b| {
            let batch = PixelBatch::new(size, &pixels[..batch * size * size * 3]).expect("whole images");
            b.iter(|| encoder.encode_pixels(black_box(batch)));
        });
    }
    let texts: Vec<String> =
        (0..64).map(|i| format!("an aerial image of {i} storage tanks by the road")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    group.throughput(Throughput::Elements(64));
    group.bench_function("texts/64", |b| b.iter(|| encoder.encode_texts(black_box(&texts))));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = towers
}
criterion_main!(benches);
