//! Runs the program `search` on archives of scenes, with places in the query and places of the answer.
#![cfg(feature = "geo")]

mod common;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use common::{Run, example, finish, repository};
use rscir::core::{Fingerprint, Silent, SinkRow};
use rscir::geo::{
    Footprint, Scene, SceneList, SceneOptions, SceneTiles, TileOptions, TileSize, Tiling, Window,
};
use rscir::images::tiff::Tiff;
use rscir::index::Columns;
use rscir::prelude::*;
use serde_json::Value;

const SCENE: &str = "m_4709963_se_14_1_20200831.tif";

/// A name that must never reach a page without being escaped.
const ATTACK: &str = "<script>alert(1)</script>\"'&\u{1b}[2J\u{202e}";

/// A folder with an archive of the scene in `data`, in tiles of 256 and of 128 pixels.
struct Bed {
    folder: tempfile::TempDir,
    archive: PathBuf,
}

/// Encodes the scene once for all tests.
fn scene_archive() -> &'static Path {
    static ARCHIVE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = ARCHIVE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let encoder = ClipEncoder::from_folder(repository("data/demo/model")).name("demo").build().unwrap();
        let mut list = SceneList::new();
        list.add_path(repository("data/scenes")).unwrap();
        let tiling = Tiling::default().sizes([TileSize::Pixels(256), TileSize::Pixels(128)]);
        let options = TileOptions::default().tiling(tiling);
        let tiles = SceneTiles::open(list, &options, &Silent, &|| false).unwrap();
        let path = folder.path().join("scenes.rscir");
        let fail = &mut |failure| panic!("{failure}");
        rscir::ingest_source(&tiles, &encoder, path, &IngestOptions::default(), fail).unwrap();
        folder
    });
    folder.path()
}

impl Bed {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), archive: scene_archive().join("scenes.rscir") }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().into()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn search(&self, arguments: &[&str]) -> Run {
        let scenes = repository("data/scenes");
        finish(
            example("search").arg("--archive").arg(&self.archive).arg("--scenes").arg(scenes).args(arguments),
        )
    }

    fn hits(&self, arguments: &[&str]) -> Vec<Value> {
        let run = self.search(&[arguments, &["--json"]].concat()).ends_with(0);
        serde_json::from_str(&run.out).unwrap()
    }
}

fn key(window: &str) -> String {
    format!("{SCENE}#xywh={window}")
}

fn keys(hits: &[Value]) -> Vec<&str> {
    hits.iter().map(|hit| hit["key"].as_str().unwrap()).collect()
}

fn footprint(hit: &Value) -> Footprint {
    let numbers: Vec<f64> = hit["columns"]["footprint"]
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect();
    Footprint::from_numbers(&numbers).unwrap()
}

/// An archive with vectors of two numbers, which is searched with its first key, without a model.
fn made_archive(path: &Path, keys: &[&str], bounds: &[[f64; 4]]) {
    let rows: Vec<SinkRow<'_>> = keys.iter().map(|key| SinkRow::new(key, Fingerprint::default())).collect();
    let values = (0..keys.len()).flat_map(|i| [1.0, i as f32 / 10.0]).collect();
    let edge = |at: usize| bounds.iter().map(|bounds| bounds[at]).collect::<Vec<f64>>();
    let columns = ["west", "south", "east", "north"]
        .iter()
        .enumerate()
        .fold(Columns::new(keys.len()), |columns, (at, name)| columns.with(name, edge(at)).unwrap());
    let mut writer = ArchiveWriter::create(path, EncoderSpec::unknown(2), Precision::F32).unwrap();
    writer.commit_with_columns(&rows, &Embeddings::normalize(2, values).unwrap(), &columns).unwrap();
}

