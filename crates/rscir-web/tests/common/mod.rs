//! A small archive with pictures and places, and how to ask a server of it.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::fs;
use std::io::Cursor;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use rscir_core::testing::unit_rows;
use rscir_core::{
    Archive, Date, Embeddings, EncoderSpec, ImageEncoder, PixelBatch, Result, RgbView, TextEncoder,
};
use rscir_index::{Columns, MemoryArchive};
use rscir_web::{App, FolderPictures, Options, Places, Server, Stopper};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

/// Width of the vectors.
pub const DIM: usize = 16;

/// Rows of the archive.
pub const ROWS: usize = 200;

/// Images and texts by their bytes: alike ones are near each other, and nothing else is promised.
pub struct Bytes(EncoderSpec);

impl Bytes {
    pub fn new() -> Self {
        Self(EncoderSpec::unknown(DIM))
    }

    fn vector(bytes: impl Iterator<Item = u8>) -> [f32; DIM] {
        let mut vector = [0.01; DIM];
        for (i, byte) in bytes.enumerate() {
            vector[i % DIM] += f32::from(byte) * if (i / DIM).is_multiple_of(2) { 1.0 } else { -0.5 };
        }
        vector
    }
}

impl ImageEncoder for Bytes {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }

    fn input_size(&self) -> usize {
        2
    }

    fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> Result<()> {
        out.iter_mut().zip(image.data().iter().cycle()).for_each(|(out, &byte)| *out = byte);
        Ok(())
    }

    fn encode_pixels(&self, batch: PixelBatch<'_>) -> Result<Embeddings> {
        let rows = batch.data().chunks_exact(12).flat_map(|image| Self::vector(image.iter().copied()));
        Embeddings::normalize(DIM, rows.collect())
    }
}

impl TextEncoder for Bytes {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }

    fn encode_texts(&self, texts: &[&str]) -> Result<Embeddings> {
        Embeddings::normalize(DIM, texts.iter().flat_map(|text| Self::vector(text.bytes())).collect())
    }
}

/// A square of a tenth of a degree for each row but every fifth.
pub struct Squares;

/// The lower left corner of a row's square.
pub fn corner(row: usize) -> Option<[f64; 2]> {
    (!row.is_multiple_of(5)).then_some([(row % 20) as f64, (row / 20) as f64])
}

impl Places for Squares {
    fn rings(&self, _: &dyn Archive, row: usize) -> Vec<Vec<[f64; 2]>> {
        let ring = |[x, y]: [f64; 2]| vec![[x, y], [x + 0.1, y], [x + 0.1, y + 0.1], [x, y + 0.1], [x, y]];
        corner(row).map(ring).into_iter().collect()
    }

    fn within(
        &self,
        archive: &dyn Archive,
        [west, south, east, north]: [f64; 4],
    ) -> std::result::Result<Vec<bool>, String> {
        let is_in =
            |row| corner(row).is_some_and(|[x, y]| x >= west && x <= east && y >= south && y <= north);
        Ok((0..archive.len()).map(is_in).collect())
    }
}

/// The key of a row; some are what a page must not take for markup.
pub fn key(row: usize) -> String {
    match row {
        7 => "<img src=x onerror=alert(1)>.png".into(),
        8 => "tabs\tand\u{1b}[31m.png".into(),
        _ => format!("tiles/{row}.png"),
    }
}

pub fn archive() -> MemoryArchive {
    let columns = Columns::new(ROWS)
        .with(
            "cloud",
            (0..ROWS)
                .map(|row| (!row.is_multiple_of(4)).then_some(row as f64 / ROWS as f64))
                .collect::<Vec<_>>(),
        )
        .unwrap()
        .with("label", (0..ROWS).map(|row| ["sea", "harbor", "forest"][row % 3]).collect::<Vec<_>>())
        .unwrap()
        .with("taken", (0..ROWS).map(|row| Date::from_days(row as i32)).collect::<Vec<_>>())
        .unwrap();
    let spec = EncoderSpec::unknown(DIM);
    let keys = (0..ROWS).map(key).collect();
    MemoryArchive::new(spec, keys, unit_rows(ROWS, DIM, 3)).unwrap().with_columns(columns).unwrap()
}

