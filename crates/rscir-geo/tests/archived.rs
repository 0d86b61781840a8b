//! The scenes of an archive are read as they were when it was made.

mod common;

use std::path::Path;

use common::Made;
use rscir_core::{Archive, Embeddings, EncoderSpec, ErrorKind};
use rscir_geo::{
    ArchivedScenes, Error, Scene, SceneOptions, TileKey, TileSize, Window, options_of_row, parse_stretch,
};
use rscir_index::{Columns, MemoryArchive};

/// Makes a folder with a scene of 16 bits and a scene of 8 bits.
fn scenes() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<u16> = (0..64 * 48 * 3_u32).map(|at| (at * 7919 % 4001) as u16).collect();
    Made::new(64, 3, &values).write(folder.path().join("a.tif"));
    Made::new(40, 3, &values[..40 * 40 * 3]).epsg(3857).write(folder.path().join("b.tif"));
    folder
}

/// Makes an archive of these rows, as if they had been read by the options.
fn archive(folder: &Path, keys: &[&str], options: &SceneOptions) -> MemoryArchive {
    let tiles: Vec<TileKey> = keys.iter().map(|key| key.parse().unwrap()).collect();
    let opened = |tile: &TileKey| Scene::open(folder.join(&tile.scene), options).unwrap();
    let names: Vec<&str> = tiles.iter().map(|tile| tile.scene.as_str()).collect();
    let bands = |tile: &TileKey| {
        let bands: Vec<String> =
            opened(tile).bands_in_use().iter().map(|band| (band + 1).to_string()).collect();
        bands.join(",")
    };
    let bands: Vec<String> = tiles.iter().map(bands).collect();
    let stretches: Vec<String> = tiles.iter().map(|tile| opened(tile).stretch().unwrap()).collect();
    let systems: Vec<String> = tiles.iter().map(|tile| opened(tile).crs().name().to_owned()).collect();
    let columns = Columns::new(keys.len()).with("scene", names).unwrap();
    let no_data = |tile: &TileKey| opened(tile).no_data().map(|value| value.to_string());
    let no_data: Vec<Option<String>> = tiles.iter().map(no_data).collect();
    let columns = columns.with("nodata", no_data).unwrap();
    let columns = columns.with("bands", bands).unwrap().with("stretch", stretches).unwrap();
    let columns = columns.with("crs", systems).unwrap();
    let rows = Embeddings::normalize(1, vec![1.0; keys.len()]).unwrap();
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    MemoryArchive::new(EncoderSpec::unknown(1), keys, rows).unwrap().with_columns(columns).unwrap()
}

const KEYS: [&str; 3] = ["a.tif#xywh=0,0,16,16", "a.tif#xywh=16,8,16,16", "b.tif#xywh=0,0,16,16"];

#[test]
fn tiles_are_read_by_the_bands_and_the_stretch_that_the_columns_tell() {
    let folder = scenes();
    let options = SceneOptions::default().bands([2, 1, 0]);
    let archive = archive(folder.path(), &KEYS, &options);
    let mut scenes = ArchivedScenes::new(&archive, vec![folder.path().join("none"), folder.path().into()]);
    assert_eq!(scenes.names(), ["a.tif", "b.tif"]);
    assert_eq!(scenes.tiles_of("a.tif"), [(0, Window::new(0, 0, 16, 16)), (1, Window::new(16, 8, 16, 16))]);
    let as_made = Scene::open(folder.path().join("a.tif"), &options).unwrap();
    let otherwise = Scene::open(folder.path().join("a.tif"), &SceneOptions::default()).unwrap();
    for key in [KEYS[0], KEYS[1], "a.tif#xywh=3,5,20,7"] {
        let tile: TileKey = key.parse().unwrap();
        let image = scenes.read(&tile).unwrap();
        assert_eq!(image, as_made.read(tile.window).unwrap().image, "{key}");
        assert_ne!(image, otherwise.read(tile.window).unwrap().image, "{key}");
    }
    // The options have the range that was used, not the percentiles, which would differ if the file had changed.
    let options = options_of_row(&archive, 0);
    assert_eq!(options.bands.as_deref(), Some(&[2, 1, 0][..]));
    assert_eq!(options.stretch, Some(parse_stretch(&as_made.stretch().unwrap()).unwrap()));
}

