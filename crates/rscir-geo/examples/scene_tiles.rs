//! Lists the tiles of scenes as lines of JSON: key, share of valid pixels, SHA-256 of the RGB bytes, footprint. The options are those of
//! `extract_features --scenes`; `scripts/scenes_against_rasterio.py` compares the lines with rasterio's.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use rscir_core::{ImageSource, RowValues, Silent, Value};
use rscir_geo::{SceneList, SceneOptions, SceneTiles, TileOptions, Tiling, parse_stretch};
use serde_json::json;
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut list, mut tiling, mut scene) = (SceneList::new(), Tiling::default(), SceneOptions::default());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or("an option lacks its value");
        match argument.as_str() {
            "--tile" => tiling = tiling.sizes([value()?.parse()?]),
            "--overlap" => tiling = tiling.overlap(value()?.parse()?),
            "--stretch" => scene = scene.stretch(parse_stretch(&value()?)?),
            path => list.add_path(path)?,
        }
    }
    let options = TileOptions::default().tiling(tiling).scene(scene).min_valid(0.0);
    let tiles = SceneTiles::open(list, &options, &Silent, &|| false)?;
    for failure in tiles.failures() {
        println!("{}", json!({ "key": failure.key, "error": failure.error.to_string() }));
    }
    for item in 0..tiles.len() {
        let mut row = RowValues::new(tiles.columns());
        tiles.values(item, &mut row)?;
        let floats = |name: &str| match row.get(name) {
            Some(Value::Floats(numbers)) => json!(numbers),
            Some(Value::Float(number)) => json!(number),
            Some(Value::Text(text)) => json!(text),
            _ => json!(null),
        };
        let pixels = tiles.read(item).map(|image| {
            Sha256::digest(&image.data).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        });
        let mut line = json!({ "key": tiles.key(item) });
        for name in ["valid", "footprint", "gsd", "crs", "stretch"] {
            line[name] = floats(name);
        }
        match pixels {
            Ok(hash) => line["rgb_sha256"] = json!(hash),
            Err(error) => line["error"] = json!(error.to_string()),
        }
        println!("{line}");
    }
    Ok(())
}
