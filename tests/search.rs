//! Runs the program `search` with each kind of query, and checks its answers.

mod common;

use std::path::PathBuf;

use common::{Run, example, finish, repository, run};
use rscir::core::Fingerprint;
use rscir::core::SinkRow;
use rscir::index::Columns;
use rscir::prelude::*;
use serde_json::Value;

const TILES: [&str; 3] = ["harbor/harbor00.jpg", "river/river10.jpg", "runway/runway04.jpg"];

fn tile(name: &str) -> PathBuf {
    repository("data/demo/benchmark/images").join(name)
}

/// An archive of three tiles with columns.
struct Bed {
    folder: tempfile::TempDir,
    encoder: ClipEncoder,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let encoder = ClipEncoder::from_folder(repository("data/demo/model")).name("demo").build().unwrap();
        let spec = ImageEncoder::spec(&encoder).clone();
        let mut values = Vec::new();
        for name in TILES {
            values.extend_from_slice(encoder.query(Some(&tile(name)), None).unwrap().image().unwrap());
        }
        let rows = TILES.map(|key| SinkRow::new(key, Fingerprint::default()));
        let columns = Columns::new(3).with("label", vec!["harbor", "river", "runway"]).unwrap();
        let columns = columns.with("cloud", vec![0.25, 0.5, f64::NAN]).unwrap();
        let rows_of = Embeddings::normalize(spec.dim, values).unwrap();
        let mut writer = ArchiveWriter::create(folder.path().join("a.rscir"), spec, Precision::F32).unwrap();
        writer.commit_with_columns(&rows, &rows_of, &columns).unwrap();
        writer.commit(&[], &Embeddings::normalize(rows_of.dim(), Vec::new()).unwrap()).unwrap();
        Self { folder, encoder }
    }

    fn search(&self, arguments: &[&str]) -> Run {
        let archive = self.folder.path().join("a.rscir");
        finish(example("search").arg("--archive").arg(archive).args(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let run = self.search(&[arguments, &["--json"]].concat()).ends_with(0);
        serde_json::from_str(&run.out).unwrap()
    }

    fn cosine(&self, query: &[f32], name: &str) -> f64 {
        let row = self.encoder.query(Some(&tile(name)), None).unwrap();
        let row = row.image().unwrap();
        query.iter().zip(row.iter()).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }
}

/// Largest rounding error of a sum of 256 products in `f32`.
const TOLERANCE: f64 = 1e-6;

#[test]
fn an_image_a_text_or_both_are_asked_with() {
    let bed = Bed::new();
    let image = tile(TILES[2]);
    let image = image.to_str().unwrap();
    let keys = |hits: &Value| -> Vec<String> {
        hits.as_array().unwrap().iter().map(|hit| hit["key"].as_str().unwrap().to_string()).collect()
    };

    let by_image = bed.json(&["--image", image]);
    assert_eq!(by_image[0]["key"], TILES[2]);
    assert!((by_image[0]["score"].as_f64().unwrap() - 1.0).abs() < TOLERANCE, "the similarity is the score");
    assert!(by_image[0]["similarities"]["text"].is_null());

    let by_text = bed.json(&["--text", "sand"]);
    assert_eq!(by_text.as_array().unwrap().len(), 3);
    assert_eq!(
        by_text[0]["score"].as_f64().map(|s| s as f32),
        by_text[0]["similarities"]["text"].as_f64().map(|s| s as f32)
    );

    // The ends of lambda rank as one part alone does.
    assert_eq!(keys(&bed.json(&["--image", image, "--text", "sand", "--lambda", "0"])), keys(&by_image));
    assert_eq!(keys(&bed.json(&["--image", image, "--text", "sand", "--lambda", "1"])), keys(&by_text));

    bed.search(&[]).ends_with(2).says("<--image <FILE>|--key <KEY>|--text <TEXT>>");
    for blank in ["", " \t"] {
        bed.search(&["--text", blank]).ends_with(2).says("the text is blank");
    }
    bed.search(&["--text", "sand", "--lambda", "0.3"]).ends_with(2).says("--image");
    bed.search(&["--image", "no/such.jpg", "--text", "sand"]).ends_with(1).says("no/such.jpg");
}

#[test]
fn json_carries_the_cosines_and_the_columns_of_each_hit() {
    let bed = Bed::new();
    let image = tile(TILES[2]);
    let query = bed.encoder.compose(&image, "sand").unwrap();
    let hits = bed.json(&["--image", image.to_str().unwrap(), "--text", "sand"]);
    for hit in hits.as_array().unwrap() {
        let name = hit["key"].as_str().unwrap();
        for (part, vector) in [("image", query.image().unwrap()), ("text", query.text().unwrap())] {
            let expected = bed.cosine(vector, name);
            let got = hit["similarities"][part].as_f64().unwrap();
            assert!((got - expected).abs() < TOLERANCE, "{name} {part}: {got} {expected}");
        }
        assert_eq!(hit["columns"]["label"], name.split('/').next().unwrap());
    }
    let cloud = |name: &str| {
        let hit = hits.as_array().unwrap().iter().find(|hit| hit["key"] == name).unwrap();
        hit["columns"]["cloud"].clone()
    };
    assert_eq!(cloud(TILES[0]), 0.25);
    assert!(cloud(TILES[2]).is_null(), "JSON has no NaN");
}

#[test]
fn lambda_is_found_from_the_archive_unless_it_is_given() {
    let bed = Bed::new();
    let image = tile(TILES[2]);
    let both = ["--image", image.to_str().unwrap(), "--text", "sand"];
    let found = bed.json(&both);
    assert_eq!(found[0]["method"], "weicom(auto)");
    let lambda = found[0]["lambda"].as_f64().unwrap();
    assert!(lambda > 0.0 && lambda < 1.0, "{lambda}");
    bed.search(&both).ends_with(0).says(&format!("weicom(auto): lambda {lambda:.2}"));
    let given = bed.json(&[&both[..], &["--lambda", "0.25"]].concat());
    assert_eq!((&given[0]["method"], &given[0]["lambda"]), (&"weicom(lambda=0.25)".into(), &0.25.into()));
    // With the lambda that was found, it is WeiCom.
    let again = bed.json(&[&both[..], &["--lambda", &lambda.to_string()]].concat());
    for (found, again) in found.as_array().unwrap().iter().zip(again.as_array().unwrap()) {
        assert_eq!(found["key"], again["key"]);
        let close = |value: &Value, other: &Value| {
            (value.as_f64().unwrap() - other.as_f64().unwrap()).abs() < TOLERANCE
        };
        assert!(close(&found["score"], &again["score"]));
        assert!(close(&found["normalized"]["text"], &again["normalized"]["text"]));
    }
    let wrong = [&both[..], &["--lambda", "0.5", "--method", "product"]].concat();
    bed.search(&wrong).ends_with(2).says("--lambda weighs texts for weicom, conjunction and posterior");
}

#[test]
fn several_parts_are_asked_with_and_each_says_what_it_contributes() {
    let bed = Bed::new();
    let (first, second) = (tile(TILES[0]), tile(TILES[2]));
    let query = [
        "--image",
        first.to_str().unwrap(),
        "--image",
        second.to_str().unwrap(),
        "--text",
        "sand",
        "--without",
        "water",
        "--like",
        TILES[1],
        "--method",
        "posterior",
    ];
    let run = bed.search(&query).ends_with(0);
    let run = run.says("nothing was learned: there are too few tiles to tell a group from the rest");
    assert!(run.out.contains("without water ") && run.out.contains(" %"), "{}", run.out);
    let hits = bed.json(&query);
    // The tile that was judged is not shown again.
    assert_eq!(hits.as_array().unwrap().len(), 2);
    let parts = hits[0]["parts"].as_array().unwrap();
    let names: Vec<_> = parts.iter().map(|part| part["part"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["like harbor00.jpg", "like runway04.jpg", "like river/river10.jpg", "sand", "without water"]
    );
    assert_eq!(parts[4]["against"], true);
    for part in parts {
        assert!((0.0..=1.0).contains(&part["probability"].as_f64().unwrap()), "{part}");
    }
    bed.search(&["--like", "none.jpg"])
        .ends_with(1)
        .says("--like none.jpg: the archive has no such key; its first is harbor");
    bed.search(&["--text", "sand", "--not-near", TILES[0]]).ends_with(2).says("--method posterior");
    let unlike = |key: &str| {
        ["--image", first.to_str().unwrap(), "--unlike", key, "--method", "conjunction"].map(String::from)
    };
    let hits = bed.json(&unlike(TILES[1]).each_ref().map(String::as_str));
    assert!(hits.as_array().unwrap().iter().all(|hit| hit["key"] != TILES[1]));
    // The image is that tile, so the two parts cancel each other.
    bed.search(&unlike(TILES[0]).each_ref().map(String::as_str)).ends_with(1).says("cancel each other");
}

#[test]
fn a_window_of_an_image_is_asked_with() {
    let bed = Bed::new();
    let image = tile(TILES[2]);
    let image = image.to_str().unwrap();
    let whole = bed.json(&["--image", image]);
    assert_eq!(bed.json(&["--image", image, "--window", "0,0,256,256"]), whole);
    assert_ne!(bed.json(&["--image", image, "--window", "10,20,64,64"])[0]["score"], whole[0]["score"]);
    let outside = bed.search(&["--image", image, "--window", "200,0,57,10"]).ends_with(1);
    outside.says("does not lie within").says("256 x 256 pixels");
    bed.search(&["--image", image, "--window", "1,2,3"]).ends_with(2).says("four numbers");
}

#[test]
fn the_vocabularys_mean_that_comes_with_the_demo_is_what_the_program_makes() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("mean.json");
    finish(example("vocabulary_mean").arg("--output").arg(&made)).ends_with(0).says("the mean of 1841 words");
    let read =
        |path: PathBuf| -> Value { serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap() };
    let (made, shipped) = (read(made), read(repository("data/demo/model/vocabulary_mean.json")));
    assert_eq!((&made["encoder"], &made["words_sha256"]), (&shipped["encoder"], &shipped["words_sha256"]));
    for (made, shipped) in made["mean"].as_array().unwrap().iter().zip(shipped["mean"].as_array().unwrap()) {
        assert!((made.as_f64().unwrap() - shipped.as_f64().unwrap()).abs() < TOLERANCE);
    }
    // A mean of another model is refused.
    let mut other = shipped;
    other["encoder"]["weights_sha256"] = "0".repeat(64).into();
    let path = folder.path().join("other.json");
    std::fs::write(&path, other.to_string()).unwrap();
    let bed = Bed::new();
    let run =
        bed.search(&["--text", "sand", "--method", "posterior", "--vocabulary", path.to_str().unwrap()]);
    run.ends_with(1).says("the vocabulary's mean is of another model");
}

#[test]
fn an_answer_without_hits_says_why() {
    let bed = Bed::new();
    let filter = ["--text", "sand", "--where", "label = lake"];
    let run = bed.search(&filter).ends_with(0).says("no tile found: none of the 3 rows is as --where says");
    assert_eq!(run.out, "");
    assert_eq!(bed.json(&filter), serde_json::json!([]));
    bed.search(&["--text", "sand", "--top", "0"]).ends_with(0).says("--top 0");
}

#[test]
fn bands_are_counted_from_one() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    std::fs::create_dir(&images).unwrap();
    std::fs::copy(tile(TILES[0]), images.join("a.jpg")).unwrap();
    let extract = |decode: &str, name: &str| {
        let archive = folder.path().join(name);
        let mut command = example("extract_features");
        command.arg("--images").arg(&images).arg("--archive").arg(&archive).args(["--decode", decode]);
        (finish(&mut command), archive)
    };
    let (run, archive) = extract("bands=[3, 2, 1]", "a.rscir");
    run.ends_with(0);
    // The spec of an archive counts from 0, as it always has.
    assert_eq!(DiskArchive::open(archive).unwrap().spec().decoding.to_string(), "bands=[2, 1, 0]");
    extract("bands=[2, 1, 0]", "b.rscir").0.ends_with(2).says("bands are counted from 1");
    extract("bands=[4, 1, 1]", "c.rscir")
        .0
        .ends_with(3)
        .says("--decode counts them from 1, the image has 1 to 3");
}

