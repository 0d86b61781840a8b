//! Tiles of scenes go into an archive on disk, which goes on where it was cut off.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::Made;
use rscir_core::{
    Archive, BandBatch, BandValues, BandsView, Channels, Embeddings, EncoderSpec, ImageEncoder, PixelBatch,
    Precision, Result, RgbView, Silent, Stretch, Value,
};
use rscir_geo::{
    ArchivedScenes, Area, Place, SceneList, SceneOptions, SceneTiles, TileKey, TileOptions, TileSize, Tiling,
    to_csv, to_geojson,
};
use rscir_images::{Failure, IngestOptions, IngestReport};
use rscir_index::{ArchiveWriter, Columns, DiskArchive, MemoryArchive, RowOrder};

/// An encoder of the mean colors of an image's quarters, which stops an ingest after some batches.
struct Means<'a> {
    spec: EncoderSpec,
    batches: AtomicUsize,
    stop: &'a AtomicBool,
}

impl<'a> Means<'a> {
    fn new(batches: usize, stop: &'a AtomicBool) -> Self {
        let mut spec = EncoderSpec::unknown(12);
        spec.model = Some("means".to_owned());
        Self { spec, batches: AtomicUsize::new(batches), stop }
    }
}

impl ImageEncoder for Means<'_> {
    fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    fn input_size(&self) -> usize {
        2
    }

    fn prepare(&self, image: RgbView<'_>, pixels: &mut [u8]) -> Result<()> {
        let (width, height) = (image.width(), image.height());
        for (at, value) in pixels.iter_mut().enumerate() {
            let (quarter, channel) = (at / 3, at % 3);
            let (x, y) = (quarter % 2 * (width / 2), quarter / 2 * (height / 2));
            *value = image.data()[(y * width + x) * 3 + channel] | 1;
        }
        Ok(())
    }

    fn encode_pixels(&self, pixels: PixelBatch<'_>) -> Result<Embeddings> {
        if self.batches.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.stop.store(true, Ordering::Relaxed);
        }
        Embeddings::normalize(12, pixels.data().iter().map(|value| f32::from(*value)).collect())
    }
}

fn scenes() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<u16> = (0..64 * 48 * 3_u32).map(|at| (at * 7919 % 4001) as u16).collect();
    Made::new(64, 3, &values).no_data("0").write(folder.path().join("a.tif"));
    Made::new(40, 3, &values[..40 * 40 * 3]).epsg(3857).write(folder.path().join("b.tif"));
    folder
}

fn tiles(folder: &Path) -> SceneTiles {
    let mut list = SceneList::new();
    list.add_path(folder).unwrap();
    let tiling = Tiling::default().sizes([TileSize::Pixels(16)]).overlap(0.25);
    SceneTiles::open(list, &TileOptions::default().tiling(tiling), &Silent, &|| false).unwrap()
}

/// Ingests scenes in batches of three, stops after some batches, and returns how many tiles were encoded.
fn ingest(folder: &Path, archive: &Path, batches: usize) -> usize {
    let stop = AtomicBool::new(false);
    let encoder = Means::new(batches, &stop);
    let mut writer = ArchiveWriter::open_or_create(archive, encoder.spec.clone(), Precision::F32).unwrap();
    let options = IngestOptions::default().batch(3).stop(&stop);
    let tiles = tiles(folder);
    let report = rscir_images::ingest_source(&tiles, &encoder, &mut writer, &options, &mut |failure| {
        panic!("{failure}")
    });
    writer.set_order(RowOrder::Key).unwrap();
    report.unwrap().encoded
}

