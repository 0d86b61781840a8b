//! Tests scenes of many kinds, which the tests make: valid pixels, conversion of values to bytes, and messages of
//! refused scenes.

mod common;

use std::path::Path;

use common::Made;
use rscir_core::{ImageSource, RowValues, Silent, Stretch, Value};
use rscir_geo::{
    Crs, Error, Scene, SceneList, SceneNotice, SceneOptions, SceneTiles, TileOptions, TileSize, Tiling,
    Window,
};

fn open(made: Made, options: &SceneOptions) -> Result<Scene, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = made.write(folder.path().join("scene.tif"));
    Scene::open(path, options)
}

fn tiles(folder: &Path, options: &TileOptions) -> SceneTiles {
    let mut list = SceneList::new();
    list.add_path(folder).unwrap();
    SceneTiles::open(list, options, &Silent, &|| false).unwrap()
}

fn side(side: usize) -> TileOptions {
    TileOptions::default().tiling(Tiling::default().sizes([TileSize::Pixels(side)]))
}

fn numbers(count: usize) -> impl Iterator<Item = u32> {
    // A pseudorandom sequence (Lehmer's, modulus 2^31 - 1).
    std::iter::successors(Some(12_345_u64), |x| Some(x * 48_271 % 0x7fff_ffff)).map(|x| x as u32).take(count)
}

#[test]
fn a_scene_tells_what_it_is() {
    let scene = open(
        Made::new(6, 4, &[7_u16; 6 * 5 * 4]).no_data("0").date("2010:06:29 08:15:00"),
        &SceneOptions::default(),
    );
    let scene = scene.unwrap();
    assert_eq!((scene.size(), scene.bands(), scene.bands_in_use()), ([6, 5], 4, vec![0, 1, 2]));
    assert_eq!((scene.sample_type().bits, scene.no_data()), (16, Some(0.0)));
    assert_eq!((scene.crs().epsg(), scene.pixel_size()), (Some(32633), 10.0));
    assert_eq!(scene.date(), Some("2010-06-29T08:15:00"));
    assert_eq!(scene.transform().apply(1.0, 2.0), [500_010.0, 5_299_980.0]);
    assert!(scene.notices().is_empty() && scene.overviews().is_empty());
}

#[test]
fn percentiles_are_values_of_the_valid_pixels_of_the_whole_scene() {
    // The scene is wider and higher than the rectangles in which it is read.
    let (width, height) = (1500, 1100);
    let values: Vec<u16> = numbers(width * height).map(|n| (n % 5000) as u16).collect();
    let mut valid: Vec<u16> = values.iter().copied().filter(|value| *value != 0).collect();
    valid.sort_unstable();
    let rank = |percent: f64| (percent / 100.0 * (valid.len() - 1) as f64).round() as usize;
    let (low, high) = (f64::from(valid[rank(2.0)]), f64::from(valid[rank(98.0)]));
    let scene = open(Made::new(width, 1, &values).no_data("0"), &SceneOptions::default()).unwrap();
    let window = Window::new(1400, 1000, 100, 100);
    let read = scene.read(window).unwrap();
    assert_eq!(scene.stretch().unwrap(), format!("range({:?}, {:?})", [low; 3], [high; 3]));
    for (at, pixel) in read.image.data.chunks_exact(3).enumerate() {
        let value = values[(1000 + at / 100) * width + 1400 + at % 100];
        let line = ((f64::from(value) - low) * 255.0 / (high - low) + 0.5).floor().clamp(0.0, 255.0) as u8;
        assert_eq!(pixel, [if value == 0 { 0 } else { line }; 3]);
    }

    // Percentiles of floats are exact to the last bit, also of negative floats.
    let floats: Vec<f32> = numbers(90_000).map(|n| (n % 1_000_003) as f32 / 1e6 - 0.5).collect();
    let mut sorted = floats.clone();
    sorted.sort_by(f32::total_cmp);
    let rank = |percent: f64| (percent / 100.0 * (sorted.len() - 1) as f64).round() as usize;
    let expected = [sorted[rank(2.0)], sorted[rank(98.0)]].map(f64::from);
    let expected = format!("range({:?}, {:?})", [expected[0]; 3], [expected[1]; 3]);
    let scene = open(Made::new(300, 1, &floats), &SceneOptions::default()).unwrap();
    assert_eq!(scene.stretch().unwrap(), expected);

    // Infinities are valid, become 0 and 255, and do not count for the percentiles.
    let infinities = [f32::INFINITY, f32::NEG_INFINITY].repeat(4500);
    let scene = open(Made::new(300, 1, &[infinities, floats].concat()), &SceneOptions::default()).unwrap();
    let read = scene.read(Window::new(0, 0, 2, 1)).unwrap();
    assert_eq!(scene.stretch().unwrap(), expected);
    assert_eq!((&read.image.data[..], read.valid), (&[255, 255, 255, 0, 0, 0][..], 1.0));
}

