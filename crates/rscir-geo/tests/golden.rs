//! Compares tiles and footprints with those that rasterio 1.4.4 makes, byte for byte.

use std::path::{Path, PathBuf};

use rscir_core::{ImageSource, RowValues, Silent, Value};
use rscir_geo::{
    Scene, SceneList, SceneOptions, SceneTiles, TileOptions, TileSize, Tiling, Window, parse_stretch,
};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// Returns the degrees by which a footprint may differ. The coordinate system of the Netherlands has a datum shift, and
/// is less exact.
fn tolerance(crs: &str) -> f64 {
    if crs == "EPSG:28992" { 1e-5 } else { 1e-7 }
}

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn wholes(json: &Json) -> Vec<usize> {
    numbers(json).into_iter().map(|number| number as usize).collect()
}

#[track_caller]
fn assert_golden(scenes: &Path, golden: &Json) {
    for entry in golden.as_array().unwrap() {
        let name = entry["scene"].as_str().unwrap();
        let crs = entry["crs"].as_str().unwrap();
        let bands: Vec<usize> = wholes(&entry["use_bands"]).iter().map(|band| band - 1).collect();
        let mut options = SceneOptions::default().bands(bands);
        if entry["stretch"] != "none" {
            options = options.stretch(parse_stretch(entry["stretch"].as_str().unwrap()).unwrap());
        }
        let path = scenes.join(name);
        let scene = Scene::open(&path, &options).unwrap();
        assert_eq!(scene.size().to_vec(), wholes(&entry["size"]), "{name}");
        assert_eq!(scene.bands() as u64, entry["bands"].as_u64().unwrap(), "{name}");
        assert_eq!(scene.crs().name(), crs, "{name}");
        assert!((scene.pixel_size() - entry["gsd"].as_f64().unwrap()).abs() < 1e-12, "{name}");

        let size = TileSize::Pixels(entry["tile"].as_u64().unwrap() as usize);
        let tiling = Tiling::default().sizes([size]).overlap(entry["overlap"].as_f64().unwrap());
        let mut list = SceneList::new();
        list.add_path(&path).unwrap();
        let options = TileOptions::default().tiling(tiling).scene(options).min_valid(0.0);
        let tiles = SceneTiles::open(list, &options, &Silent, &|| false).unwrap();
        let expected = entry["tiles"].as_array().unwrap();
        assert_eq!(tiles.len(), expected.len(), "{name}");
        for (item, tile) in expected.iter().enumerate() {
            let [x, y, width, height] = wholes(&tile["window"]).try_into().unwrap();
            let window = Window::new(x, y, width, height);
            assert_eq!(tiles.key(item), format!("{name}#xywh={x},{y},{width},{height}"));
            assert_eq!(tiles.tile(item).1, window);

            let read = scene.read(window).unwrap();
            let valid = tile["valid"].as_f64().unwrap();
            assert!(
                (read.valid - valid).abs() <= 1e-6,
                "{name} {window:?}: {} valid, not {valid}",
                read.valid
            );
            let pixels = tiles.read(item).unwrap();
            assert_eq!(pixels, read.image, "{name} {window:?}");
            let hash: String =
                Sha256::digest(&pixels.data).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, tile["rgb_sha256"], "{name} {window:?}");

            let mut row = RowValues::new(tiles.columns());
            tiles.values(item, &mut row).unwrap();
            let corners: Vec<f64> = tile["wgs84"].as_array().unwrap().iter().flat_map(numbers).collect();
            let Some(Value::Floats(footprint)) = row.get("footprint") else { panic!("{row:?}") };
            for (got, expected) in footprint.iter().zip(&corners) {
                assert!(
                    (got - expected).abs() <= tolerance(crs),
                    "{name} {window:?}: {footprint:?}, not {corners:?}"
                );
            }
            assert_eq!((row.get("scene"), row.get("crs")), (Some(Value::Text(name)), Some(Value::Text(crs))));
            let Some(Value::Float(share)) = row.get("valid") else { panic!("{row:?}") };
            assert_eq!(share, read.valid, "{name} {window:?}");
        }
    }
}

fn read(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn tiles_of_a_street_in_jpeg_are_rasterios() {
    let data = folder("tests/data");
    assert_golden(&data, &read(&data.join("cog_rgb.json")));
}

#[test]
fn tiles_of_ponds_in_infrared_are_rasterios() {
    assert_golden(&folder("../../data/scenes"), &read(&folder("tests/data/ponds.json")));
}

/// Compares all scenes of the golden inputs: `RSCIR_GOLDEN=... cargo test --release -p rscir-geo --test golden --
/// --ignored`
#[test]
#[ignore = "needs RSCIR_GOLDEN, and the scenes in ../data/scenes of it"]
fn tiles_of_all_golden_scenes_are_rasterios() {
    let golden = PathBuf::from(std::env::var_os("RSCIR_GOLDEN").unwrap());
    assert_golden(&golden.join("../data/scenes"), &read(&golden.join("geo/golden.json")));
}