/// Ingests tiles of a side, and returns the report and the failures.
fn report(
    folder: &Path,
    archive: &Path,
    side: usize,
    prune: bool,
    encoder: &dyn ImageEncoder,
) -> (IngestReport, Vec<Failure>) {
    let mut list = SceneList::new();
    list.add_path(folder).unwrap();
    let tiling = Tiling::default().sizes([TileSize::Pixels(side)]);
    let tiles = SceneTiles::open(list, &TileOptions::default().tiling(tiling), &Silent, &|| false).unwrap();
    let mut writer = ArchiveWriter::open_or_create(archive, encoder.spec().clone(), Precision::F32).unwrap();
    let mut failures = Vec::new();
    let options = IngestOptions::default().batch(2).threads(1).prune(prune);
    let report = rscir_images::ingest_source(&tiles, encoder, &mut writer, &options, &mut |failure| {
        failures.push(failure);
    });
    (report.unwrap(), failures)
}

fn keys(archive: &Path) -> Vec<String> {
    let archive = DiskArchive::open(archive).unwrap();
    let mut keys: Vec<String> = (0..archive.len()).map(|row| archive.key(row).to_owned()).collect();
    keys.sort();
    keys
}

/// Returns the contents of a compacted archive's segments. Their names are random and are left out.
fn content(archive: &Path) -> BTreeSet<Vec<u8>> {
    ArchiveWriter::open(archive).unwrap().compact().unwrap();
    let segments = archive.join("segments").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let segments = segments.filter(|path| path.extension().is_some_and(|e| e == "safetensors"));
    segments.map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn an_ingest_that_was_cut_off_equals_one_that_was_not_to_the_byte() {
    let (folder, scenes) = (tempfile::tempdir().unwrap(), scenes());
    let (whole, cut) = (folder.path().join("whole.rscir"), folder.path().join("cut.rscir"));
    let all = ingest(scenes.path(), &whole, usize::MAX);
    assert_eq!(all, rscir_core::ImageSource::len(&tiles(scenes.path())));
    let first = ingest(scenes.path(), &cut, 2);
    assert!(first > 0 && first < all, "{first} of {all}");
    assert_eq!(ingest(scenes.path(), &cut, usize::MAX), all - first);
    assert_eq!(ingest(scenes.path(), &cut, usize::MAX), 0);
    let (whole, cut) = (content(&whole), content(&cut));
    assert!(!whole.is_empty() && whole == cut);
}

#[test]
fn a_scene_that_changed_is_encoded_again_and_the_others_are_not() {
    let (folder, scenes) = (tempfile::tempdir().unwrap(), scenes());
    let archive = folder.path().join("a.rscir");
    let all = ingest(scenes.path(), &archive, usize::MAX);
    Made::new(40, 3, &[9_u8; 40 * 40 * 3]).epsg(3857).write(scenes.path().join("b.tif"));
    let again = ingest(scenes.path(), &archive, usize::MAX);
    assert!(again > 0 && again < all, "{again} of {all}");
    let archive = DiskArchive::open(&archive).unwrap();
    let row = archive.find("b.tif#xywh=0,0,16,16").unwrap();
    assert_eq!(archive.value("stretch", row), Some(Value::Text("none")));
}

#[test]
fn rows_of_a_scene_that_became_smaller_go_and_those_of_others_stay() {
    let (folder, scenes) = (tempfile::tempdir().unwrap(), scenes());
    let archive = folder.path().join("a.rscir");
    let (stop, scene) = (AtomicBool::new(false), scenes.path().join("a.tif"));
    let encoder = Means::new(usize::MAX, &stop);
    let (first, _) = report(scenes.path(), &archive, 16, false, &encoder);
    assert_eq!((first.encoded, first.outdated, first.beside), (4 * 3 + 3 * 3, 0, 0));
    Made::new(32, 3, &[9_u16; 32 * 16 * 3]).write(&scene);
    let (second, _) = report(scenes.path(), &archive, 16, false, &encoder);
    assert_eq!((second.encoded, second.outdated, second.beside), (2, 10, 0));
    let rows = keys(&archive);
    assert_eq!(rows.len(), 2 + 9);
    assert_eq!(rows[..2], ["a.tif#xywh=0,0,16,16", "a.tif#xywh=16,0,16,16"]);
    // If no pixel of a scene is valid any more, all of its rows are taken out, and rows of other scenes stay.
    Made::new(32, 3, &[0_u16; 32 * 16 * 3]).no_data("0").write(&scene);
    let (third, _) = report(scenes.path(), &archive, 16, false, &encoder);
    assert_eq!((third.encoded, third.outdated), (0, 2));
    assert!(keys(&archive).iter().all(|key| key.starts_with("b.tif")));
    // A scene that cannot be opened keeps its rows: it may be back tomorrow.
    std::fs::write(scenes.path().join("b.tif"), "II*").unwrap();
    Made::new(32, 3, &[9_u16; 32 * 16 * 3]).write(&scene);
    let (fourth, _) = report(scenes.path(), &archive, 16, false, &encoder);
    assert_eq!((fourth.encoded, fourth.outdated, keys(&archive).len()), (2, 0, 11));
}

#[test]
fn tiles_of_another_size_are_kept_and_counted_and_taken_out_when_asked() {
    let (folder, scenes) = (tempfile::tempdir().unwrap(), scenes());
    let archive = folder.path().join("a.rscir");
    let stop = AtomicBool::new(false);
    let encoder = Means::new(usize::MAX, &stop);
    let (small, _) = report(scenes.path(), &archive, 16, false, &encoder);
    let (large, _) = report(scenes.path(), &archive, 32, false, &encoder);
    assert_eq!((large.beside, large.pruned, large.outdated), (small.encoded, 0, 0));
    assert_eq!(keys(&archive).len(), small.encoded + large.encoded);
    let (again, _) = report(scenes.path(), &archive, 32, true, &encoder);
    assert_eq!((again.encoded, again.beside, again.pruned), (0, small.encoded, small.encoded));
    assert_eq!((keys(&archive).len(), again.not_pruned), (large.encoded, None));
}

/// An encoder that writes a scene again once some batches are encoded.
struct Replacing<'a> {
    means: Means<'a>,
    batches: AtomicUsize,
    scene: std::path::PathBuf,
}