#[test]
fn valid_pixels_are_counted_by_alpha_by_no_data_and_by_nan() {
    // The pixels in the left half of the first tile are not valid.
    let is_valid = |at: usize| !(at % 20 < 5 && at / 20 < 10);
    let folder = tempfile::tempdir().unwrap();
    let of = |made: Made, name: &str| made.write(folder.path().join(name));
    let bytes = |alpha: bool| -> Vec<u8> {
        (0..400)
            .flat_map(|at| match (is_valid(at), alpha) {
                (true, true) => vec![9, 9, 9, 255],
                (false, true) => vec![9, 9, 9, 0],
                (true, false) => vec![0, 0, 9],
                (false, false) => vec![0; 3],
            })
            .collect()
    };
    of(Made::new(20, 4, &bytes(true)).with_alpha(), "alpha.tif");
    of(Made::new(20, 3, &bytes(false)).no_data("0"), "no_data.tif");
    let floats: Vec<f32> = (0..400).map(|at| if is_valid(at) { at as f32 } else { f32::NAN }).collect();
    of(Made::new(20, 1, &floats), "nan.tif");
    for (least, kept) in [(0.0, 4), (0.5, 4), (0.51, 3)] {
        let tiles = tiles(folder.path(), &side(10).min_valid(least));
        assert_eq!(tiles.len(), 3 * kept, "{least}");
        let left_out = tiles.left_out();
        assert_eq!(left_out.iter().map(|omission| omission.count).sum::<usize>(), 12 - tiles.len());
        for item in 0..tiles.len() {
            let mut row = RowValues::new(tiles.columns());
            tiles.values(item, &mut row).unwrap();
            let window = tiles.tile(item).1;
            let share = if (window.x, window.y) == (0, 0) { 0.5 } else { 1.0 };
            assert_eq!(row.get("valid"), Some(Value::Float(share)), "{}", tiles.key(item));
            // The first pixel is not valid, and black.
            let pixel = &tiles.read(item).unwrap().data[..3];
            assert!(share == 1.0 || pixel == [0; 3], "{}: {pixel:?}", tiles.key(item));
        }
    }
}

#[test]
fn several_sizes_and_scenes_are_one_source_with_a_column_of_each_kind() {
    let folder = tempfile::tempdir().unwrap();
    Made::new(64, 3, &[5_u8; 64 * 64 * 3]).write(folder.path().join("a.tif"));
    std::fs::create_dir(folder.path().join("more")).unwrap();
    Made::new(32, 1, &[5_u8; 32 * 40]).date("2024:02:29 10:00:00").write(folder.path().join("more/b.tif"));
    let sizes = [16, 32].map(TileSize::Pixels);
    let options = TileOptions::default().tiling(Tiling::default().sizes(sizes));
    let tiles = tiles(folder.path(), &options);
    assert_eq!((tiles.scenes(), tiles.len()), (2, 16 + 4 + 6 + 2));
    assert_eq!(tiles.key(0), "a.tif#xywh=0,0,16,16");
    assert_eq!(tiles.key(tiles.len() - 1), "more/b.tif#xywh=0,8,32,32");
    let mut row = RowValues::new(tiles.columns());
    tiles.values(tiles.len() - 1, &mut row).unwrap();
    assert_eq!(row.get("datetime"), Some(Value::Text("2024-02-29T10:00:00")));
    assert_eq!((row.get("bands"), row.get("stretch")), (Some(Value::Text("1")), Some(Value::Text("none"))));
    assert_eq!(row.get("gsd"), Some(Value::Float(10.0)));
    assert_eq!(tiles.roots(), [folder.path().canonicalize().unwrap()]);
}