#[test]
fn an_answer_is_written_as_geojson_and_csv_with_the_places_of_its_tiles() {
    let bed = Bed::new();
    let (geojson, csv) = (bed.path("a.geojson"), bed.path("a.csv"));
    let ask = ["--key", &key("384,128,128,128"), "--text", "a lake", "--top", "5"];
    let hits = bed.hits(&[&ask[..], &["--geojson", &geojson, "--csv", &csv]].concat());
    let json: Value = serde_json::from_str(&std::fs::read_to_string(&geojson).unwrap()).unwrap();
    assert_eq!(json["type"], "FeatureCollection");
    let features = json["features"].as_array().unwrap();
    assert_eq!(features.len(), 5);
    for (i, (feature, hit)) in features.iter().zip(&hits).enumerate() {
        let properties = &feature["properties"];
        assert_eq!((&properties["key"], properties["rank"].as_u64()), (&hit["key"], Some(i as u64 + 1)));
        for (name, value) in [
            ("score", &hit["score"]),
            ("image_similarity", &hit["similarities"]["image"]),
            ("text_similarity", &hit["similarities"]["text"]),
        ] {
            assert_eq!(
                properties[name].as_f64().map(|v| v as f32),
                value.as_f64().map(|v| v as f32),
                "{name}"
            );
        }
        assert_eq!(properties["gsd"], hit["columns"]["gsd"]);
        let rings: Vec<Vec<[f64; 2]>> =
            serde_json::from_value(feature["geometry"]["coordinates"].clone()).unwrap();
        // The parser of JSON is exact to the last decimal place but one.
        for (place, expected) in rings.iter().flatten().zip(footprint(hit).rings().iter().flatten()) {
            assert!((place[0] - expected[0]).abs() < 1e-12 && (place[1] - expected[1]).abs() < 1e-12);
        }
        assert_eq!((rings.len(), rings[0].len()), (1, 5));
    }
    let csv = std::fs::read_to_string(&csv).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("key,rank,score,") && lines[0].ends_with(",wkt"), "{}", lines[0]);
    assert_eq!(lines.len(), 6);
    assert!(lines[1].starts_with(&format!("\"{}\",1,", hits[0]["key"].as_str().unwrap())), "{}", lines[1]);
    assert!(lines[1].contains("POLYGON (("));
}

#[test]
#[ignore = "needs ogrinfo, which comes with GDAL"]
fn ogrinfo_lists_the_polygons_with_their_extent() {
    let bed = Bed::new();
    let geojson = bed.path("a.geojson");
    bed.hits(&["--key", &key("0,0,256,256"), "--top", "1000", "--geojson", &geojson]);
    let run = finish(std::process::Command::new("ogrinfo").args(["-al", "-so", &geojson])).ends_with(0);
    let scene = Scene::open(repository("data/scenes").join(SCENE), &SceneOptions::default()).unwrap();
    let [width, height] = scene.size();
    let bounds = scene.footprint(Window::new(0, 0, width, height)).unwrap().bounds();
    let (west, south, east, north) = (bounds.west, bounds.south, bounds.east, bounds.north);
    let extent = format!("Extent: ({west:.6}, {south:.6}) - ({east:.6}, {north:.6})");
    for line in ["Geometry: Polygon", "GEOGCS", &extent] {
        assert!(
            run.out.contains(line) || line == "GEOGCS" && run.out.contains("GEOGCRS"),
            "no {line}:\n{}",
            run.out
        );
    }
}