/// A PNG of one color and a size.
pub fn png(width: u32, height: u32, color: [u8; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(Cursor::new(&mut bytes), width, height);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = color.iter().copied().cycle().take((width * height * 3) as usize).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

/// Pictures of some rows; beside the folder lies a file that nobody may see.
pub fn pictures(folder: &Path) -> FolderPictures {
    let images = folder.join("images");
    fs::create_dir_all(images.join("tiles")).unwrap();
    for row in [0, 1, 2, 3] {
        fs::write(images.join(key(row)), png(40, 20, [row as u8, 50, 200])).unwrap();
    }
    fs::write(folder.join("secret.png"), png(8, 8, [1, 2, 3])).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.join("secret.png"), images.join(key(4))).unwrap();
    FolderPictures::new([images])
}

/// The app with everything, and the folder of its pictures.
pub fn app(options: Options) -> (App, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let app = App::new(Arc::new(archive()))
        .encoder(Arc::new(Bytes::new()))
        .pictures(Arc::new(pictures(folder.path())))
        .places(Arc::new(Squares))
        .options(options);
    (app, folder)
}

/// A router that is asked without a socket.
pub struct Asked {
    pub router: Router,
    runtime: tokio::runtime::Runtime,
    _folder: Option<TempDir>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Kind and field of an error.
    pub fn error(&self) -> (String, Option<String>) {
        let json = self.json();
        let text = |value: &Value| value.as_str().map(String::from);
        (text(&json["error"]["kind"]).unwrap(), text(&json["error"]["field"]))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The rows of an answer, in order.
    pub fn rows(&self) -> Vec<usize> {
        let json = self.json();
        let hits = json["hits"].as_array().unwrap_or_else(|| panic!("no hits: {json}"));
        hits.iter().map(|hit| hit["row"].as_u64().unwrap() as usize).collect()
    }
}

impl Asked {
    pub fn new(app: App, folder: Option<TempDir>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { router: app.router().unwrap(), runtime, _folder: folder }
    }

    pub fn with(options: Options) -> Self {
        let (app, folder) = app(options);
        Self::new(app, Some(folder))
    }

    pub fn plain() -> Self {
        Self::with(Options::default())
    }

    pub fn send(&self, request: Request<Body>) -> Answered {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
            Answered { status: parts.status, headers: parts.headers, body }
        })
    }

    pub fn get(&self, path: &str) -> Answered {
        self.send(Request::get(path).header("host", "localhost").body(Body::empty()).unwrap())
    }

    pub fn search(&self, query: Value) -> Answered {
        self.post("application/json", query.to_string().into_bytes())
    }

    pub fn post(&self, content_type: &str, body: Vec<u8>) -> Answered {
        let request =
            Request::post("/api/search").header("host", "localhost").header("content-type", content_type);
        self.send(request.body(Body::from(body)).unwrap())
    }

    /// A form with a query and files.
    pub fn form(&self, query: &Value, files: &[(&str, &[u8])]) -> Answered {
        self.post("multipart/form-data; boundary=XX", form(query, files))
    }
}

pub fn form(query: &Value, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body =
        format!("--XX\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n{query}\r\n").into_bytes();
    for (name, bytes) in files {
        let head = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    body
}

/// A server on a port of its own, until it is dropped.
pub struct Running {
    pub addr: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
    pub folder: TempDir,
}

impl Running {
    pub fn new(options: Options) -> Self {
        let (app, folder) = app(options);
        Self::of(app, folder)
    }

    pub fn of(app: App, folder: TempDir) -> Self {
        let server = Server::bind(app, "127.0.0.1:0".parse().unwrap()).unwrap();
        let (addr, stopper) = (server.addr(), server.stopper());
        let thread = std::thread::spawn(move || server.run().unwrap());
        Self { addr, stopper, thread: Some(thread), folder }
    }

    pub fn stop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