impl ImageEncoder for Replacing<'_> {
    fn spec(&self) -> &EncoderSpec {
        self.means.spec()
    }

    fn input_size(&self) -> usize {
        self.means.input_size()
    }

    fn prepare(&self, image: RgbView<'_>, pixels: &mut [u8]) -> Result<()> {
        if self.batches.fetch_add(1, Ordering::Relaxed) == 5 {
            Made::new(64, 3, &[77_u16; 64 * 64 * 3]).write(&self.scene);
        }
        self.means.prepare(image, pixels)
    }

    fn encode_pixels(&self, pixels: PixelBatch<'_>) -> Result<Embeddings> {
        self.means.encode_pixels(pixels)
    }
}

#[test]
fn a_scene_that_is_replaced_during_an_ingest_has_rows_of_one_version_and_the_rest_is_reported() {
    let (folder, scenes) = (tempfile::tempdir().unwrap(), scenes());
    let (archive, whole) = (folder.path().join("a.rscir"), folder.path().join("whole.rscir"));
    let stop = AtomicBool::new(false);
    let means = || Means::new(usize::MAX, &stop);
    report(scenes.path(), &whole, 16, false, &means());
    let scene = scenes.path().join("a.tif");
    let encoder = Replacing { means: means(), batches: AtomicUsize::new(0), scene };
    let (cut, failures) = report(scenes.path(), &archive, 16, false, &encoder);
    assert_eq!((cut.encoded, cut.failed), (6 + 9, 6));
    assert!(failures.iter().all(|failure| failure.reason.contains("changed")), "{failures:?}");
    // Every row is of the old version.
    let (old, new) = (DiskArchive::open(&whole).unwrap(), DiskArchive::open(&archive).unwrap());
    for row in 0..new.len() {
        let before = old.find(new.key(row)).unwrap();
        assert_eq!(new.vector(row), old.vector(before), "{}", new.key(row));
    }
    drop((old, new));
    // After the next ingest every row of the scene is of the new version.
    let (next, _) = report(scenes.path(), &archive, 16, false, &means());
    assert_eq!((next.encoded, next.failed, next.outdated), (16, 0, 0));
    assert_eq!(keys(&archive).len(), 16 + 9);
}

