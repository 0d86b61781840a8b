//! Tests the ingest of sources: decoded images in memory, and implementations of `ImageSource`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use rscir_core::{
    ColumnSchema, ColumnTable, ColumnType, EmbeddingSink, Embeddings, EncoderSpec, Error as CoreError,
    Fingerprint, ImageEncoder, ImageSource, Omission, PixelBatch, Result, RgbView, RowValues, SinkRow, Value,
    testing,
};
use rscir_images::{
    DecodeLimits, Decoding, Failure, ImageList, IngestOptions, IngestReport, MemoryImages, Preprocessing,
    Preprocessor, RgbImage, Stage, TarShards, decode_file, ingest, ingest_source,
};

/// Encodes an image as the four pixels that it is resized to.
struct Plain(EncoderSpec, Preprocessor);

impl Plain {
    fn new() -> Self {
        Self(EncoderSpec::unknown(12), Preprocessor::new(Preprocessing::openai(2)).unwrap())
    }
}

impl ImageEncoder for Plain {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }

    fn input_size(&self) -> usize {
        2
    }

    fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> Result<()> {
        self.1.prepare(image, out)
    }

    fn encode_pixels(&self, batch: PixelBatch<'_>) -> Result<Embeddings> {
        Embeddings::normalize(12, batch.data().iter().map(|&value| f32::from(value) + 1.0).collect())
    }
}

/// Keeps rows by their keys.
#[derive(Default)]
struct Rows(BTreeMap<String, (Fingerprint, Vec<f32>)>);

impl EmbeddingSink for Rows {
    fn fingerprint(&self, key: &str) -> Option<Fingerprint> {
        self.0.get(key).map(|row| row.0)
    }

    fn commit(&mut self, rows: &[SinkRow<'_>], embeddings: &Embeddings) -> Result<()> {
        for (row, vector) in rows.iter().zip(embeddings.rows()) {
            self.0.insert(row.key.into(), (row.fingerprint, vector.to_vec()));
        }
        Ok(())
    }
}

impl Rows {
    fn vectors(&self) -> Vec<(&str, &[f32])> {
        self.0.iter().map(|(key, row)| (key.as_str(), &row.1[..])).collect()
    }
}

fn run(source: &dyn ImageSource, sink: &mut Rows) -> (IngestReport, Vec<Failure>) {
    let mut failures = Vec::new();
    let options = IngestOptions::default();
    let report = ingest_source(source, &Plain::new(), sink, &options, &mut |failure| failures.push(failure));
    (report.unwrap(), failures)
}

#[test]
fn decoded_images_give_the_rows_of_their_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images");
    let keys = ["a_square.png", "b_square.jpg", "i_tile.tif"];
    let list = ImageList::new(&folder, keys.map(String::from).into());
    let mut of_files = Rows::default();
    ingest(&list, &Plain::new(), &mut of_files, &IngestOptions::default(), &mut |f| panic!("{f}")).unwrap();

    let decoded =
        |key: &str| decode_file(folder.join(key), &Decoding::default(), &DecodeLimits::default()).unwrap();
    let memory: MemoryImages = keys.iter().map(|key| (*key, decoded(key))).collect();
    let mut of_memory = Rows::default();
    let (report, failures) = run(&memory, &mut of_memory);
    assert_eq!((report.encoded, failures), (3, Vec::new()));
    assert_eq!(of_memory.vectors(), of_files.vectors());
}

fn gray(level: u8) -> RgbImage {
    RgbImage { width: 3, height: 2, data: vec![level; 18] }
}

#[test]
fn an_image_in_memory_is_encoded_again_once_its_pixels_differ() {
    let mut sink = Rows::default();
    let images = |middle: RgbImage| MemoryImages::new(vec![("a".into(), gray(1)), ("b".into(), middle)]);
    assert_eq!(run(&images(gray(2)), &mut sink).0.encoded, 2);
    let (report, _) = run(&images(gray(2)), &mut sink);
    assert_eq!((report.encoded, report.unchanged), (0, 2));
    let (report, _) = run(&images(gray(9)), &mut sink);
    assert_eq!((report.encoded, report.unchanged), (1, 1));
    // An image with the same pixels in another shape is another image.
    let turned = RgbImage { width: 2, height: 3, ..gray(9) };
    assert_eq!(run(&images(turned), &mut sink).0.encoded, 1);
}