#[test]
fn a_query_is_decoded_as_the_archive_records_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    std::fs::create_dir(&images).unwrap();
    for name in ["a.jpg", "b.jpg"].into_iter().zip(TILES) {
        std::fs::copy(tile(name.1), images.join(name.0)).unwrap();
    }
    let archive = folder.path().join("a.rscir");
    let mut command = example("extract_features");
    command.arg("--images").arg(&images).arg("--archive").arg(&archive);
    finish(command.args(["--decode", "bands=[3, 2, 1]"])).ends_with(0);
    let search = |more: &[&str]| {
        let mut command = example("search");
        command.arg("--archive").arg(&archive).arg("--image").arg(images.join("b.jpg")).args(more);
        finish(command.arg("--json"))
    };
    let recorded = search(&[]).ends_with(0).out;
    assert_eq!(recorded, search(&["--decode", "bands=[3, 2, 1]"]).ends_with(0).out);
    let hits: Value = serde_json::from_str(&recorded).unwrap();
    assert_eq!(hits[0]["key"], "b.jpg");
    assert!(hits[0]["similarities"]["image"].as_f64().unwrap() > 0.9999, "{hits}");
    search(&["--decode", "bands=[1, 2, 3]"]).ends_with(1).says("decoding is");
}

#[test]
fn options_of_scenes_are_refused_for_images_with_what_to_type() {
    run(
        "extract_features",
        &["--images", ".", "--archive", "a.rscir", "--bands", "4,3,2", "--stretch", "minmax"],
    )
    .ends_with(2)
    .says("images have --decode \"bands=[4, 3, 2] stretch=minmax\"");
}

