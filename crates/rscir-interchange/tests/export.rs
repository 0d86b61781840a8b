//! Checks that archives are written as GeoParquet and STAC, and read back by this crate and by other programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use parquet::file::reader::{FileReader, SerializedFileReader};
use rscir_core::{Archive, Date, Embeddings, EncoderSpec, Value};
use rscir_geo::{Footprint, WkbGeometry};
use rscir_index::{Column, Columns, DiskArchive, Features, MemoryArchive};
use rscir_interchange::{
    Error, ExportOptions, ImportOptions, ReadOptions, export_geoparquet, export_stac, import_vectors,
    read_features,
};
use serde_json::{Value as Json, json};

const DIM: usize = 5;

/// Makes a tile of a tenth of a degree.
fn tile(west: f64, south: f64) -> Footprint {
    let (east, north) = (west + 0.1, south + 0.1);
    Footprint::new([[west, north], [west, south], [east, south], [east, north]])
}

/// Makes an archive of `count` tiles from the west to the east, with columns of all types. Every seventh row has no
/// place, and the last row is across the antimeridian.
fn archive(count: usize) -> MemoryArchive {
    let mut spec = EncoderSpec::unknown(DIM);
    spec.model = Some("a model".into());
    spec.weights_sha256 = Some("ab".repeat(32));
    spec.architecture = Some("vit(image=224)+text()".into());
    let keys =
        (0..count).map(|row| format!("a b.tif#xywh={},{},64,32", row % 7 * 48, row / 7 * 32)).collect();
    let values = (0..count * DIM).map(|at| ((at * 7919) % 101) as f32 - 50.5).collect();
    let rows = Embeddings::normalize(DIM, values).unwrap();
    // The rows are not in the order of the curve.
    let place = |row: usize| match row {
        _ if row % 7 == 3 => None,
        _ if row + 1 == count => {
            Some(Footprint::new([[179.9, 1.0], [179.9, 0.5], [-179.8, 0.5], [-179.8, 1.0]]))
        }
        _ => Some(tile((row * 37 % count) as f64 * 0.05 - 5.0, 52.0)),
    };
    let every = |keep: usize| move |row: usize| !row.is_multiple_of(keep);
    let columns = Columns::new(count);
    let footprints: Vec<Option<Vec<f64>>> =
        (0..count).map(|row| place(row).map(|footprint| footprint.numbers().to_vec())).collect();
    let columns = columns.with("footprint", footprints).unwrap();
    let text = |row: usize| every(5)(row).then(|| format!("text, {row}\n\"\u{fc}"));
    let columns = columns.with("note", (0..count).map(text).collect::<Vec<_>>()).unwrap();
    let columns = columns
        .with(
            "datetime",
            (0..count).map(|row| format!("2024-07-{:02}T10:00:00Z", row % 28 + 1)).collect::<Vec<_>>(),
        )
        .unwrap();
    let whole = |row: usize| every(4)(row).then_some(row as i64 - (1 << 60));
    let mut columns = columns.with("number", (0..count).map(whole).collect::<Vec<_>>()).unwrap();
    let share = (0..count).map(|row| every(3)(row).then_some(row as f64 / 3.0)).collect();
    columns.insert("valid", Column::Float(share)).unwrap();
    columns.insert("gsd", Column::Float(vec![Some(10.0); count])).unwrap();
    columns
        .insert("flag", Column::Bool((0..count).map(|row| every(3)(row).then_some(row % 2 == 0)).collect()))
        .unwrap();
    columns
        .insert(
            "day",
            Column::Date(
                (0..count).map(|row| every(6)(row).then(|| Date::from_days(row as i32 - 9))).collect(),
            ),
        )
        .unwrap();
    // This name is one of the file's own columns.
    columns.insert("bbox", Column::Text(vec![Some("mine".into()); count])).unwrap();
    MemoryArchive::new(spec, keys, rows).unwrap().with_columns(columns).unwrap()
}