#[test]
fn another_value_of_no_measurement_encodes_again_and_stands_in_the_rows() {
    let (folder, scenes) = (tempfile::tempdir().unwrap(), scenes());
    let archive = folder.path().join("a.rscir");
    let stop = AtomicBool::new(false);
    let encoder = Means::new(usize::MAX, &stop);
    let ingest = |no_data: Option<f64>| {
        let mut list = SceneList::new();
        list.add_path(scenes.path()).unwrap();
        let mut options = TileOptions::default();
        options.scene.no_data = no_data;
        let tiles = SceneTiles::open(list, &options, &Silent, &|| false).unwrap();
        let mut writer =
            ArchiveWriter::open_or_create(&archive, encoder.spec.clone(), Precision::F32).unwrap();
        let options = IngestOptions::default();
        let report =
            rscir_images::ingest_source(&tiles, &encoder, &mut writer, &options, &mut |f| panic!("{f}"));
        drop(writer);
        let archive = DiskArchive::open(&archive).unwrap();
        let row = archive.find("b.tif#xywh=0,0,40,40").unwrap();
        let value = archive.value("nodata", row).map(|value| value.to_string());
        (report.unwrap().encoded, value)
    };
    assert_eq!(ingest(None), (2, None));
    assert_eq!(ingest(Some(7.0)), (2, Some("7".into())));
    assert_eq!(ingest(Some(7.0)), (0, Some("7".into())));
    assert_eq!(ingest(Some(f64::NAN)), (2, Some("NaN".into())));
}

#[test]
fn keys_of_any_kind_come_back_from_a_table_as_they_are() {
    let keys = ["=1+2", "+a", "-b", "@sum(a)", "a,\"b\"", "line\nbreak\r\n", "\u{1}\t", " '", "\u{202e}a"];
    let rows = Embeddings::normalize(1, vec![1.0; keys.len()]).unwrap();
    let columns = Columns::new(keys.len()).with("note", keys.to_vec()).unwrap();
    let bounds = |value: f64| vec![value; keys.len()];
    let columns = columns.with("west", bounds(-1.5)).unwrap().with("east", bounds(1.0)).unwrap();
    let columns = columns.with("south", bounds(2.0)).unwrap().with("north", bounds(3.0)).unwrap();
    let owned = keys.iter().map(|key| (*key).to_owned()).collect();
    let archive = MemoryArchive::new(EncoderSpec::unknown(1), owned, rows).unwrap();
    let archive = archive.with_columns(columns).unwrap();
    let places: Vec<Place<'_>> = (0..keys.len()).map(|row| Place::of_row(&archive, row).unwrap()).collect();
    let table = to_csv(&places).unwrap();
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let at = |name: &str, header: &csv::StringRecord| header.iter().position(|field| field == name).unwrap();
    let header = reader.headers().unwrap().clone();
    for (record, key) in reader.records().zip(keys) {
        let record = record.unwrap();
        assert_eq!((&record[at("key", &header)], &record[at("note", &header)]), (key, key));
        // Negative numbers are written as they are, though they begin with `-`.
        assert_eq!(&record[at("west", &header)], "-1.5");
    }
}