#[test]
fn a_fingerprint_changes_with_the_file_the_bands_and_the_stretch_and_with_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    Made::new(16, 3, &[5_u16; 16 * 16 * 3]).write(&path);
    let print = |options: &TileOptions| tiles(folder.path(), options).fingerprint(0).unwrap();
    let options = side(8);
    let scene = SceneOptions::default();
    let first = print(&options);
    assert_eq!(print(&options.clone().min_valid(0.9)), first);
    assert_eq!(print(&side(16)), first);
    assert_eq!(print(&options.clone().scene(scene.clone().date("2024-02-29"))), first);
    assert_ne!(print(&options.clone().scene(scene.clone().bands([2, 1, 0]))), first);
    assert_ne!(print(&options.clone().scene(scene.clone().stretch(Stretch::MinMax))), first);
    assert_ne!(print(&options.clone().scene(scene.no_data(1.0))), first);
    let content = print(&options.clone().changes(rscir_images::ChangeDetection::Content));
    Made::new(16, 3, &[6_u16; 16 * 16 * 3]).write(&path);
    assert_ne!(print(&options.clone().changes(rscir_images::ChangeDetection::Content)), content);
}

#[test]
fn an_image_with_a_world_file_and_a_prj_is_a_scene() {
    let folder = tempfile::tempdir().unwrap();
    let path = Made::new(4, 3, &[5_u8; 4 * 4 * 3]).without_place().write(folder.path().join("a.tif"));
    let options = SceneOptions::default();
    let missing = Scene::open(&path, &options).unwrap_err().to_string();
    assert!(missing.contains("a.tif: nothing tells where the scene lies"), "{missing}");
    std::fs::write(path.with_extension("tfw"), "10\n0\n0\n-10\n500005\n5299995\n").unwrap();
    let error = Scene::open(&path, &options).unwrap_err().to_string();
    assert!(error.contains("no coordinate system"), "{error}");
    let given = Scene::open(&path, &options.clone().crs(Crs::from_epsg(32633).unwrap())).unwrap();
    assert_eq!(given.transform().apply(0.0, 0.0), [500_000.0, 5_300_000.0]);
    std::fs::write(
        path.with_extension("prj"),
        r#"PROJCS["a",GEOGCS["b",DATUM["c",SPHEROID["d",6378137,298.257223563]]],AUTHORITY["EPSG","32634"]]"#,
    )
    .unwrap();
    assert_eq!(Scene::open(&path, &options).unwrap().crs().epsg(), Some(32634));
    // A world file with too few numbers is named by the error.
    std::fs::write(path.with_extension("tfw"), "10 0 0").unwrap();
    let error = Scene::open(&path, &options).unwrap_err().to_string();
    assert!(error.contains("a.tfw") && error.contains("six numbers"), "{error}");
}

