//! Tiles of scenes go into an archive on disk, which goes on where it was cut off.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::Made;
use rscir_core::{
    Archive, Embeddings, EncoderSpec, ImageEncoder, PixelBatch, Precision, Result, RgbView, Silent, Value,
};
use rscir_geo::{Area, Place, SceneList, SceneTiles, TileOptions, TileSize, Tiling, to_csv, to_geojson};
use rscir_images::IngestOptions;
use rscir_index::{ArchiveWriter, DiskArchive, RowOrder};

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

/// Ingests, and tells how many tiles were encoded; stops after some batches of three.
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

/// The contents of a compacted archive's segments, whose names are random.
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
    // It and the three that overlap with it; all other tiles lie elsewhere.
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