#[test]
fn what_is_no_measurement_is_0_in_pictures_as_it_was_for_the_archive() {
    let folder = scenes();
    let tile: TileKey = KEYS[0].parse().unwrap();
    let plain = Scene::open(folder.path().join("a.tif"), &SceneOptions::default()).unwrap();
    assert!(plain.read(tile.window).unwrap().valid == 1.0);
    // The first samples of the scene.
    let values = rscir_images::tiff::Tiff::open(folder.path().join("a.tif")).unwrap();
    let one = values.image().read_window(Window::new(0, 0, 1, 1), &[0]).unwrap();
    assert_eq!(one, rscir_images::tiff::Samples::U16(vec![0]));
    for given in [0.0, f64::NAN] {
        let options = SceneOptions::default().bands([0]).no_data(given);
        let archive = archive(folder.path(), &KEYS[..1], &options);
        let kept = options_of_row(&archive, 0).no_data.unwrap();
        assert_eq!(kept.to_bits(), given.to_bits());
        let mut scenes = ArchivedScenes::new(&archive, vec![folder.path().into()]);
        let made = Scene::open(folder.path().join("a.tif"), &options).unwrap();
        assert_eq!(scenes.read(&tile).unwrap(), made.read(tile.window).unwrap().image);
        assert_eq!(scenes.scene("a.tif").unwrap().read(tile.window).unwrap().valid < 1.0, given == 0.0);
    }
}

#[test]
fn a_place_is_found_in_the_first_scene_that_shows_it() {
    let folder = scenes();
    let archive = archive(folder.path(), &KEYS, &SceneOptions::default());
    let mut scenes = ArchivedScenes::new(&archive, vec![folder.path().into()]);
    for name in ["a.tif", "b.tif"] {
        let scene = scenes.scene(name).unwrap();
        let place = scene.footprint(Window::new(8, 8, 16, 16)).unwrap().center();
        let found = scenes.at(place, TileSize::Pixels(16)).unwrap();
        assert_eq!(found.tile, TileKey { scene: name.into(), window: Window::new(8, 8, 16, 16) });
        assert_eq!((found.others, found.not_opened), (0, 0));
    }
    let error = scenes.at([10.0, 80.0], TileSize::Pixels(16)).unwrap_err();
    assert!(matches!(error, Error::NowhereShown { .. }), "{error}");
    // A missing scene is counted if another scene shows the place, and named by the error if none does.
    let place = scenes.scene("b.tif").unwrap().footprint(Window::new(8, 8, 16, 16)).unwrap().center();
    std::fs::remove_file(folder.path().join("a.tif")).unwrap();
    let mut scenes = ArchivedScenes::new(&archive, vec![folder.path().into()]);
    assert_eq!(scenes.at(place, TileSize::Pixels(16)).unwrap().not_opened, 1);
    let error = scenes.at([10.0, 80.0], TileSize::Pixels(16)).unwrap_err().to_string();
    assert!(error.contains("\"a.tif\""), "{error}");
}

#[test]
fn a_side_that_suits_no_pixels_of_a_scene_is_asked_of_the_others() {
    let folder = scenes();
    // Two scenes have pixels of a kilometer: one lies around all of the fine scene, the other beside it.
    let values: Vec<u8> = (0..64 * 64 * 3_u32).map(|at| (at * 31 % 251) as u8).collect();
    let fine = Scene::open(folder.path().join("a.tif"), &SceneOptions::default()).unwrap();
    let [x, y] = fine.transform().apply(32.0, 24.0);
    let coarse = |at: [f64; 2]| Made::new(64, 3, &values).placed([1000.0, 1000.0], at);
    coarse([x - 32_000.0, y + 32_000.0]).write(folder.path().join("around.tif"));
    coarse([x + 10_000.0, y + 32_000.0]).write(folder.path().join("beside.tif"));
    let keys = ["beside.tif#xywh=0,0,16,16", "around.tif#xywh=0,0,16,16", KEYS[0]];
    let archive = archive(folder.path(), &keys, &SceneOptions::default());
    let mut scenes = ArchivedScenes::new(&archive, vec![folder.path().into()]);
    let place = fine.footprint(Window::new(8, 8, 16, 16)).unwrap().center();
    let found = scenes.at(place, TileSize::Meters(fine.pixel_size() * 16.0)).unwrap();
    assert_eq!(found.tile, TileKey { scene: "a.tif".into(), window: Window::new(8, 8, 16, 16) });
    // If only the coarse scene shows the place, the error is about the side.
    std::fs::remove_file(folder.path().join("a.tif")).unwrap();
    let mut scenes = ArchivedScenes::new(&archive, vec![folder.path().into()]);
    let error = scenes.at(place, TileSize::Meters(100.0)).unwrap_err();
    assert!(matches!(error, Error::TileSize { .. }), "{error}");
}

#[test]
fn a_scene_that_is_not_there_or_leads_out_of_the_folder_is_named() {
    let folder = scenes();
    let archive = archive(folder.path(), &KEYS, &SceneOptions::default());
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let outside = folder.path().join("a.tif");
    for scene in ["a.tif", "../a.tif", outside.to_str().unwrap()] {
        let error = ArchivedScenes::new(&archive, vec![inner.clone()]).scene(scene).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("name the folder"), "{error}");
    }
    let error = ArchivedScenes::new(&archive, Vec::new()).scene("a.tif").unwrap_err().to_string();
    assert!(error.contains("does not know its folder"), "{error}");
    assert_eq!(archive.len(), 3);
}