#[test]
fn bounds_and_polygons_choose_the_tiles_that_they_touch() {
    let bed = Bed::new();
    let ask = |within: &str| bed.hits(&["--text", "a lake", "--top", "1000", "--within", within]);
    let all = bed.hits(&["--text", "a lake", "--top", "1000"]);
    let tile = all.iter().find(|hit| hit["key"] == key("256,256,128,128").as_str()).unwrap();
    let [longitude, latitude] = footprint(tile).center();
    let around = |d: f64| [longitude - d, latitude - d, longitude + d, latitude + d].map(|n| n.to_string());
    // An area of a few meters in the middle of a tile chooses this tile, and the larger tile that covers it.
    let of_bounds = ask(&around(1e-4).join(","));
    let found: HashSet<&str> = keys(&of_bounds).into_iter().collect();
    assert_eq!(found, HashSet::from([key("256,256,128,128").as_str(), key("256,256,256,256").as_str()]));
    // The scores are the same as without an area.
    let score = |hits: &[Value]| {
        hits.iter().find(|hit| hit["key"] == key("256,256,128,128").as_str()).unwrap()["score"].clone()
    };
    assert_eq!(score(&of_bounds), score(&all));

    let ring = |d: f64| {
        let [w, s, e, n] = around(d);
        format!("[[{w},{s}],[{e},{s}],[{e},{n}],[{w},{n}],[{w},{s}]]")
    };
    let feature = |kind: &str, coordinates: &str| {
        format!(
            r#"{{"type":"Feature","properties":{{}},"geometry":{{"type":"{kind}","coordinates":{coordinates}}}}}"#
        )
    };
    // A frame around a tile does not choose the tile, which is within the hole.
    let frame = bed.write("frame.geojson", &feature("Polygon", &format!("[{},{}]", ring(0.02), ring(0.006))));
    let of_frame = ask(&frame);
    assert!(!keys(&of_frame).contains(&key("256,256,128,128").as_str()), "{of_frame:?}");
    assert!(of_frame.len() > 20 && of_frame.len() < all.len());
    let far = "[[[10,10],[11,10],[11,11],[10,10]]]";
    let two = feature("MultiPolygon", &format!("[[{}],{far}]", ring(1e-4)));
    assert_eq!(keys(&ask(&bed.write("two.geojson", &two))), keys(&of_bounds));
}

#[test]
fn an_area_across_the_antimeridian_goes_east_from_west() {
    let mut bed = Bed::new();
    bed.archive = bed.folder.path().join("made.rscir");
    let bounds = [
        [179.9, -17.1, -179.9, -16.9],
        [179.5, -17.1, 179.6, -16.9],
        [-179.6, -17.1, -179.5, -16.9],
        [0.0, -17.1, 0.1, -16.9],
    ];
    made_archive(&bed.archive, &["a", "b", "c", "d"], &bounds);
    let geojson = bed.path("a.geojson");
    let hits = bed.hits(&["--key", "d", "--within", "179,-18,-179,-16", "--geojson", &geojson]);
    let mut found = keys(&hits);
    found.sort_unstable();
    assert_eq!(found, ["a", "b", "c"]);
    let json: Value = serde_json::from_str(&std::fs::read_to_string(geojson).unwrap()).unwrap();
    for feature in json["features"].as_array().unwrap() {
        let is_cut = feature["properties"]["key"] == "a";
        assert_eq!(feature["geometry"]["type"], if is_cut { "MultiPolygon" } else { "Polygon" });
    }
}