#[test]
fn rows_are_chosen_by_an_area_and_written_as_places() {
    let (folder, scenes) = (tempfile::tempdir().unwrap(), scenes());
    let path = folder.path().join("a.rscir");
    ingest(scenes.path(), &path, usize::MAX);
    let archive = DiskArchive::open(&path).unwrap();
    let key = "a.tif#xywh=0,0,16,16";
    let place = Place::of_row(&archive, archive.find(key).unwrap()).unwrap().ranked(1, 0.1);
    let place = place.similarities(Some(0.25), None);
    let bounds = place.footprint.bounds();
    let area = Area::bounds(bounds.west, bounds.south, bounds.east, bounds.north).unwrap();
    let rows = area.rows(&archive);
    assert_eq!((rows.chosen.len(), rows.without_place), (archive.len(), 0));
    let chosen: Vec<&str> =
        (0..archive.len()).filter(|row| rows.chosen[*row]).map(|row| archive.key(row)).collect();
    // The area chooses the tile and the three tiles that overlap with it. All other tiles lie elsewhere.
    assert_eq!(chosen.len(), rows.count);
    assert!(chosen.contains(&key) && chosen.iter().all(|key| key.starts_with("a.tif")), "{chosen:?}");
    assert!(chosen.len() >= 4 && chosen.len() < 9, "{chosen:?}");

    let json: serde_json::Value = serde_json::from_str(&to_geojson(std::slice::from_ref(&place))).unwrap();
    let feature = &json["features"][0];
    assert_eq!((&json["type"], &feature["id"]), (&"FeatureCollection".into(), &key.into()));
    let ring = feature["geometry"]["coordinates"][0].as_array().unwrap();
    assert_eq!((&feature["geometry"]["type"], ring.len()), (&"Polygon".into(), 5));
    assert_eq!(ring[0], ring[4]);
    let properties = &feature["properties"];
    assert_eq!((&properties["rank"], &properties["score"]), (&1.into(), &0.1.into()));
    assert_eq!((&properties["image_similarity"], &properties["crs"]), (&0.25.into(), &"EPSG:32633".into()));
    assert!(properties.get("text_similarity").is_none() && properties.get("footprint").is_none());

    let csv = to_csv(&[place]).unwrap();
    let mut lines = csv.lines();
    assert!(
        lines.next().unwrap().starts_with("key,rank,score,image_similarity,text_similarity,bands,crs"),
        "{csv}"
    );
    let line = lines.next().unwrap();
    assert!(line.starts_with("\"a.tif#xywh=0,0,16,16\",1,0.1,0.25,,\"1,2,3\",EPSG:32633"), "{line}");
    assert!(line.contains(",\"POLYGON ((14.999999999999"), "{line}");
}

/// An encoder of the means of five bands as measured.
struct FiveBands(EncoderSpec);

impl ImageEncoder for FiveBands {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }

    fn input_size(&self) -> usize {
        1
    }

    fn channels(&self) -> Channels {
        Channels::Bands { count: 5, values: BandValues::Measured }
    }

    fn prepare(&self, _: RgbView<'_>, _: &mut [u8]) -> Result<()> {
        self.channels().check(Channels::Rgb)
    }

    fn encode_pixels(&self, _: PixelBatch<'_>) -> Result<Embeddings> {
        self.channels().check(Channels::Rgb)?;
        Embeddings::normalize(5, Vec::new())
    }

    fn prepare_bands(&self, image: BandsView<'_>, out: &mut [f32]) -> Result<()> {
        self.channels().check(Channels::Bands { count: image.bands(), values: BandValues::Measured })?;
        for (band, out) in out.iter_mut().enumerate() {
            let values = image.data().iter().skip(band).step_by(image.bands());
            *out = values.sum::<f32>() / (image.width() * image.height()) as f32;
        }
        Ok(())
    }

    fn encode_bands(&self, batch: BandBatch<'_>) -> Result<Embeddings> {
        Embeddings::normalize(5, batch.data().to_vec())
    }
}

