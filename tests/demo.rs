//! The demo's golden files: pixels, token ids, vectors, and the whole table.

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rscir::bench::Evaluation;
use rscir::core::{PixelBatch, RgbView};
use rscir::encoders::{DecodeLimits, Decoding, decode};
use rscir::index::MemorySink;
use rscir::prelude::*;
use rscir::weicom::Normalization;
use serde_json::Value;
use sha2::{Digest, Sha256};

use common::repository;

/// Largest difference of an element of a unit vector, which comes from sums in `f32` in another order.
const TOLERANCE: f32 = 2e-5;

fn encoder() -> ClipEncoder {
    encoder_in(Precision::F32)
}

fn encoder_in(precision: Precision) -> ClipEncoder {
    let folder = repository("data/demo/model");
    ClipEncoder::from_folder(folder).device(Device::Cpu).precision(precision).build().unwrap()
}

fn golden() -> Value {
    let text = std::fs::read_to_string(repository("data/demo/model/golden.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

#[track_caller]
fn assert_close(got: &[f32], golden: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), golden.len(), "{what}");
    let largest = got.iter().zip(golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest <= tolerance, "{what}: {largest} from the golden vector");
}

/// Encodes the demo's archive, `batch` images at a time.
fn archive(encoder: &ClipEncoder, batch: usize) -> MemoryArchive {
    let folder = repository("data/demo/benchmark");
    let keys = PatternCom::read_tiles(&folder).unwrap().into_iter().map(|tile| tile.path).collect();
    let mut sink = MemorySink::new(encoder.spec().clone());
    let options = IngestOptions::default().batch(batch);
    let images = ImageList::new(folder, keys);
    let report =
        rscir::images::ingest(&images, encoder, &mut sink, &options, &mut |f| panic!("{f}")).unwrap();
    assert_eq!(report.encoded, 630);
    sink.into_archive().unwrap()
}

fn evaluation(encoder: &ClipEncoder, archive: &dyn Archive, methods: &[&dyn Method]) -> Evaluation {
    let benchmark = PatternCom::read(repository("data/demo/benchmark")).unwrap().mode(Mode::Reference);
    let (queries, _) = benchmark.queries(archive).unwrap();
    let vectors = QueryVectors::encode(&queries, encoder, archive).unwrap();
    evaluate(archive, &queries, &vectors, methods, EvaluateOptions::default()).unwrap()
}

#[test]
fn pixels_and_image_vectors_are_golden() {
    let encoder = encoder();
    for image in golden()["images"].as_array().unwrap() {
        let path = image["path"].as_str().unwrap();
        let bytes = std::fs::read(repository("data/demo/benchmark").join(path)).unwrap();
        let decoded = decode(&bytes, &Decoding::default(), &DecodeLimits::default()).unwrap();
        let size = encoder.input_size();
        let mut pixels = vec![0; size * size * 3];
        let view = RgbView::new(decoded.width, decoded.height, &decoded.data).unwrap();
        encoder.prepare(view, &mut pixels).unwrap();
        let hash: String = Sha256::digest(&pixels).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hash, image["resized_rgb_sha256"], "{path}: pixels equal Pillow's to the byte");
        let vector = encoder.encode_pixels(PixelBatch::new(size, &pixels).unwrap()).unwrap();
        assert_close(vector.row(0), &floats(&image["embedding"]), TOLERANCE, path);
    }
}

