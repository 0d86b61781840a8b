//! Tiles and footprints are those that rasterio 1.4.4 makes, but for the chroma of JPEG.

use std::path::{Path, PathBuf};

use rscir_core::{ImageSource, RgbImage, RowValues, Silent, Value};
use rscir_geo::{
    Scene, SceneList, SceneOptions, SceneTiles, TileOptions, TileSize, Tiling, Window, parse_stretch,
};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// Degrees by which a footprint may differ, by the scene's coordinate system: that of the Netherlands has a datum shift.
fn tolerance(crs: &str) -> f64 {
    if crs == "EPSG:28992" { 1e-5 } else { 1e-7 }
}

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn wholes(json: &Json) -> Vec<usize> {
    numbers(json).into_iter().map(|number| number as usize).collect()
}

/// Compares the means of a tile's channels, which hardly depend on how chroma is interpolated: they differ by 0.03 at most.
#[track_caller]
fn assert_means(pixels: &RgbImage, means: &[f64]) {
    for (channel, expected) in means.iter().enumerate() {
        let values = pixels.data.iter().skip(channel).step_by(3);
        let mean = values.map(|value| f64::from(*value)).sum::<f64>() / (pixels.width * pixels.height) as f64;
        assert!((mean - expected).abs() < 0.05, "{mean}, not {expected}");
    }
}

#[track_caller]
fn assert_golden(scenes: &Path, golden: &Json, of_ijg: &[&str]) {
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
            if of_ijg.contains(&name) {
                assert_means(&pixels, &numbers(&tile["rgb_mean"]));
            } else {
                let hash: String =
                    Sha256::digest(&pixels.data).iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(hash, tile["rgb_sha256"], "{name} {window:?}");
            }

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

#[test]
fn tiles_of_a_street_are_those_of_gdal_with_libjpeg_turbo() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    assert_golden(&data, &read(&data.join("cog_rgb.json")), &[]);
}

/// Scenes of JPEG with subsampled chroma. The golden values are of a wheel with IJG's libjpeg 9, which interpolates chroma by a
/// transform of 16 x 16; GDAL and Pillow with libjpeg-turbo have our bytes, which `cog_rgb.json` holds.
const OF_IJG: [&str; 2] = ["cog_rgb.tif", "test_tiled.tif"];

/// All scenes of the golden inputs: `RSCIR_GOLDEN=... cargo test --release -p rscir-geo --test golden -- --ignored`
#[test]
#[ignore = "needs RSCIR_GOLDEN, and the scenes in ../data/scenes of it"]
fn tiles_of_all_golden_scenes_are_rasterios_but_for_the_chroma_of_jpeg() {
    let golden = PathBuf::from(std::env::var_os("RSCIR_GOLDEN").unwrap());
    assert_golden(&golden.join("../data/scenes"), &read(&golden.join("geo/golden.json")), &OF_IJG);
}