/// A source of numbers, of which some cannot be read.
struct Numbers;

impl ImageSource for Numbers {
    fn len(&self) -> usize {
        5
    }

    fn key(&self, item: usize) -> Cow<'_, str> {
        format!("number {item}").into()
    }

    fn fingerprint(&self, item: usize) -> Result<Fingerprint> {
        Ok(Fingerprint([item as u8; 16]))
    }

    fn read(&self, item: usize) -> Result<RgbImage> {
        match item {
            1 => Err(CoreError::from_source("reading number 1", std::io::Error::other("the tape tore"))),
            2 => Ok(RgbImage { width: 7, height: 7, data: vec![0; 3] }),
            3 => panic!("a defect"),
            _ => Ok(gray(item as u8)),
        }
    }
}

#[test]
fn an_item_that_cannot_be_read_costs_itself_alone() {
    let mut sink = Rows::default();
    let (report, failures) = run(&Numbers, &mut sink);
    assert_eq!((report.encoded, report.failed), (2, 3));
    assert_eq!(sink.0.keys().collect::<Vec<_>>(), ["number 0", "number 4"]);
    let told: Vec<_> = failures.iter().map(|f| (f.key.as_str(), f.stage)).collect();
    assert_eq!(told, [("number 1", Stage::Read), ("number 2", Stage::Prepare), ("number 3", Stage::Read)]);
    assert_eq!(failures[0].to_string(), "number 1: read: reading number 1: the tape tore");
    assert!(failures[2].reason.contains("a defect"), "{}", failures[2].reason);
}

/// Keeps rows, and the label and the footprint of each, as text.
#[derive(Default)]
struct LabeledRows {
    rows: Rows,
    values: BTreeMap<String, Vec<String>>,
}

impl LabeledRows {
    fn keep(&mut self, key: &str, values: &RowValues<'_>) -> bool {
        let shown = |(_, value): (_, Option<Value<'_>>)| value.map_or("none".into(), |v| v.to_string());
        let values: Vec<String> = values.iter().map(shown).collect();
        self.values.insert(key.into(), values.clone()) != Some(values)
    }
}

impl EmbeddingSink for LabeledRows {
    fn fingerprint(&self, key: &str) -> Option<Fingerprint> {
        self.rows.fingerprint(key)
    }

