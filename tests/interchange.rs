//! Runs the programs on vectors that others made: imports from Parquet, and searches with vectors that were made
//! elsewhere.
#![cfg(feature = "interchange")]

mod common;

use std::path::{Path, PathBuf};

use common::{Run, example, finish, repository};
use rscir::prelude::*;
use serde_json::{Value, json};

fn data(name: &str) -> PathBuf {
    repository("crates/rscir-interchange/tests/data").join(name)
}

fn import(vectors: &Path, archive: &Path, arguments: &[&str]) -> Run {
    finish(
        example("import_vectors").arg("--vectors").arg(vectors).arg("--archive").arg(archive).args(arguments),
    )
}

fn search(archive: &Path, arguments: &[&str]) -> Run {
    finish(example("search").arg("--archive").arg(archive).args(arguments))
}

/// Writes the file of a query into a folder.
fn query(folder: &Path, vectors: &Value) -> String {
    let path = folder.join("query.json");
    std::fs::write(&path, json!({ "query": vectors }).to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn keys(run: &Run) -> Vec<String> {
    let hits: Value = serde_json::from_str(&run.out).unwrap();
    hits.as_array().unwrap().iter().map(|hit| hit["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_products_files_are_imported_and_asked_with_vectors_made_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(data("expected.json")).unwrap()).unwrap();
    let query = query(folder.path(), &expected["query"]);
    for product in ["major_tom.parquet", "earth_index.parquet", "clay.parquet", "planet"] {
        let golden = &expected["files"][product];
        let archive = folder.path().join(product).with_extension("rscir");
        let (rows, skipped) = (golden["rows"].as_u64().unwrap(), golden["skipped"].as_array().unwrap());
        let run = import(&data(product), &archive, &[]).ends_with(if skipped.is_empty() { 0 } else { 3 });
        let run = run.says(&format!("{rows} written, 0 unchanged, {} left out", skipped.len()));
        for row in skipped {
            assert!(run.err.contains(&format!("{product}: row {row} (from 0): ")), "{}", run.err);
        }
        import(&data(product), &archive, &[]).says(&format!("0 written, {rows} unchanged"));
        let best = golden["top10_weicom_0.6_query0_as_image_query1_as_text"].as_array().unwrap();
        let best: Vec<&str> = best.iter().map(|hit| hit[0].as_str().unwrap()).collect();
        // The archive and the files themselves give the same answer.
        for place in [&archive, &data(product)] {
            let run = search(place, &["--query-vectors", &query, "--lambda", "0.6", "--json"]).ends_with(0);
            assert_eq!(keys(&run), best, "{product}");
        }
    }
}

#[test]
fn an_imported_archive_is_asked_by_place_and_time_and_answers_on_a_map() {
    let folder = tempfile::tempdir().unwrap();
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(data("expected.json")).unwrap()).unwrap();
    let query = query(folder.path(), &expected["query"]);
    let archive = folder.path().join("a.rscir");
    import(&data("major_tom.parquet"), &archive, &[]).ends_with(0);
    let geojson = folder.path().join("out.geojson");
    let page = folder.path().join("page.html");
    let place = [
        "--within",
        "-90,-60,60,60",
        "--where",
        "timestamp >= 2021 and timestamp < 2021-07-01",
        "--top",
        "100",
        "--json",
    ];
    let run = search(
        &archive,
        &[
            &[
                "--query-vectors",
                &query,
                "--geojson",
                geojson.to_str().unwrap(),
                "--html",
                page.to_str().unwrap(),
            ],
            &place[..],
        ]
        .concat(),
    )
    .ends_with(0);
    let opened = DiskArchive::open(&archive).unwrap();
    let is_asked_for = |row: &usize| {
        let text = |name: &str| opened.value(name, *row).unwrap().to_string();
        let edge = |name: &str| text(name).parse::<f64>().unwrap();
        let inside =
            edge("west") < 60.0 && edge("east") > -90.0 && edge("south") < 60.0 && edge("north") > -60.0;
        inside && text("timestamp").as_str() < "20210701"
    };
    let mut chosen: Vec<&str> = (0..opened.len()).filter(is_asked_for).map(|row| opened.key(row)).collect();
    let mut found = keys(&run);
    assert!(chosen.len() > 3 && chosen.len() < 27, "{}", chosen.len());
    found.sort();
    chosen.sort_unstable();
    assert_eq!(found, chosen);
    let features: Value = serde_json::from_str(&std::fs::read_to_string(geojson).unwrap()).unwrap();
    assert_eq!(features["features"].as_array().unwrap().len(), chosen.len());
    assert_eq!(features["features"][0]["geometry"]["type"], "Polygon");
    assert!(std::fs::read_to_string(page).unwrap().contains("query.json"));
}

#[test]
fn one_vector_asks_as_the_image_and_null_leaves_one_out() {
    let folder = tempfile::tempdir().unwrap();
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(data("expected.json")).unwrap()).unwrap();
    let (first, second) = (&expected["query"][0], &expected["query"][1]);
    let similarities = |vectors: Value| {
        let query = query(folder.path(), &vectors);
        let run = search(&data("earth_index.parquet"), &["--query-vectors", &query, "--json"]).ends_with(0);
        let hits: Value = serde_json::from_str(&run.out).unwrap();
        let of = |part: &str| hits[0]["similarities"][part].as_f64();
        (of("image").is_some(), of("text").is_some(), hits[0]["method"].as_str().unwrap().to_owned())
    };
    assert_eq!(similarities(json!([first])), (true, false, "image".into()));
    assert_eq!(similarities(json!([first, null])), (true, false, "image".into()));
    assert_eq!(similarities(json!([null, second])), (false, true, "text".into()));
}

#[test]
fn vectors_that_do_not_fit_are_refused_with_their_number() {
    let folder = tempfile::tempdir().unwrap();
    for (vectors, problem) in [
        (json!([[1.0, 2.0]]), "vector 0 (from 0) has 2 numbers, and the archive's have 128"),
        (json!([vec![1.0; 128], vec![0.0; 128]]), "vector 1 (from 0)"),
        (json!([vec!["a"; 128]]), "vector 0 (from 0) is no list of numbers"),
        (json!([[]]), "vector 0 (from 0)"),
        (json!([]), "there are 0 vectors"),
        (json!([null]), "there is no vector"),
        (json!([1, 2, 3]), "there are 3 vectors"),
        (json!("text"), "expected {\"query\": [[...], [...]]}"),
    ] {
        let query = query(folder.path(), &vectors);
        search(&data("clay.parquet"), &["--query-vectors", &query]).ends_with(1).says(problem);
    }
    let query = query(folder.path(), &json!([vec![1.0; 128]]));
    for others in [&["--text", "sand"][..], &["--image", "a.png"], &["--key", "a"], &["--without", "sand"]] {
        search(&data("clay.parquet"), &[&["--query-vectors", &query], others].concat()).ends_with(2);
    }
    // A weight needs two vectors.
    search(&data("clay.parquet"), &["--query-vectors", &query, "--lambda", "0.5"]).ends_with(2);
}

#[test]
fn a_model_that_is_named_is_recorded_and_chosen_by_a_search() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("a.rscir");
    let file = data("major_tom.parquet");
    // No model of the registry makes vectors of 128 numbers.
    import(&file, &archive, &["--model", "clip-vit-b-32"]).ends_with(1).says("has 128 numbers, not 512");
    import(&file, &archive, &["--model", "clip-vit-b-3"]).ends_with(1).says("clip-vit-b-32");
    assert!(!archive.exists());

    let wide = folder.path().join("wide.npy");
    let rows = Embeddings::normalize(512, vec![1.0; 1024]).unwrap();
    Features::new(vec!["a".into(), "b".into()], rows).unwrap().write(&wide).unwrap();
    import(&wide, &archive, &["--model", "clip-vit-b-32"]).ends_with(0);
    let spec = DiskArchive::open(&archive).unwrap().spec().clone();
    assert_eq!(spec.model.as_deref(), Some("clip-vit-b-32"));
    assert!(spec.architecture.is_some() && spec.weights_sha256.is_none());
    // The model's weights are missing, and the error about them shows that the model was chosen.
    let none = folder.path().join("none");
    let run = finish(
        example("search").env("HF_HOME", &none).arg("--archive").arg(&archive).args(["--text", "sand"]),
    );
    run.ends_with(1).says("openai/clip-vit-base-patch32");
}

#[test]
fn columns_are_named_where_the_file_has_others_and_are_of_parquet_alone() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("a.rscir");
    let file = data("clay.parquet");
    let run = import(&file, &archive, &["--key-column", "source_url", "--embedding-column", "embeddings"]);
    run.ends_with(3).says("58 written");
    assert_eq!(DiskArchive::open(&archive).unwrap().key(0), "s3://b/0.tif");
    let run = import(&file, &archive, &["--embedding-column", "vektor"]).ends_with(1);
    run.says("no column \"vektor\"").says("embeddings (List");
    let other = folder.path().join("a.npy");
    import(&other, &archive, &["--key-column", "id"]).ends_with(2).says("are for Parquet files");
}