fn read(path: &Path) -> MemoryArchive {
    let read = read_features(path, &ReadOptions::default()).unwrap();
    assert_eq!((read.tally.left_out, read.left_out.len()), (0, 0), "{:?}", read.left_out);
    let Features { spec, keys, columns, embeddings, .. } = read.features;
    MemoryArchive::new(spec, keys, embeddings).unwrap().with_columns(columns).unwrap()
}

/// Panics unless every row of one archive is in the other, with the same vector bit for bit and the same values.
#[track_caller]
fn assert_rows(from: &dyn Archive, to: &dyn Archive, name: impl Fn(&str) -> String) {
    assert_eq!((from.len(), from.spec()), (to.len(), to.spec()));
    for row in 0..from.len() {
        let there = to.find(from.key(row)).unwrap();
        assert_eq!(from.vector(row), to.vector(there), "{}", from.key(row));
        for (column, kind) in from.columns() {
            let other = name(column);
            assert!(to.columns().contains(&(other.as_str(), kind)), "{column}");
            assert_eq!(from.value(column, row), to.value(&other, there), "{column} of {}", from.key(row));
        }
    }
}

fn notes(path: &Path) -> BTreeMap<String, Json> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let notes = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let json = |text: &str| serde_json::from_str(text).unwrap();
    notes
        .iter()
        .filter(|note| note.key != "ARROW:schema")
        .map(|note| (note.key.clone(), json(note.value.as_ref().unwrap())))
        .collect()
}

#[test]
fn an_archive_is_read_back_with_every_vector_value_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiles.parquet");
    let archive = archive(3001);
    let exported = export_geoparquet(&archive, &path, &ExportOptions::default()).unwrap();
    assert_eq!((exported.rows, exported.placed, exported.groups), (3001, 3001 - 429, 1));
    let read = read(&path);
    assert_rows(&archive, &read, |name| if name == "bbox" { "column:bbox".into() } else { name.into() });
    for row in 0..read.len() {
        let from = archive.find(read.key(row)).unwrap();
        assert_eq!(Footprint::of_row(&read, row), Footprint::of_row(&archive, from));
    }
    // The geometry is kept as text.
    let last = read.find(archive.key(3000)).unwrap();
    let Some(Value::Text(geometry)) = read.value("geometry", last) else { panic!() };
    assert!(geometry.starts_with("MULTIPOLYGON"), "{geometry}");
}

#[test]
fn rows_lie_along_the_curve_in_groups_of_the_size_that_is_asked_for_and_the_file_is_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, again) = (folder.path().join("a.parquet"), folder.path().join("b.parquet"));
    let archive = archive(2500);
    let options = ExportOptions::default().group_bytes(300_000);
    let exported = export_geoparquet(&archive, &path, &options).unwrap();
    assert!((2..8).contains(&exported.groups), "{}", exported.groups);
    export_geoparquet(&archive, &again, &options).unwrap();
    assert!(std::fs::read(&path).unwrap() == std::fs::read(&again).unwrap());
    let read = read(&path);
    let wests: Vec<Option<f64>> =
        (0..read.len()).map(|row| Some(Footprint::of_row(&read, row)?.bounds().west)).collect();
    let placed = wests.iter().take_while(|west| west.is_some()).count() as u64;
    // Rows without a place are last.
    assert_eq!(placed, exported.placed);
    // Tiles in one line are in the order of the line, except where the curve turns back.
    let way = |wests: Vec<f64>| wests.windows(2).map(|pair| (pair[0] - pair[1]).abs()).sum::<f64>();
    let of = |archive: &MemoryArchive| {
        let places = (0..archive.len()).filter_map(|row| Footprint::of_row(archive, row));
        way(places.map(|place| place.bounds().west).filter(|west| *west < 179.0).collect())
    };
    assert!(of(&read) < 0.2 * of(&archive), "{} {}", of(&read), of(&archive));
}