    fn commit(&mut self, rows: &[SinkRow<'_>], embeddings: &Embeddings) -> Result<()> {
        for row in rows {
            self.keep(row.key, row.values.expect("an ingest hands over values"));
        }
        self.rows.commit(rows, embeddings)
    }

    fn check_columns(&self, columns: &[ColumnSchema]) -> Result<()> {
        match columns.iter().find(|column| column.name == "taken by this sink") {
            Some(column) => Err(CoreError::ColumnValue {
                column: column.name.clone(),
                expected: ColumnType::Bool,
                got: column.column_type,
            }),
            None => Ok(()),
        }
    }

    fn update_values(&mut self, keys: &[&str], values: &[RowValues<'_>]) -> Result<usize> {
        Ok(keys.iter().zip(values).filter(|(key, values)| self.keep(key, values)).count())
    }
}

/// Windows of a scene, each with a label and the corners of its footprint.
struct Windows {
    columns: Vec<ColumnSchema>,
    labels: Vec<&'static str>,
}

impl Windows {
    fn new(labels: &[&'static str]) -> Self {
        let columns = [("label", ColumnType::Text), ("footprint", ColumnType::Floats)];
        let columns = columns.map(|(name, column_type)| ColumnSchema::new(name, column_type));
        Self { columns: columns.into(), labels: labels.into() }
    }
}

impl ImageSource for Windows {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn key(&self, item: usize) -> Cow<'_, str> {
        format!("window {item}").into()
    }

    fn fingerprint(&self, item: usize) -> Result<Fingerprint> {
        Ok(Fingerprint([item as u8; 16]))
    }

    fn read(&self, item: usize) -> Result<RgbImage> {
        match self.labels[item] {
            "cut off" => Err(CoreError::refused(Stage::Decode, "strip 3 ends early")),
            _ => Ok(gray(item as u8)),
        }
    }

    fn columns(&self) -> &[ColumnSchema] {
        &self.columns
    }

    fn values(&self, item: usize, row: &mut RowValues<'_>) -> Result<()> {
        if self.labels[item] == "no place" {
            row.set("place", Value::Text("nowhere"))?;
        }
        if self.labels[item] != "unlabeled" {
            row.set("label", Value::Text(self.labels[item]))?;
        }
        let x = item as f64;
        row.set("footprint", Value::Floats(&[x, 0.0, x + 1.0, 0.0, x + 1.0, 1.0, x, 1.0]))
    }

    fn left_out(&self) -> Vec<Omission> {
        vec![Omission { what: "windows without data".into(), count: 7 }]
    }
}

fn run_labeled(source: &Windows, sink: &mut LabeledRows) -> (IngestReport, Vec<String>) {
    let mut failures = Vec::new();
    let options = IngestOptions::default().batch(2);
    let report = ingest_source(source, &Plain::new(), sink, &options, &mut |f| failures.push(f.to_string()));
    (report.unwrap(), failures)
}

#[test]
fn sources_keep_what_sources_promise() {
    testing::source(&Windows::new(&["sea", "unlabeled"]));
    testing::source(&MemoryImages::new(vec![("a".into(), gray(1)), ("b".into(), gray(2))]));
}

#[test]
fn rows_get_the_values_that_their_source_knows() {
    let mut sink = LabeledRows::default();
    let (report, failures) = run_labeled(&Windows::new(&["sea", "unlabeled", "harbor"]), &mut sink);
    assert_eq!((report.encoded, report.updated, failures), (3, 0, Vec::new()));
    assert_eq!(report.left_out, [Omission { what: "windows without data".into(), count: 7 }]);
    assert_eq!(sink.values["window 0"], ["sea", "[0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]"]);
    assert_eq!(sink.values["window 1"][0], "none");
    assert_eq!(sink.values["window 2"][0], "harbor");
}

#[test]
fn values_that_differ_are_updated_without_encoding_again() {
    let mut sink = LabeledRows::default();
    run_labeled(&Windows::new(&["sea", "lake", "harbor"]), &mut sink);
    let (report, _) = run_labeled(&Windows::new(&["sea", "lagoon", "harbor", "quay"]), &mut sink);
    assert_eq!((report.encoded, report.unchanged, report.updated), (1, 3, 1));
    assert_eq!(sink.values["window 1"][0], "lagoon");
}

#[test]
fn an_item_is_refused_at_the_stage_that_its_source_names() {
    let mut sink = LabeledRows::default();
    let (report, failures) = run_labeled(&Windows::new(&["sea", "cut off", "no place"]), &mut sink);
    assert_eq!((report.encoded, report.failed), (1, 2));
    assert_eq!(failures[0], "window 1: decode: strip 3 ends early");
    assert!(failures[1].starts_with("window 2: columns: there is no column \"place\""), "{}", failures[1]);
    // If the values of an item cannot be read, its row stays as it is.
    run_labeled(&Windows::new(&["sea", "lake", "harbor"]), &mut sink);
    let (report, failures) = run_labeled(&Windows::new(&["sea", "lake", "no place"]), &mut sink);
    assert_eq!((report.unchanged, report.failed, failures.len()), (2, 1, 1));
    assert_eq!(sink.values["window 2"][0], "harbor");
}

#[test]
fn columns_that_a_sink_cannot_take_are_refused_before_any_work() {
    let options = IngestOptions::default();
    let run = |source: &Windows, sink: &mut dyn EmbeddingSink| {
        let error = ingest_source(source, &Plain::new(), sink, &options, &mut |f| panic!("{f}"));
        error.unwrap_err().to_string()
    };
    let mut plain = Rows::default();
    let error = run(&Windows::new(&["sea"]), &mut plain);
    assert_eq!(error, "this sink does not offer a column beside the vectors: use one that does");
    assert!(plain.0.is_empty());

    let mut source = Windows::new(&["sea"]);
    source.columns.push(ColumnSchema::new("taken by this sink", ColumnType::Int));
    let mut sink = LabeledRows::default();
    let error = run(&source, &mut sink);
    assert!(
        error.starts_with("column \"taken by this sink\" takes values of the type bool, not int"),
        "{error}"
    );
    assert!(sink.rows.0.is_empty());
}

/// A table of the photographers of images, by key.
struct Photographers(Vec<(&'static str, &'static str)>, Vec<ColumnSchema>);

impl Photographers {
    fn new(column: &str, rows: &[(&'static str, &'static str)]) -> Self {
        Self(rows.into(), vec![ColumnSchema::new(column, ColumnType::Text)])
    }
}

impl ColumnTable for Photographers {
    fn columns(&self) -> &[ColumnSchema] {
        &self.1
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn key(&self, row: usize) -> &str {
        self.0[row].0
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.0.iter().position(|row| row.0 == key)
    }

    fn values(&self, row: usize, values: &mut RowValues<'_>) -> Result<()> {
        values.set(&self.1[0].name, Value::Text(self.0[row].1))
    }
}

#[test]
fn a_table_gives_values_by_key_and_keys_without_a_counterpart_are_counted() {
    let table = Photographers::new(
        "by",
        &[("window 0", "ann"), ("window 2", "bo"), ("no such window", "cy"), ("nor this", "cy")],
    );
    let mut options = IngestOptions::default();
    options.columns = Some(&table);
    let mut sink = LabeledRows::default();
    let windows = Windows::new(&["sea", "lake", "harbor"]);
    let mut run = |windows: &Windows| {
        ingest_source(windows, &Plain::new(), &mut sink, &options, &mut |f| panic!("{f}")).unwrap()
    };
    let report = run(&windows);
    assert_eq!(report.encoded, 3);
    assert_eq!(
        (report.without_values.count, &report.without_values.first[..]),
        (1, &["window 1".into()][..])
    );
    assert_eq!(report.unused_values.count, 2);
    assert_eq!(report.unused_values.first, ["no such window", "nor this"]);
    // No value has changed, and so no row is written again.
    assert_eq!((run(&windows).updated, run(&windows).unchanged), (0, 3));
    assert_eq!((sink.values["window 0"].len(), &sink.values["window 0"][2][..]), (3, "ann"));
    assert_eq!(sink.values["window 0"][0], "sea");
    assert_eq!(sink.values["window 1"].len(), 2, "what is not in the table says nothing of its columns");
    assert_eq!(sink.values["window 2"][2], "bo");
}

#[test]
fn files_get_values_of_a_table_too() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images");
    let keys = ["a_square.png", "b_square.jpg"];
    let list = ImageList::new(&folder, keys.map(String::from).into());
    let table = Photographers::new("by", &[("b_square.jpg", "bo")]);
    let mut options = IngestOptions::default();
    options.columns = Some(&table);
    let mut sink = LabeledRows::default();
    let report = ingest(&list, &Plain::new(), &mut sink, &options, &mut |f| panic!("{f}")).unwrap();
    assert_eq!((report.encoded, report.without_values.count, report.unused_values.count), (2, 1, 0));
    assert_eq!(sink.values["b_square.jpg"], ["bo"]);
    assert!(sink.values["a_square.png"].is_empty());
}

#[test]
fn a_table_with_a_column_of_the_source_is_refused_before_any_work() {
    let table = Photographers::new("label", &[("window 0", "ann")]);
    let mut options = IngestOptions::default();
    options.columns = Some(&table);
    let mut sink = LabeledRows::default();
    let error =
        ingest_source(&Windows::new(&["sea"]), &Plain::new(), &mut sink, &options, &mut |f| panic!("{f}"));
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("column is label, but must be one that the images do not have"), "{error}");
    assert!(sink.rows.0.is_empty());
}

#[test]
fn a_source_that_decodes_in_another_way_than_the_encoder_records_is_refused() {
    let shard = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/shards/000.tar");
    let shards = || TarShards::open([&shard]).unwrap();
    let mut sink = LabeledRows::default();
    let options = IngestOptions::default();
    let turned = shards().decoding(Decoding::default().bands([2, 1, 0]));
    let error =
        ingest_source(&turned, &Plain::new(), &mut sink, &options, &mut |f| panic!("{f}")).unwrap_err();
    assert!(
        error.to_string().starts_with("decoding of the source is \"bands=[2, 1, 0]\", but must be"),
        "{error}"
    );
    let report =
        ingest_source(&shards(), &Plain::new(), &mut sink, &options, &mut |f| panic!("{f}")).unwrap();
    assert_eq!((report.encoded, report.left_out.len()), (2, 1));
    assert_eq!(sink.values["000.tar#tiles/0001.png"].len(), 5);
}