#[test]
fn token_ids_and_text_vectors_are_golden() {
    let encoder = encoder();
    for text in golden()["texts"].as_array().unwrap() {
        let words = text["text"].as_str().unwrap();
        let ids: Vec<u64> = encoder.tokenizer().encode(words).unwrap().into_iter().map(u64::from).collect();
        let golden: Vec<u64> =
            text["token_ids"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
        assert_eq!(ids, golden[..ids.len()], "{words}");
        assert!(golden[ids.len()..].iter().all(|id| *id == 0), "{words}: the rest is padding");
        let vector = encoder.encode_texts(&[words]).unwrap();
        assert_close(vector.row(0), &floats(&text["embedding"]), TOLERANCE, words);
    }
}

#[test]
fn the_table_is_the_references() {
    let encoder = encoder();
    let archive = archive(&encoder, 32);
    let results = std::fs::read_to_string(repository("data/demo/model/results.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    let results: HashMap<String, HashMap<String, f64>> =
        serde_json::from_value(results["benchmark"].clone()).unwrap();
    let weicoms: Vec<WeiCom> = (0..=10)
        .map(|tenth| {
            let weicom = WeiCom::new(f64::from(tenth) / 10.0).unwrap();
            weicom.with_normalization(Normalization::ReferenceCdf)
        })
        .collect();
    let mut methods: Vec<&dyn Method> = vec![&ImageOnly, &TextOnly, &Sum];
    methods.extend(weicoms.iter().map(|m| m as &dyn Method));
    let table = Table::of(&evaluation(&encoder, &archive, &methods), Rounding::PerQuery);
    let mut figures = 0;
    for row in &table.rows {
        let name = match row.method.number("lambda") {
            Some(lambda) => format!("weicom{lambda:?}"),
            None => row.method.label.clone(),
        };
        let golden = &results[&name];
        for (group, ours) in
            table.groups.iter().map(String::as_str).zip(&row.figures).chain([("avg", &row.average)])
        {
            assert!(
                (ours.map - golden[group]).abs() <= 0.1,
                "{name} {group}: {} not {}",
                ours.map,
                golden[group]
            );
            figures += 1;
        }
    }
    assert_eq!(figures, 14 * 7);
}

/// Returns the mean average precision of each method over all queries, in percent.
fn averages(precision: Precision) -> Vec<f64> {
    let encoder = encoder_in(precision);
    let archive = archive(&encoder, 32);
    let methods: [&dyn Method; 4] = [&ImageOnly, &TextOnly, &Sum, &WeiCom::default()];
    let table = Table::of(&evaluation(&encoder, &archive, &methods), Rounding::None);
    table.rows.iter().map(|row| row.average.map).collect()
}

#[test]
fn less_precise_towers_rank_as_well() {
    let exact = averages(Precision::F32);
    for precision in [Precision::Bf16, Precision::I8] {
        for (exact, other) in exact.iter().zip(averages(precision)) {
            assert!((exact - other).abs() <= 0.3, "{precision}: {other} beside {exact}");
        }
    }
}

#[test]
fn vectors_do_not_depend_on_the_batch_nor_rankings_on_the_threads() {
    let encoder = encoder();
    let one = archive(&encoder, 1);
    let eight = archive(&encoder, 8);
    assert_close(one.embeddings().as_slice(), eight.embeddings().as_slice(), 1e-5, "batches of 1 and 8");
    let query = encoder
        .compose(repository("data/demo/benchmark/images/overpass/overpass00.jpg"), "bare soil")
        .unwrap();
    let ranking = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let archive = archive(&encoder, 32);
            rscir::search(&archive, &WeiCom::default(), &query, 630).unwrap()
        })
    };
    assert_eq!(ranking(1), ranking(2));
}

#[test]
fn the_encoder_keeps_the_promises_of_its_traits() {
    let encoder = encoder();
    rscir::core::testing::image_encoder(&encoder, 1e-5);
    rscir::core::testing::text_encoder(&encoder, 1e-5);
}

/// Returns the bytes of an archive's segments, in an order that does not depend on their names.
fn segments(archive: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(archive.join("segments")).unwrap();
    let mut segments: Vec<_> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    segments.sort();
    segments
}

#[test]
fn an_ingest_on_threads_of_its_own_beside_searches_writes_the_same_bytes() {
    let encoder = encoder();
    let images = ImageList::collect(repository("data/demo/benchmark/images/harbor")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ingest = |name: &str, options: IngestOptions<'_>| {
        let path = folder.path().join(name);
        let ingested =
            rscir::ingest_with(&images, &encoder, &path, &options.batch(8), &mut |f| panic!("{f}")).unwrap();
        (segments(&path), ingested.archive)
    };
    let (expected, archive) = ingest("shared.rscir", IngestOptions::default());
    assert!(!expected.is_empty());
    let query = ComposedQuery::new(archive.spec().clone())
        .with_image(archive.unit_vector(archive.key(3)).unwrap())
        .unwrap();
    let search = || rscir::search(&archive, &ImageOnly, &query, 5).unwrap();
    let hits = search();
    for threads in [1, 2, 5] {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let searches = scope.spawn(|| {
                let mut searches = 0;
                while !done.load(Ordering::SeqCst) || searches == 0 {
                    assert_eq!(search(), hits);
                    searches += 1;
                }
            });
            let name = format!("{threads}.rscir");
            let (bytes, _) = ingest(&name, IngestOptions::default().threads(threads));
            done.store(true, Ordering::SeqCst);
            searches.join().unwrap();
            assert!(bytes == expected, "{threads} threads");
        });
    }
}
