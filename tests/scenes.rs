//! `extract_features --scenes`, as a user types it.

mod common;

use std::path::Path;

use common::{Run, example, finish, repository};

fn extract(folder: &Path, arguments: &[&str]) -> Run {
    finish(example("extract_features").current_dir(folder).args(arguments))
}

/// A folder with a scene of 383 x 232 pixels of 0.15 m.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let scenes = folder.path().join("scenes");
    std::fs::create_dir(&scenes).unwrap();
    std::fs::copy(repository("crates/rscir-geo/tests/data/cog_rgb.tif"), scenes.join("street.tif")).unwrap();
    folder
}

#[cfg(not(feature = "geo"))]
#[test]
fn scenes_are_refused_with_how_to_build_where_they_are_not_built_in() {
    extract(folder().path(), &["--scenes", "scenes", "--archive", "a.rscir"])
        .ends_with(2)
        .says("cargo build --release --features geo --examples");
}

#[cfg(feature = "geo")]
mod built_in {
    use rscir::core::{Archive, Value};

    use super::*;

    #[test]
    fn rows_of_scenes_know_where_they_lie_and_a_broken_scene_ends_nothing() {
        let folder = folder();
        let scenes = folder.path().join("scenes");
        std::fs::write(scenes.join("broken.tif"), b"II*\0").unwrap();
        // An image without a world file is no scene.
        std::fs::write(scenes.join("plain.jpg"), "").unwrap();
        let arguments = ["--scenes", "scenes", "--tile", "128", "--overlap", "0.5", "--archive", "a.rscir"];
        extract(folder.path(), &arguments)
            .ends_with(3)
            .says("1 scenes, 15 tiles")
            .says("broken.tif")
            .says("1 images of folders are no scenes")
            .says("15 rows; 15 encoded, 0 unchanged, 0 failed");
        let archive = rscir::open(folder.path().join("a.rscir")).unwrap();
        let row = archive.find("street.tif#xywh=64,64,128,128").unwrap();
        let value = |name: &str| archive.value(name, row).unwrap();
        assert_eq!(value("scene"), Value::Text("street.tif"));
        assert_eq!(value("crs"), Value::Text("EPSG:26913"));
        let Value::Floats(footprint) = value("footprint") else { panic!() };
        assert!(footprint.len() == 8 && (footprint[1] - 38.95).abs() < 0.1, "{footprint:?}");

        extract(folder.path(), &arguments).ends_with(3).says("0 encoded, 15 unchanged");
        // Other bands make other tiles.
        let bands = [&arguments[..], &["--bands", "3,2,1"]].concat();
        extract(folder.path(), &bands).ends_with(3).says("15 encoded, 0 unchanged");
    }

    #[test]
    fn options_that_make_no_sense_are_usage_errors_with_what_to_type() {
        let folder = folder();
        let with = |more: &[&str]| {
            extract(folder.path(), &[&["--scenes", "scenes", "--archive", "a.rscir"], more].concat())
        };
        with(&["--bands", "0,1,2"]).ends_with(2).says("counted from 1");
        with(&["--bands", "1,2"]).ends_with(2).says("--bands 1");
        with(&["--tile", "0"]).ends_with(2).says("256");
        with(&["--overlap", "1"]).ends_with(2).says("less than 1");
        with(&["--stretch", "percentile(98, 2)"]).ends_with(2).says("low < high");
        with(&["--crs", "32634"]).ends_with(2).says("EPSG:32634");
        with(&["--crs", "EPSG:1"]).ends_with(2).says("EPSG:1 is not known");
        with(&["--date", "yesterday"]).ends_with(2).says("ISO 8601");
        with(&["--decode", "bands=[1, 2, 3]"]).ends_with(2).says("--bands and --stretch");
        with(&["--images", "scenes"]).ends_with(2).says("--images");
        assert!(!folder.path().join("a.rscir").exists());
        // The error about a scene names the option that helps.
        with(&["--bands", "4,2,1"])
            .ends_with(1)
            .says("band 4 was chosen, but the scene has 3")
            .says("--bands");
        with(&["--tile", "19.2m,256"]).ends_with(0).says("8 tiles");
    }
}