#[test]
fn an_area_that_chooses_nothing_says_why() {
    let mut bed = Bed::new();
    let ask = |bed: &Bed, within: &str| bed.search(&["--text", "a lake", "--within", within]);
    // Bounds with the latitude first are refused, because no latitude is -99.18. Bounds in the ocean choose no tile.
    ask(&bed, "47.01,-99.18,47.03,-99.15").ends_with(1).says("in the order west, south, east, north");
    ask(&bed, "5,5,6,6").ends_with(0).says("its tiles lie within -99.18").says("no tile found");
    for (text, says) in [
        ("{}", "the file is no GeoJSON"),
        (r#"{"type":"Point","coordinates":[1,2]}"#, "the file has no polygon"),
        (r#"{"type":"Polygon","coordinates":[[[5e5,4e6],[6e5,4e6],[6e5,5e6],[5e5,4e6]]]}"#, "EPSG:4326"),
    ] {
        let file = bed.write("area.geojson", text);
        ask(&bed, &file).ends_with(1).says(says).says("area.geojson");
    }
    ask(&bed, "none.geojson").ends_with(1).says("neither W,S,E,N in degrees");
    bed.archive = bed.folder.path().join("made.rscir");
    made_archive(&bed.archive, &["a", "b"], &[[5.0, 52.0, 5.1, 52.1]; 2]);
    let run = bed.search(&["--key", "a", "--within", "52,5,52.1,5.1"]).ends_with(0);
    run.says("with latitude and longitude exchanged it has 2: longitude comes first");
    bed.archive = bed.folder.path().join("plain.rscir");
    let mut writer = ArchiveWriter::create(&bed.archive, EncoderSpec::unknown(2), Precision::F32).unwrap();
    let row = Embeddings::normalize(2, vec![1.0, 0.0]).unwrap();
    writer.commit(&[SinkRow::new("a", Fingerprint::default())], &row).unwrap();
    drop(writer);
    bed.search(&["--key", "a", "--within", "5,5,6,6"]).ends_with(1).says("no row of the archive has a place");
}

#[test]
fn a_tile_its_window_and_its_place_ask_alike() {
    let bed = Bed::new();
    let file = repository("data/scenes").join(SCENE);
    let window = format!("{}#xywh=384,128,128,128", file.display());
    let by_window = bed.hits(&["--image", &window, "--text", "a lake", "--top", "1000"]);
    let own = by_window.iter().find(|hit| hit["key"] == key("384,128,128,128").as_str()).unwrap();
    assert!((own["similarities"]["image"].as_f64().unwrap() - 1.0).abs() < 1e-6, "{own}");
    let [longitude, latitude] = footprint(own).center();
    let at = format!("{longitude},{latitude}");
    for size in ["128", "640m"] {
        let by_place = bed.hits(&["--at", &at, "--size", size, "--text", "a lake", "--top", "1000"]);
        assert_eq!(by_place, by_window, "{size}");
    }
    // A search with a tile's key leaves the tile itself out.
    let by_key = bed.hits(&["--key", &key("384,128,128,128"), "--text", "a lake", "--top", "1000"]);
    let others: Vec<&str> = keys(&by_window).into_iter().filter(|other| *other != own["key"]).collect();
    assert_eq!(keys(&by_key), others);

    // This scene is not of the archive.
    let other = repository("crates/rscir-geo/tests/data/cog_rgb.tif");
    let window = format!("{}#xywh=0,0,128,128", other.display());
    assert_eq!(bed.hits(&["--image", &window]).len(), 10);

    bed.search(&["--at", "5,52", "--size", "128"]).ends_with(1).says("is in no scene of the archive");
    bed.search(&["--at", "47,-99.1", "--size", "128"]).ends_with(1).says("longitude first");
    bed.search(&["--at", &at]).ends_with(2).says("--size");
    bed.search(&["--at", &at, "--size", "big"]).ends_with(1).says("--size").says("big");
    let outside = format!("{}#xywh=900,0,128,128", file.display());
    bed.search(&["--image", &outside]).ends_with(1).says("does not lie in the image of 934 x 723");
}

#[test]
fn a_window_of_an_ordinary_image_is_asked_with() {
    let bed = Bed::new();
    let image = repository("data/demo/benchmark/images/river/river10.jpg");
    let window = |numbers: &str| format!("{}#xywh={numbers}", image.display());
    let whole = bed.hits(&["--image", &window("0,0,256,256")]);
    assert_eq!(whole, bed.hits(&["--image", image.to_str().unwrap()]));
    assert_ne!(whole, bed.hits(&["--image", &window("0,0,100,100")]));
    bed.search(&["--image", &window("200,0,100,100")])
        .ends_with(1)
        .says("does not lie within")
        .says("256 x 256 pixels");
    bed.search(&["--image", &window("0,0,100")]).ends_with(1).says("column,row,width,height");
    bed.search(&["--image", "no/such.jpg#xywh=0,0,1,1"]).ends_with(1).says("no/such.jpg");
}

#[test]
fn distinct_places_overlap_no_more_than_was_said_and_the_best_of_each_stays() {
    let bed = Bed::new();
    let ask = ["--text", "a lake", "--top", "20"];
    let all = bed.hits(&["--text", "a lake", "--top", "1000"]);
    let distinct = bed.hits(&[&ask[..], &["--distinct", "0.2"]].concat());
    assert_eq!(distinct.len(), 20);
    let mut kept: Vec<&Value> = Vec::new();
    for hit in &all {
        if kept.iter().all(|other| footprint(other).iou(&footprint(hit)) <= 0.2) {
            kept.push(hit);
        }
    }
    let kept: Vec<&str> = kept.iter().take(20).map(|hit| hit["key"].as_str().unwrap()).collect();
    assert_eq!(keys(&distinct), kept);
    // A tile of 128 pixels is a quarter of one of 256. Without --distinct both are in the answer.
    assert_ne!(keys(&distinct), keys(&bed.hits(&ask)));
    bed.search(&["--text", "a", "--distinct", "1.5"]).ends_with(1).says("a share from 0 to 1");
}

#[test]
fn a_heat_map_has_the_mean_of_the_scores_of_the_tiles_that_cover_a_pixel() {
    let bed = Bed::new();
    let path = bed.path("heat.tif");
    let ask = ["--key", &key("384,128,128,128"), "--text", "a lake"];
    bed.search(&[&ask[..], &["--top", "1", "--heatmap", &path]].concat())
        .ends_with(0)
        .says("the scores of 60 tiles");
    let all = bed.hits(&[&ask[..], &["--top", "1000"]].concat());
    let score = |window: &str| {
        all.iter().find(|hit| hit["key"] == key(window).as_str()).unwrap()["score"].as_f64().unwrap()
    };
    let tiff = Tiff::open(&path).unwrap();
    let (width, height) = (tiff.image().width(), tiff.image().height());
    assert_eq!((width, height), (934, 723));
    let samples = tiff.image().read_window(Window::new(0, 0, width, height), &[0]).unwrap();
    // Column 130 is in the second tile of 128 and in the first of 256.
    for ((x, y), windows) in [
        ((10, 10), ["0,0,128,128", "0,0,256,256"]),
        ((130, 10), ["128,0,128,128", "0,0,256,256"]),
        ((300, 400), ["256,384,128,128", "256,256,256,256"]),
    ] {
        let mean = windows.map(score).iter().sum::<f64>() / 2.0;
        assert!((samples.value(y * width + x).unwrap() - mean).abs() < 1e-6, "{x}, {y}");
    }
    let own = Scene::open(repository("data/scenes").join(SCENE), &SceneOptions::default()).unwrap();
    let map = Scene::open(&path, &SceneOptions::default()).unwrap();
    assert_eq!((map.crs(), map.transform()), (own.crs(), own.transform()));
}

#[test]
fn the_page_of_a_scene_has_pictures_a_map_and_its_query() {
    let bed = Bed::new();
    let page = bed.path("page.html");
    let ask = ["--key", &key("384,128,128,128"), "--text", "a lake", "--top", "4", "--html", &page];
    bed.search(&[&ask[..], &["--within", "-99.19,47,-99.12,47.04"]].concat()).ends_with(0);
    let html = std::fs::read_to_string(&page).unwrap();
    // The pictures are of four tiles, of the query, and of the scene below the map.
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), 6);
    assert_eq!(html.matches("<a class=\"place\"").count(), 4);
    for part in [
        "<path class=\"area\"",
        "<path class=\"asked\"",
        "<dt>crs</dt><dd>EPSG:26914</dd>",
        "This, but a lake",
    ] {
        assert!(html.contains(part), "no {part}");
    }
}

