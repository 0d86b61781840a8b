//! Checks that small files in each product's schema give the rows, keys, bounds and answers of `expected.json`.

use std::path::{Path, PathBuf};

use rscir_core::{Archive, ComposedQuery, Date, UnitVector, Value};
use rscir_index::{DiskArchive, Features, MemoryArchive, SearchOptions, search_with};
use rscir_interchange::{
    ImportOptions, LeftOutReason, ReadOptions, VectorFiles, import_vectors, read_features,
};
use rscir_weicom::WeiCom;
use serde_json::Value as Json;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn expected() -> Json {
    serde_json::from_str(&std::fs::read_to_string(data("expected.json")).unwrap()).unwrap()
}

const PRODUCTS: [&str; 4] = ["major_tom.parquet", "earth_index.parquet", "clay.parquet", "planet"];

/// Panics unless an archive has the rows, places and answers that `expected.json` has for a product.
fn check(archive: &dyn Archive, product: &str) {
    let expected = expected();
    let (golden, query) = (&expected["files"][product], &expected["query"]);
    assert_eq!(archive.len() as u64, golden["rows"].as_u64().unwrap(), "{product}");
    for (name, edge) in
        ["west", "south", "east", "north"].iter().zip(golden["bounds_of_first"].as_array().unwrap())
    {
        let Some(Value::Float(got)) = archive.value(name, 0) else { panic!("{product}: no {name}") };
        // The expected bounds have nine decimals.
        assert!((got - edge.as_f64().unwrap()).abs() < 1e-9, "{product}: {name} is {got}");
    }
    let vector = |at: usize| {
        let numbers = query[at].as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32);
        UnitVector::normalize(numbers.collect()).unwrap()
    };
    let query = ComposedQuery::new(archive.spec().clone()).with_image(vector(0)).unwrap();
    let query = query.with_text(vector(1)).unwrap();
    let hits = search_with(archive, &WeiCom::new(0.6).unwrap(), &query, &SearchOptions::top(10)).unwrap();
    let best = golden["top10_weicom_0.6_query0_as_image_query1_as_text"].as_array().unwrap();
    assert_eq!(hits.len(), best.len());
    for (hit, best) in hits.iter().zip(best) {
        assert_eq!(hit.key, best[0].as_str().unwrap(), "{product}");
        // The expected scores have six decimals, and are of vectors in single precision.
        let score = best[1].as_f64().unwrap();
        assert!((f64::from(hit.score) - score).abs() < 2e-6, "{product}: {} has {}", hit.key, hit.score);
    }
}

#[test]
fn each_product_has_its_rows_keys_bounds_and_best_ten_as_a_feature_file() {
    for product in PRODUCTS {
        let read = read_features(data(product), &ReadOptions::default()).unwrap();
        let Features { spec, keys, columns, embeddings, .. } = read.features;
        let archive = MemoryArchive::new(spec, keys, embeddings).unwrap().with_columns(columns).unwrap();
        check(&archive, product);
    }
}

#[test]
fn each_product_is_imported_into_an_archive_with_the_same_answers() {
    for product in PRODUCTS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rscir");
        let imported = import_vectors(data(product), &path, &ImportOptions::default()).unwrap();
        let archive = DiskArchive::open(&path).unwrap();
        check(&archive, product);
        let skipped: Vec<u64> = imported.tally.named.iter().map(|left_out| left_out.place.row).collect();
        let golden = expected()["files"][product]["skipped"].as_array().unwrap().clone();
        assert_eq!(skipped, golden.iter().map(|row| row.as_u64().unwrap()).collect::<Vec<_>>(), "{product}");
        assert_eq!(imported.tally.left_out as usize, skipped.len());
        assert_eq!((imported.written as usize, imported.tally.unplaced), (archive.len(), 0));
    }
}

#[test]
fn rows_without_a_direction_are_named_by_file_row_and_reason() {
    let read = read_features(data("clay.parquet"), &ReadOptions::default()).unwrap();
    let named: Vec<_> =
        read.tally.named.iter().map(|l| (l.place.file.clone(), l.place.row, l.reason)).collect();
    let file = data("clay.parquet");
    assert_eq!(named, [(file.clone(), 2, LeftOutReason::Zero), (file, 5, LeftOutReason::NotFinite)]);
    // The keys of the other rows are made of their own numbers in the file.
    assert_eq!(read.features.keys[..5], ["0", "1", "3", "4", "6"].map(|row| format!("clay.parquet#{row}")));
}

#[test]
fn other_columns_are_kept_by_their_types() {
    let first = |product: &str, column: &str| {
        let read = read_features(data(product), &ReadOptions::default()).unwrap();
        assert_eq!(read.left_out, [], "{product}");
        format!("{:?}", read.features.columns.value(column, 0).unwrap())
    };
    assert_eq!(first("major_tom.parquet", "timestamp"), format!("{:?}", Value::Text("20210101T100011")));
    assert_eq!(first("major_tom.parquet", "grid_row_u"), format!("{:?}", Value::Int(0)));
    assert_eq!(
        first("major_tom.parquet", "pixel_bbox"),
        format!("{:?}", Value::Floats(&[0.0, 0.0, 384.0, 384.0]))
    );
    assert_eq!(
        first("major_tom.parquet", "centre_lat"),
        format!("{:?}", Value::Float(f64::from(-34.622185_f32)))
    );
    assert_eq!(first("clay.parquet", "index"), format!("{:?}", Value::Int(0)));
    let day = Value::Date(Date::from_ymd(2020, 1, 1).unwrap());
    assert_eq!(first("clay.parquet", "date"), format!("{day:?}"));
    assert_eq!(first("planet", "datetime"), format!("{:?}", Value::Text("2024-05-01T10:00:00")));
    assert_eq!(first("planet", "cloud_percent"), format!("{:?}", Value::Int(0)));
    assert!(first("planet", "geometry").contains("POLYGON ((-72.64"));
}

#[test]
fn the_metadata_emb_name_the_model() {
    let table = VectorFiles::open(data("earth_index.parquet"), &ReadOptions::default()).unwrap();
    let spec = table.spec(table.width().unwrap()).unwrap();
    assert_eq!((spec.model.as_deref(), spec.dim), (Some("m"), 128));
    // Only the name is known, so the spec agrees with any encoder of this width.
    assert!(spec.is_unknown());
}