#[test]
fn the_metadata_are_those_of_geoparquet_1_1_and_name_the_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiles.parquet");
    let archive = archive(100);
    let options =
        ExportOptions::default().license("CC-BY-4.0").provider("a lab").model("https://example.org/m");
    export_geoparquet(&archive, &path, &options.source("https://example.org/s2")).unwrap();
    let notes = notes(&path);
    let geometry = &notes["geo"]["columns"]["geometry"];
    assert_eq!(
        (&notes["geo"]["version"], &notes["geo"]["primary_column"]),
        (&json!("1.1.0"), &json!("geometry"))
    );
    assert_eq!(
        (&geometry["encoding"], &geometry["geometry_types"]),
        (&json!("WKB"), &json!(["MultiPolygon", "Polygon"]))
    );
    assert_eq!(
        geometry["covering"]["bbox"],
        json!({
            "xmin": ["bbox", "xmin"], "ymin": ["bbox", "ymin"], "xmax": ["bbox", "xmax"], "ymax": ["bbox", "ymax"],
        })
    );
    let bounds: Vec<f64> =
        geometry["bbox"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect();
    assert_eq!((bounds[0], bounds[2]), (-180.0, 180.0));
    let emb = &notes["emb"];
    assert_eq!((&emb["version"], &emb["license"]), (&json!("0.0.1"), &json!("CC-BY-4.0")));
    assert_eq!((&emb["model"]["id"], &emb["model"]["family"]), (&json!("a model"), &json!("vit")));
    assert_eq!(emb["model"]["source"], json!("https://example.org/m"));
    assert_eq!(
        serde_json::from_value::<EncoderSpec>(emb["model"]["config"].clone()).unwrap(),
        *archive.spec()
    );
    assert_eq!(emb["embedding"], json!({ "dim": DIM, "quantization": "none" }));
    assert_eq!(
        (&emb["start_datetime"], &emb["end_datetime"]),
        (&json!("2024-07-01T10:00:00Z"), &json!("2024-07-28T10:00:00Z"))
    );
    assert_eq!(
        (&emb["datasets"], &emb["providers"]),
        (&json!(["https://example.org/s2"]), &json!([{ "name": "a lab" }]))
    );
}

#[test]
fn an_archive_without_places_is_plain_parquet_and_has_no_stac_item() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.parquet");
    let rows = Embeddings::normalize(2, vec![3.0, 4.0, 1.0, 0.0]).unwrap();
    let plain = MemoryArchive::new(EncoderSpec::unknown(2), vec!["a".into(), "b".into()], rows).unwrap();
    let exported = export_geoparquet(&plain, &path, &ExportOptions::default()).unwrap();
    assert_eq!((exported.rows, exported.placed, exported.bounds), (2, 0, None));
    assert_eq!(notes(&path).into_keys().collect::<Vec<_>>(), ["emb"]);
    assert_rows(&plain, &read(&path), |name| name.into());
    let error = export_stac(&plain, &path, &ExportOptions::default()).unwrap_err();
    assert!(matches!(error, Error::NoPlace { .. }), "{error}");
    let rows = Embeddings::empty(2);
    let empty = MemoryArchive::new(EncoderSpec::unknown(2), Vec::new(), rows).unwrap();
    let error = export_geoparquet(&empty, &path, &ExportOptions::default()).unwrap_err();
    assert!(matches!(error, Error::NoRows { .. }), "{error}");
}

#[test]
fn an_export_that_is_stopped_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiles.parquet");
    std::fs::write(&path, "the old one").unwrap();
    let stop = AtomicBool::new(true);
    let error = export_geoparquet(&archive(50), &path, &ExportOptions::default().stop(&stop)).unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "the old one");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn vectors_of_others_come_back_from_an_archive_with_their_geometries() {
    for product in ["major_tom.parquet", "earth_index.parquet", "clay.parquet"] {
        let folder = tempfile::tempdir().unwrap();
        let (imported, exported) = (folder.path().join("a.rscir"), folder.path().join("a.parquet"));
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(product);
        import_vectors(data, &imported, &ImportOptions::default()).unwrap();
        let archive = DiskArchive::open(&imported).unwrap();
        export_geoparquet(&archive, &exported, &ExportOptions::default()).unwrap();
        assert_rows(&archive, &read(&exported), |name| name.into());
    }
}

