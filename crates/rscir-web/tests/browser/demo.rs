//! What the browser is shown: the demo with what a real archive has beside its vectors, and a server for it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rscir_core::testing::unit_rows;
use rscir_core::{Archive, Embeddings, EncoderSpec, RgbView};
use rscir_encoders::ClipEncoder;
use rscir_images::{ImageList, IngestOptions};
use rscir_index::{Columns, MemoryArchive, MemorySink};
use rscir_page::Ring;
use rscir_web::{App, FolderPictures, Places, Server};

/// The demo: 630 tiles, with columns and places that are made up.
pub(crate) struct Demo {
    pub(crate) archive: Arc<MemoryArchive>,
    pub(crate) encoder: Arc<ClipEncoder>,
    /// The address to open, ending with a slash.
    pub(crate) url: String,
}

/// The demo, made once for all tests.
pub(crate) fn demo() -> &'static Demo {
    static DEMO: OnceLock<Demo> = OnceLock::new();
    DEMO.get_or_init(|| {
        let folder = data().join("benchmark/images");
        let encoder = Arc::new(ClipEncoder::from_folder(data().join("model")).build().unwrap());
        let images = ImageList::collect(&folder).unwrap();
        let mut sink = MemorySink::new(rscir_core::ImageEncoder::spec(&*encoder).clone());
        let options = IngestOptions::default();
        rscir_images::ingest(&images, &*encoder, &mut sink, &options, &mut |failure| panic!("{failure}"))
            .unwrap();
        let archive = sink.into_archive().unwrap();
        let classes: Vec<String> =
            archive.keys().map(|key| key.split('/').next().unwrap_or_default().to_string()).collect();
        let cloud: Vec<f64> = (0..archive.len()).map(|row| (row % 10) as f64 / 10.0).collect();
        let columns =
            Columns::new(archive.len()).with("class", classes).unwrap().with("cloud", cloud).unwrap();
        let archive = Arc::new(archive.with_columns(columns).unwrap());
        let url = serve(app(&archive, &encoder));
        Demo { archive, encoder, url }
    })
}

impl Demo {
    /// Makes the app of the demo for another server.
    pub(crate) fn app(&self) -> App {
        app(&self.archive, &self.encoder)
    }
}

fn app(archive: &Arc<MemoryArchive>, encoder: &Arc<ClipEncoder>) -> App {
    App::new(Arc::clone(archive) as Arc<dyn Archive>)
        .encoder(Arc::clone(encoder) as Arc<dyn rscir_web::Encoder>)
        .pictures(Arc::new(FolderPictures::new([data().join("benchmark/images")])))
        .places(Arc::new(Checkered))
}

/// Serves an app for as long as the tests run.
pub(crate) fn serve(app: App) -> String {
    let server = Server::bind(app, ([127, 0, 0, 1], 0).into()).unwrap();
    let url = server.url();
    std::thread::spawn(move || server.run());
    url
}

/// An archive of some keys that cannot be encoded for.
pub(crate) fn named(keys: &[&str]) -> MemoryArchive {
    let rows: Vec<f32> = (0..keys.len()).flat_map(|row| [1.0, row as f32]).collect();
    let keys = keys.iter().map(|&key| key.into()).collect();
    MemoryArchive::new(EncoderSpec::unknown(2), keys, Embeddings::normalize(2, rows).unwrap()).unwrap()
}

/// Makes an archive of many rows.
pub(crate) fn large(rows: usize, width: usize) -> MemoryArchive {
    let keys = (0..rows).map(|row| format!("{row}.png")).collect();
    MemoryArchive::new(EncoderSpec::unknown(width), keys, unit_rows(rows, width, 1)).unwrap()
}

/// Encodes a text by how often each of its letters stands in it, which tells texts apart.
pub(crate) struct Letters(pub(crate) EncoderSpec);

impl rscir_web::Encoder for Letters {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }

    fn image(&self, _: RgbView<'_>) -> rscir_core::Result<Embeddings> {
        Embeddings::normalize(self.0.dim, vec![1.0; self.0.dim])
    }

    fn texts(&self, texts: &[&str]) -> rscir_core::Result<Embeddings> {
        let width = self.0.dim;
        let counts = |text: &&str| {
            let bytes = text.as_bytes().to_vec();
            (0..width)
                .map(move |at| bytes.iter().filter(|&&byte| usize::from(byte) % width == at).count() as f32)
        };
        Embeddings::normalize(width, texts.iter().flat_map(counts).collect())
    }
}

/// The folder of the demo.
pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/demo")
}

/// Places in a field of 30 by 21 squares, row by row.
struct Checkered;

/// Returns the lower left corner of a row's square, and the upper right one.
pub(crate) fn corners(row: usize) -> [[f64; 2]; 2] {
    let [x, y] = [5.0 + (row % 30) as f64 * 0.01, 52.0 + (row / 30) as f64 * 0.01];
    [[x, y], [x + 0.01, y + 0.01]]
}

impl Places for Checkered {
    fn rings(&self, _: &dyn Archive, row: usize) -> Vec<Ring> {
        let [[x, y], [right, top]] = corners(row);
        vec![vec![[x, y], [right, y], [right, top], [x, top], [x, y]]]
    }

    fn within(
        &self,
        archive: &dyn Archive,
        [west, south, east, north]: [f64; 4],
    ) -> Result<Vec<bool>, String> {
        let is_within = |row| {
            let [[x, y], [right, top]] = corners(row);
            x <= east && right >= west && y <= north && top >= south
        };
        Ok((0..archive.len()).map(is_within).collect())
    }
}