#[test]
fn tiles_of_many_bands_are_encoded_as_measured() {
    let folder = tempfile::tempdir().unwrap();
    // The six bands have different values. The first pixel has no measurement, and one band of the second has none.
    let mut values: Vec<u16> = (0..32 * 32).flat_map(|_| [1000_u16, 2000, 3000, 4000, 5000, 6000]).collect();
    values[..6].fill(0);
    values[6 + 1] = 0;
    Made::new(32, 6, &values).no_data("0").write(folder.path().join("a.tif"));
    let tiles = |bands: &[usize]| {
        let mut list = SceneList::new();
        list.add_path(folder.path()).unwrap();
        let tiling = Tiling::default().sizes([TileSize::Pixels(16)]);
        let scene = SceneOptions::default().bands(bands).measured(true);
        let options = TileOptions::default().tiling(tiling).scene(scene);
        SceneTiles::open(list, &options, &Silent, &|| false).unwrap()
    };
    let archive = folder.path().join("a.rscir");
    let encoder = FiveBands(EncoderSpec::unknown(5));
    let mut writer = ArchiveWriter::open_or_create(&archive, encoder.0.clone(), Precision::F32).unwrap();
    let mut failures = Vec::new();
    let mut ingest = |bands: &[usize]| {
        let options = IngestOptions::default();
        let report =
            rscir_images::ingest_source(&tiles(bands), &encoder, &mut writer, &options, &mut |failure| {
                failures.push(failure.to_string());
            });
        report.unwrap()
    };
    let report = ingest(&[1, 2, 3, 4, 5]);
    assert_eq!((report.encoded, report.failed), (4, 0));
    let stored = DiskArchive::open(&archive).unwrap();
    let row = stored.find("a.tif#xywh=0,0,16,16").unwrap();
    let share = |lacking: f32| (256.0 - lacking) / 256.0;
    let means = [
        2000.0 * share(2.0),
        3000.0 * share(1.0),
        4000.0 * share(1.0),
        5000.0 * share(1.0),
        6000.0 * share(1.0),
    ];
    let expected = Embeddings::normalize(5, means.to_vec()).unwrap();
    for (got, expected) in stored.vector(row).iter().zip(expected.row(0)) {
        assert!((got - expected).abs() < 1e-6, "{got} {expected}");
    }
    assert_eq!(stored.value("bands", row), Some(Value::Text("2,3,4,5,6")));
    assert_eq!(stored.value("stretch", row), Some(Value::Text("none")));

    // The archive's scenes are read as bands, and also as pictures in color.
    let mut scenes = ArchivedScenes::new(&stored, vec![folder.path().into()]);
    let tile: TileKey = "a.tif#xywh=0,0,16,16".parse().unwrap();
    let bands = scenes.scene("a.tif").unwrap().read_bands(tile.window, BandValues::Measured).unwrap();
    assert_eq!((bands.image.bands, &bands.image.data[10..15]), (5, &[2000., 3000., 4000., 5000., 6000.][..]));
    assert_eq!(
        (bands.valid, &bands.image.data[..10]),
        (255.0 / 256.0, &[0., 0., 0., 0., 0., 0., 3000., 4000., 5000., 6000.][..])
    );
    assert_eq!(scenes.read(&tile).unwrap().data.len(), 16 * 16 * 3);

    // An image with another number of bands fails with a message.
    let report = ingest(&[1, 2, 3, 4]);
    assert_eq!((report.encoded, report.failed), (0, 4));
    assert!(
        failures[0].contains("images of 5 bands with values as measured, not of 4 bands"),
        "{failures:?}"
    );
    let stretched = SceneOptions::default().stretch(Stretch::MinMax).measured(true).check().unwrap_err();
    assert!(stretched.to_string().contains("left out where values stay as measured"), "{stretched}");
    let two = SceneOptions::default().bands([0, 1]).check().unwrap_err().to_string();
    assert!(two.contains("or more for a model of so many bands"), "{two}");
}