#[test]
fn scenes_that_cannot_be_tiled_say_what_to_do() {
    let plain = SceneOptions::default();
    let made = || Made::new(8, 4, &[5_u8; 8 * 8 * 4]);
    for (made, options, words) in [
        (made().without_crs(), plain.clone(), "no coordinate system: give its EPSG code"),
        (made().with_control_points(), plain.clone(), "ground control points alone"),
        (made().epsg(9999), plain.clone(), "EPSG:9999 is not known here: warp the scene"),
        (made(), plain.clone().bands([0, 1, 4]), "band 5 was chosen, but the scene has 4"),
        (Made::new(8, 2, &[5_u8; 8 * 8 * 2]), plain.clone(), "the scene has two bands"),
        (made().placed([10.0, 10.0], [5e8, 5e8]), plain.clone(), "has no place for the coordinates"),
        (made().placed([f64::NAN, 10.0], [0.0, 0.0]), plain.clone(), "does not spread the pixels"),
    ] {
        let error = open(made, &options).unwrap_err().to_string();
        assert!(error.contains("scene.tif") && error.contains(words), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.tif");
    std::fs::write(&empty, "").unwrap();
    let error = format!("{:?}", Scene::open(&empty, &plain).unwrap_err());
    assert!(error.contains("empty.tif"), "{error}");
    assert!(matches!(Scene::open(folder.path().join("none.tif"), &plain), Err(Error::Images(_))));
}

#[test]
fn scenes_without_a_valid_tile_fail_by_name_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    Made::new(8, 1, &[7_i16; 64]).no_data("7").write(folder.path().join("no_data.tif"));
    Made::new(8, 1, &[f32::NAN; 64]).write(folder.path().join("nan.tif"));
    Made::new(8, 1, &[7_u8; 64]).write(folder.path().join("good.tif"));
    let tiles = tiles(folder.path(), &side(8));
    assert_eq!(tiles.len(), 1);
    let failures: Vec<String> = tiles.failures().iter().map(|failure| failure.error.to_string()).collect();
    assert_eq!(tiles.failures()[0].key, "nan.tif");
    assert!(failures[0].contains("no tile has enough valid pixels: at most 0.000"), "{failures:?}");
    assert!(failures[1].contains("(7 stands for no measurement)"), "{failures:?}");
}

#[test]
fn a_damaged_part_of_a_file_spoils_its_tiles_alone() {
    let folder = tempfile::tempdir().unwrap();
    // The file ends ten rows early.
    let mut bytes = Made::new(32, 1, &[7_u8; 32 * 32]).no_data("0").bytes();
    bytes.truncate(bytes.len() - 10 * 32);
    std::fs::write(folder.path().join("cut.tif"), bytes).unwrap();
    let tiles = tiles(folder.path(), &side(16));
    assert_eq!((tiles.len(), tiles.failures().len()), (4, 0));
    let read: Vec<bool> = (0..4).map(|item| tiles.read(item).is_ok()).collect();
    assert_eq!(read, [true, true, false, false]);
    let mut row = RowValues::new(tiles.columns());
    tiles.values(3, &mut row).unwrap();
    assert_eq!(row.get("valid"), None);
}

#[test]
fn a_scene_across_the_antimeridian_has_tiles_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    Made::new(20, 1, &[7_u8; 20 * 10])
        .epsg(4326)
        .placed([0.1, 0.1], [179.0, -16.0])
        .write(folder.path().join("fiji.tif"));
    let tiles = tiles(folder.path(), &side(20));
    let mut row = RowValues::new(tiles.columns());
    tiles.values(0, &mut row).unwrap();
    let number = |name: &str| match row.get(name) {
        Some(Value::Float(number)) => number,
        other => panic!("{other:?}"),
    };
    assert!((number("west") - 179.0).abs() < 1e-9 && (number("east") + 179.0).abs() < 1e-9);
    // A tenth of a degree of longitude at 16.5 degrees south has so many meters.
    assert!((number("gsd") - 10_677.0).abs() < 5.0, "{}", number("gsd"));
}

#[test]
fn the_window_around_a_place_is_shifted_inwards_and_a_place_beyond_the_edge_is_refused() {
    let scene = open(Made::new(100, 1, &[7_u8; 100 * 50]), &SceneOptions::default()).unwrap();
    let at = |column: f64, row: f64| {
        let place = scene.crs().to_wgs84(scene.transform().apply(column, row)).unwrap();
        scene.window_at(place, TileSize::Meters(200.0))
    };
    assert_eq!(at(50.0, 25.0).unwrap(), Window::new(40, 15, 20, 20));
    assert_eq!(at(1.0, 49.0).unwrap(), Window::new(0, 30, 20, 20));
    let error = at(101.0, 25.0).unwrap_err().to_string();
    assert!(error.contains("is not in the scene"), "{error}");
}