#[test]
fn a_tile_of_the_archive_is_asked_with_by_its_key_and_is_not_its_own_answer() {
    let bed = Bed::new();
    let image = tile(TILES[2]);
    let by_image = bed.json(&["--image", image.to_str().unwrap(), "--text", "sand"]);
    let by_key = bed.json(&["--key", TILES[2], "--text", "sand"]);
    let others: Vec<&Value> =
        by_image.as_array().unwrap().iter().filter(|hit| hit["key"] != TILES[2]).collect();
    for (hit, other) in by_key.as_array().unwrap().iter().zip(&others) {
        assert_eq!((&hit["key"], &hit["score"]), (&other["key"], &other["score"]));
    }
    assert_eq!(by_key.as_array().unwrap().len(), others.len());
    // The tile has a vector in the archive, so no model is needed.
    assert_eq!(bed.json(&["--key", TILES[0], "--model", "clip-vit-l-14"]).as_array().unwrap().len(), 2);
    bed.search(&["--key", "none.jpg"]).ends_with(1).says("the archive has no such key; its first is harbor");
    bed.search(&["--key", TILES[0], "--image", "a.jpg"]).ends_with(2).says("cannot be used with");
}

#[test]
fn a_page_has_the_pictures_of_the_tiles_and_says_which_are_not_there() {
    let bed = Bed::new();
    let page = bed.folder.path().join("page.html");
    let out = page.to_str().unwrap();
    let tiles = repository("data/demo/benchmark/images");
    let scenes = ["--scenes", tiles.to_str().unwrap()];
    let ask = ["--key", TILES[2], "--text", "sand <b>", "--where", "label != lake", "--html", out];
    bed.search(&[&ask[..], &scenes].concat()).ends_with(0).says("written: ");
    let html = std::fs::read_to_string(&page).unwrap();
    // The pictures are of two tiles, and of the tile of the query.
    assert_eq!(html.matches("src=\"data:image/jpeg;base64,").count(), 3);
    for part in
        ["This, but sand &lt;b&gt;", "label != lake", "harbor/harbor00.jpg", "weicom(", "<dt>cloud</dt>"]
    {
        assert!(html.contains(part), "no {part:?} in {html}");
    }
    assert!(!html.contains("<b>") && !html.contains("<section class=\"where\""));
    // Without a folder there are no pictures, and the program says so.
    bed.search(&ask).ends_with(0).says("3 tiles have no picture on the page").says("--scenes DIR");
    assert!(!std::fs::read_to_string(&page).unwrap().contains("<img"));
    // An output that cannot be written is reported before the model is loaded.
    let nowhere = bed.folder.path().join("none/page.html");
    bed.search(&["--text", "sand", "--html", nowhere.to_str().unwrap()]).ends_with(1).says("none");
}