#[test]
fn an_archive_is_exported_and_asked_again_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(data("expected.json")).unwrap()).unwrap();
    let query = query(folder.path(), &expected["query"]);
    let archive = folder.path().join("a.rscir");
    import(&data("major_tom.parquet"), &archive, &[]).ends_with(0);
    let file = folder.path().join("out.parquet");
    let export = |arguments: &[&str]| {
        finish(
            example("export_vectors")
                .arg("--archive")
                .arg(&archive)
                .arg("--export")
                .arg(&file)
                .args(arguments),
        )
    };
    export(&[]).ends_with(0).says("60 rows in 1 row groups, each with a footprint");
    let ask = ["--query-vectors", &query, "--lambda", "0.6", "--json"];
    let of_archive = keys(&search(&archive, &ask).ends_with(0));
    assert_eq!(keys(&search(&file, &ask).ends_with(0)), of_archive);
    // STAC needs a date, and the Parquet file is written before it fails.
    export(&["--stac"]).ends_with(1).says("--date ISO");
    export(&["--stac", "--date", "2020-01-01"]).ends_with(0).says("--model-link URL").says("--source URL");
    let item = std::fs::read_to_string(folder.path().join("out.item.json")).unwrap();
    let item: Value = serde_json::from_str(&item).unwrap();
    assert_eq!(item["type"], "Feature");
    finish(example("export_vectors").args(["--archive", "nowhere.rscir", "--export"]).arg(&file))
        .ends_with(1)
        .says("nowhere.rscir");
}