#[test]
fn what_a_user_should_know_of_a_scene_is_told() {
    let utm = Crs::from_epsg(32634).unwrap();
    let options = SceneOptions::default().crs(utm).stretch(Stretch::MinMax).no_data(3.0);
    let made = Made::new(4, 4, &[5_u8; 64]).with_alpha().date("today");
    let notices = open(made, &options).unwrap().notices().to_vec();
    let expected = [
        SceneNotice::OwnCrs("EPSG:32633".into()),
        SceneNotice::NoDataUnused,
        SceneNotice::StretchUnused,
        SceneNotice::NoDate("today".into()),
    ];
    assert_eq!(notices, expected);
    let old = open(Made::new(4, 1, &[5_u8; 16]).epsg(26733), &SceneOptions::default()).unwrap();
    assert!(old.notices()[0].to_string().contains("off by meters to tens of meters"), "{:?}", old.notices());
}

#[test]
fn tiles_of_a_world_that_no_four_corners_place_are_counted_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let world = Made::new(36, 1, &[7_u8; 36 * 18]).epsg(4326).placed([10.0, 10.0], [-180.0, 90.0]);
    world.write(folder.path().join("world.tif"));
    let sizes = [9, 36].map(TileSize::Pixels);
    let tiles = tiles(folder.path(), &TileOptions::default().tiling(Tiling::default().sizes(sizes)));
    assert_eq!(tiles.len(), 8);
    let left_out = tiles.left_out();
    assert_eq!((left_out.len(), left_out[0].count), (1, 1));
    assert!(left_out[0].what.contains("as wide as half"), "{left_out:?}");
}

#[test]
fn an_image_that_is_decoded_whole_has_bands_and_valid_pixels_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bmp");
    // The bitmap has two rows of two pixels of 24 bits, the lowest row first, blue first, with eight bytes a row.
    let mut file = b"BM".to_vec();
    for number in [70_u32, 0, 54, 40, 2, 2] {
        file.extend(number.to_le_bytes());
    }
    file.extend([1, 0, 24, 0]);
    file.resize(54, 0);
    file.extend([3, 2, 1, 6, 5, 4, 0, 0]);
    file.extend([9, 9, 9, 12, 11, 10, 0, 0]);
    std::fs::write(&path, file).unwrap();
    std::fs::write(path.with_extension("wld"), "1 0 0 -1 0.5 -0.5").unwrap();
    let options = SceneOptions::default().crs(Crs::from_epsg(4326).unwrap()).bands([2, 1, 0]).no_data(9.0);
    let scene = Scene::open(&path, &options).unwrap();
    assert_eq!((scene.size(), scene.bands_in_use(), scene.no_data()), ([2, 2], vec![2, 1, 0], Some(9.0)));
    let read = scene.read(Window::new(0, 0, 2, 2)).unwrap();
    assert_eq!(read.image.data, [0, 0, 0, 12, 11, 10, 3, 2, 1, 6, 5, 4]);
    assert_eq!(read.valid, 0.75);
    assert!(scene.read(Window::new(1, 0, 2, 1)).is_err());
    let error = Scene::open(&path, &options.bands([3])).unwrap_err().to_string();
    assert!(error.contains("band 4 was chosen, but the scene has 3"), "{error}");
}

#[test]
fn a_property_whose_name_no_column_can_have_is_counted_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    Made::new(16, 1, &[7_u8; 16 * 16]).write(folder.path().join("a.tif"));
    let long = "x".repeat(65);
    let item = format!(
        r#"{{"type":"Feature","id":"a","assets":{{"a":{{"href":"a.tif"}}}},
            "properties":{{"eo:cloud_cover":3,"":1,"line\nbreak":2,"{long}":3,"{}":4}}}}"#,
        &long[1..]
    );
    let path = folder.path().join("item.json");
    std::fs::write(&path, item).unwrap();
    let mut list = SceneList::new();
    list.add_stac(path).unwrap();
    let tiles = SceneTiles::open(list, &TileOptions::default(), &Silent, &|| false).unwrap();
    assert_eq!(tiles.properties_left_out(), 3);
    let names: Vec<&str> = tiles.columns().iter().skip(13).map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["eo:cloud_cover", &long[1..]]);
}