#[test]
fn a_stac_collection_and_its_item_describe_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my tiles.parquet");
    let archive = archive(100);
    let options = ExportOptions::default().id("tiles").source("https://example.org/s2");
    export_geoparquet(&archive, &path, &options).unwrap();
    let stac = export_stac(&archive, &path, &options).unwrap();
    assert_eq!(stac.lacking, ["emb:model"]);
    assert_eq!(stac.item, folder.path().join("my tiles.item.json"));
    let json = |path: &PathBuf| -> Json { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let (collection, item) = (json(&stac.collection), json(&stac.item));
    assert_eq!((&collection["type"], &collection["stac_version"]), (&json!("Collection"), &json!("1.1.0")));
    assert_eq!((&collection["emb:type"], &collection["emb:dimensions"]), (&json!("chip"), &json!(DIM)));
    assert_eq!(
        (&collection["data_type"], &collection["gsd"], &collection["license"]),
        (&json!("float32"), &json!(10.0), &json!("other"))
    );
    // Sizes are heights before widths.
    assert_eq!(
        collection["emb:chip_layout"],
        json!({ "layout_type": "regular_grid", "chip_size": [32, 64], "stride": [32, 48] })
    );
    let link = |json: &Json, rel: &str| {
        let links = json["links"].as_array().unwrap();
        links.iter().find(|link| link["rel"] == rel).map(|link| link["href"].clone())
    };
    assert_eq!(link(&collection, "item"), Some(json!("./my%20tiles.item.json")));
    assert_eq!(link(&collection, "emb:source-data"), Some(json!("https://example.org/s2")));
    assert_eq!(link(&item, "collection"), Some(json!("./my%20tiles.collection.json")));
    assert_eq!((&item["type"], &item["collection"]), (&json!("Feature"), &json!("tiles")));
    assert_eq!(item["assets"]["embeddings"]["href"], json!("./my%20tiles.parquet"));
    assert_eq!(item["properties"]["datetime"], Json::Null);
    assert_eq!(item["properties"]["start_datetime"], json!("2024-07-01T10:00:00Z"));
    assert_eq!(item["bbox"], collection["extent"]["spatial"]["bbox"][0]);
}

#[test]
fn an_item_needs_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let columns = Columns::new(1).with("footprint", vec![tile(5.0, 52.0).numbers().to_vec()]).unwrap();
    let rows = Embeddings::normalize(1, vec![1.0]).unwrap();
    let one = MemoryArchive::new(EncoderSpec::unknown(1), vec!["a".into()], rows).unwrap();
    let one = one.with_columns(columns).unwrap();
    let error = export_stac(&one, &path, &ExportOptions::default()).unwrap_err();
    assert!(matches!(error, Error::NoDate { .. }), "{error}");
    let options = ExportOptions::default().datetime("2024-02-29");
    let stac = export_stac(&one, &path, &options).unwrap();
    let item: Json = serde_json::from_slice(&std::fs::read(stac.item).unwrap()).unwrap();
    assert_eq!(item["properties"]["datetime"], json!("2024-02-29T00:00:00Z"));
}

/// Compares with other readers. Run it with
/// `RSCIR_PYTHON=... cargo test --release -p rscir-interchange --test export -- --ignored`.
#[test]
#[ignore = "needs RSCIR_PYTHON, a Python with geopandas, pyarrow and duckdb"]
fn geopandas_pyarrow_and_duckdb_read_the_same_geometries_and_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let (path, expected) = (folder.path().join("tiles.parquet"), folder.path().join("expected.json"));
    let archive = archive(1000);
    export_geoparquet(&archive, &path, &ExportOptions::default().group_bytes(100_000)).unwrap();
    let row = |row: usize| {
        let geometry =
            Footprint::of_row(&archive, row).map(|place| WkbGeometry::of_footprint(&place).to_string());
        json!({ "key": archive.key(row), "vector": archive.vector(row), "geometry": geometry })
    };
    let rows: Vec<Json> = (0..archive.len()).map(row).collect();
    std::fs::write(&expected, serde_json::to_string(&rows).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/geoparquet_readers.py");
    let python = std::env::var_os("RSCIR_PYTHON").unwrap();
    let status = std::process::Command::new(python).arg(script).arg(&path).arg(&expected).status().unwrap();
    assert!(status.success());
}