#[test]
fn hostile_keys_are_text_wherever_they_are_written() {
    let mut bed = Bed::new();
    bed.archive = bed.folder.path().join("made.rscir");
    let outside = format!("../{ATTACK}.tif#xywh=0,0,1,1");
    let absolute = "/etc/hostname#xywh=0,0,1,1";
    made_archive(&bed.archive, &["a", ATTACK, &outside, absolute], &[[5.0, 52.0, 5.1, 52.1]; 4]);
    let (geojson, page, csv) = (bed.path("a.geojson"), bed.path("a.html"), bed.path("a.csv"));
    let run = bed
        .search(&["--key", "a", "--geojson", &geojson, "--html", &page, "--csv", &csv])
        .ends_with(0)
        .says("4 tiles have no picture");
    assert!(!format!("{}{}", run.out, run.err).contains(['\u{1b}', '\u{202e}']));
    let json: Value = serde_json::from_str(&std::fs::read_to_string(&geojson).unwrap()).unwrap();
    let written: HashSet<&str> = json["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| feature["properties"]["key"].as_str().unwrap())
        .collect();
    assert_eq!(written, HashSet::from([ATTACK, &outside, absolute]));
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(!html.contains("<script") && !html.contains(['\u{1b}', '\u{202e}']) && !html.contains("<img"));
    assert!(std::fs::read_to_string(&csv).unwrap().contains("\"\"'&"));
}

#[test]
fn outputs_that_cannot_be_written_are_told_of_before_the_work() {
    let bed = Bed::new();
    let ask = |option: &str, path: &str| bed.search(&["--text", "a lake", option, path]);
    for option in ["--geojson", "--csv", "--heatmap", "--html"] {
        let run = ask(option, &bed.path("none/file")).ends_with(1).says("none");
        assert_eq!(run.out, "", "{option}");
    }
    let same = bed.path("same");
    bed.search(&["--text", "a", "--geojson", &same, "--csv", &same]).ends_with(1).says("two outputs");
    // The old file stays until the new one is whole.
    let file = bed.write("a.geojson", "old");
    bed.search(&["--key", "none", "--geojson", &file]).ends_with(1);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
}

#[test]
fn a_scene_that_is_not_found_says_what_to_type() {
    let bed = Bed::new();
    let ask = |arguments: &[&str]| {
        let empty = bed.folder.path().join("empty");
        std::fs::create_dir_all(&empty).unwrap();
        finish(
            example("search").arg("--archive").arg(&bed.archive).arg("--scenes").arg(empty).args(arguments),
        )
    };
    ask(&["--at", "-99.15,47.02", "--size", "128"]).ends_with(1).says(SCENE).says("--scenes DIR");
    let heat = bed.path("heat.tif");
    ask(&["--text", "a lake", "--heatmap", &heat]).ends_with(1).says(SCENE).says("--scenes DIR");
    let page = bed.path("page.html");
    ask(&["--text", "a lake", "--html", &page])
        .ends_with(0)
        .says("have no picture on the page")
        .says("--scenes DIR");
}

#[test]
fn a_heat_map_needs_an_archive_of_scenes() {
    let mut bed = Bed::new();
    bed.archive = bed.folder.path().join("made.rscir");
    made_archive(&bed.archive, &["a", "b.tif#xywh=0,0,1,1"], &[[5.0, 52.0, 5.1, 52.1]; 2]);
    let heat = bed.path("heat.tif");
    let ask = |key: &str| bed.search(&["--key", key, "--heatmap", &heat]).ends_with(1);
    ask("a").says("no row is of the scene b.tif by a column `scene`");
    ask("b.tif#xywh=0,0,1,1").says("--heatmap").says("\"a\" is no key of a tile");
    assert!(!Path::new(&heat).exists());
}

#[test]
fn a_heat_map_of_a_scene_that_changed_is_refused() {
    let mut bed = Bed::new();
    bed.archive = bed.folder.path().join("made.rscir");
    let [asked, beyond] = [key("0,0,128,128"), key("900,0,128,128")];
    made_archive(&bed.archive, &[&asked, &beyond], &[[5.0, 52.0, 5.1, 52.1]; 2]);
    let scene = Columns::new(2).with("scene", vec![SCENE; 2]).unwrap();
    let mut writer =
        ArchiveWriter::open_or_create(&bed.archive, EncoderSpec::unknown(2), Precision::F32).unwrap();
    writer.update_columns(&[&asked, &beyond], &scene).unwrap();
    drop(writer);
    let heat = bed.path("heat.tif");
    let run = bed.search(&["--key", &asked, "--heatmap", &heat]).ends_with(1);
    run.says("has 934 x 723 pixels now").says(&beyond).says("ingest");
    assert!(!Path::new(&heat).exists());
}