#[test]
fn a_property_that_has_the_name_of_a_scenes_column_is_named_and_the_column_keeps_its_own() {
    let folder = tempfile::tempdir().unwrap();
    Made::new(16, 1, &[7_u8; 16 * 16]).no_data("9").write(folder.path().join("a.tif"));
    let item = r#"{"type":"Feature","id":"a","assets":{"a":{"href":"a.tif"}},
        "properties":{"valid":"maybe","gsd":30,"platform":"x","datetime":"2024-07-01T10:30:00Z"}}"#;
    let path = folder.path().join("item.json");
    std::fs::write(&path, item).unwrap();
    let mut list = SceneList::new();
    list.add_stac(path).unwrap();
    let tiles = SceneTiles::open(list, &TileOptions::default(), &Silent, &|| false).unwrap();
    assert_eq!(tiles.properties_hidden(), ["gsd", "valid"]);
    let mut row = RowValues::new(tiles.columns());
    tiles.values(0, &mut row).unwrap();
    assert_eq!((row.get("valid"), row.get("gsd")), (Some(Value::Float(1.0)), Some(Value::Float(10.0))));
    assert_eq!((row.get("platform"), row.get("nodata")), (Some(Value::Text("x")), Some(Value::Text("9"))));
}

/// Receives the progress of the look at scenes.
#[derive(Default)]
struct Heard(std::sync::Mutex<(String, u64, u64)>);

impl rscir_core::Progress for Heard {
    fn begin(&self, what: &str, total: Option<u64>) {
        *self.0.lock().unwrap() = (what.into(), total.unwrap(), 0);
    }

    fn advance(&self, steps: u64) {
        self.0.lock().unwrap().2 += steps;
    }

    fn end(&self) {}
}

#[test]
fn the_look_at_scenes_is_told_of_by_the_size_of_their_files() {
    let folder = tempfile::tempdir().unwrap();
    // The first file has a little more than 3 MiB, and is read twice, since ranks of 32 bits are found by halves.
    let values: Vec<f32> = numbers(1024 * 800).map(|number| number as f32).collect();
    Made::new(1024, 1, &values).write(folder.path().join("a.tif"));
    Made::new(16, 1, &[7_u8; 16 * 16]).write(folder.path().join("b.tif"));
    std::fs::write(folder.path().join("broken.tif"), "II*").unwrap();
    let mut list = SceneList::new();
    list.add_path(folder.path()).unwrap();
    let heard = Heard::default();
    SceneTiles::open(list, &TileOptions::default(), &heard, &|| false).unwrap();
    let (what, total, done) = heard.0.into_inner().unwrap();
    assert_eq!((what.as_str(), total, done), ("looking at scenes (MiB)", 4 + 1 + 1, 6));
}

#[test]
fn a_map_is_drawn_from_the_smallest_overview_that_is_large_enough() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cog_rgb.tif");
    let scene = Scene::open(path, &SceneOptions::default()).unwrap();
    let [width, height] = scene.size();
    let [small] = scene.overviews()[..] else { panic!("{:?}", scene.overviews()) };
    let read = |side, most| scene.read_whole(side, most).unwrap();
    let overview = read(small[0], 1_000_000).unwrap();
    assert_eq!([overview.width, overview.height], small);
    let full = read(small[0] + 1, 1_000_000).unwrap();
    assert_eq!(full, scene.read(Window::new(0, 0, width, height)).unwrap().image);
    // The overview looks like the scene.
    let mean = |image: &rscir_core::RgbImage| {
        image.data.iter().map(|byte| f64::from(*byte)).sum::<f64>() / image.data.len() as f64
    };
    assert!((mean(&overview) - mean(&full)).abs() < 3.0, "{} {}", mean(&overview), mean(&full));
    assert_eq!(read(small[0] + 1, width * height - 1), None);
    assert_eq!(read(small[0], small[0] * small[1] - 1), None);
}

#[test]
fn a_file_of_an_area_that_is_too_long_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("area.geojson");
    std::fs::File::create(&path).unwrap().set_len((64 << 20) + 1).unwrap();
    let error = rscir_geo::Area::read(&path).unwrap_err().to_string();
    assert!(error.contains("area.geojson") && error.contains("simplify its polygons"), "{error}");
}
