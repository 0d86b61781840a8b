//! An ingest of what is no list of files: decoded images in memory, and a source of one's own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use rscir_core::{
    EmbeddingSink, Embeddings, EncoderSpec, Error as CoreError, Fingerprint, ImageEncoder, ImageSource,
    PixelBatch, Result, RgbView, SinkRow,
};
use rscir_images::{
    DecodeLimits, Decoding, Failure, ImageList, IngestOptions, IngestReport, MemoryImages, Preprocessing,
    Preprocessor, RgbImage, Stage, decode_file, ingest, ingest_source,
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
    // As many pixels in another shape are another image.
    let turned = RgbImage { width: 2, height: 3, ..gray(9) };
    assert_eq!(run(&images(turned), &mut sink).0.encoded, 1);
}

/// Numbers, of which some cannot be read.
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