#[test]
fn a_key_that_leads_out_of_the_archives_folder_shows_no_file() {
    let bed = Bed::new();
    let spec = ImageEncoder::spec(&bed.encoder).clone();
    let outside = tile(TILES[0]);
    std::fs::create_dir(bed.folder.path().join("tiles")).unwrap();
    std::fs::copy(&outside, bed.folder.path().join("secret.jpg")).unwrap();
    let keys = [outside.to_str().unwrap(), "../secret.jpg"];
    let rows = keys.map(|key| SinkRow::new(key, Fingerprint::default()));
    let vector = bed.encoder.query(Some(&outside), None).unwrap().image().unwrap().to_vec();
    let vectors = Embeddings::normalize(spec.dim, vector.repeat(2)).unwrap();
    let path = bed.folder.path().join("b.rscir");
    let mut writer = ArchiveWriter::create(&path, spec, Precision::F32).unwrap();
    writer.commit(&rows, &vectors).unwrap();
    drop(writer);
    let page = bed.folder.path().join("page.html");
    let mut command = example("search");
    command.arg("--archive").arg(&path).args(["--text", "sand", "--html"]).arg(&page);
    command.arg("--scenes").arg(bed.folder.path().join("tiles"));
    finish(&mut command)
        .ends_with(0)
        .says("2 tiles have no picture")
        .says("leads out of the archive's folder");
    assert!(!std::fs::read_to_string(&page).unwrap().contains("<img"));
}

#[cfg(not(feature = "geo"))]
#[test]
fn a_program_without_places_says_how_to_build_one_with_them() {
    let bed = Bed::new();
    for option in [
        &["--within", "1,2,3,4"][..],
        &["--geojson", "a.geojson"],
        &["--at", "1,2", "--size", "256"],
        &["--distinct", "0.3"],
    ] {
        let run = bed.search(&[&["--text", "sand"][..], option].concat()).ends_with(1);
        run.says(&format!("{} needs the feature `geo`", option[0])).says("--features geo --example search");
    }
    bed.search(&["--image", "a.tif#xywh=0,0,1,1"]).ends_with(1).says("--features geo");
}

#[test]
fn a_usage_error_names_the_program_that_was_typed() {
    run("search", &["--text", "sand", "--not-near", "a.jpg"]).ends_with(2).says("Usage: search");
}
