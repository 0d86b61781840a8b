//! Scenes on a server are read by ranges, of which only those that windows need are fetched.

#![cfg(feature = "remote")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::Made;
use rscir_core::{ImageSource, Silent};
use rscir_geo::{Scene, SceneList, SceneOptions, SceneTiles, TileOptions, TileSize, Tiling, Window};

/// The way in which a server answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Ranges,
    /// The server sends whole files and no ranges.
    Whole,
    /// The server is busy when the first request arrives, and answers the next ones.
    Busy,
}

/// A server of one file, which counts the bytes and the answers that it sends.
struct Server {
    address: String,
    bytes: Arc<AtomicU64>,
    answers: Arc<AtomicU64>,
}

impl Server {
    fn start(file: Vec<u8>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/folder/scene.tif", listener.local_addr().unwrap());
        let (bytes, answers) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let server = Self { address, bytes: bytes.clone(), answers: answers.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (file, bytes, answers) = (file.clone(), bytes.clone(), answers.clone());
                std::thread::spawn(move || serve(stream, &file, manner, &bytes, &answers));
            }
        });
        server
    }

    fn given(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::SeqCst), self.answers.load(Ordering::SeqCst))
    }
}

fn serve(
    stream: TcpStream,
    file: &[u8],
    manner: Manner,
    bytes: &AtomicU64,
    answers: &AtomicU64,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let (mut line, mut range, mut path) = (String::new(), None, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.starts_with("GET ") {
                path = line.split(' ').nth(1)?.to_owned();
            }
            let header = line.trim().to_ascii_lowercase();
            if let Some(asked) = header.strip_prefix("range: bytes=") {
                let (first, last) = asked.split_once('-')?;
                range = Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?));
            }
            if header.is_empty() {
                break;
            }
        }
        let answer = answers.fetch_add(1, Ordering::SeqCst);
        let head = |status: &str, length: usize, more: &str| {
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\netag: \"1\"\r\n{more}\r\n")
        };
        if !path.ends_with("scene.tif") {
            stream.write_all(head("404 Not Found", 0, "").as_bytes()).ok()?;
            continue;
        }
        match (manner, range) {
            (Manner::Busy, _) if answer == 0 => {
                stream.write_all(head("503 Service Unavailable", 0, "").as_bytes()).ok()?;
            }
            (Manner::Whole, _) | (_, None) => {
                stream.write_all(head("200 OK", file.len(), "").as_bytes()).ok()?;
                stream.write_all(file).ok()?;
            }
            (_, Some((first, last))) => {
                let last = last.min(file.len() - 1);
                let part = &file[first..=last];
                bytes.fetch_add(part.len() as u64, Ordering::SeqCst);
                let place = format!("content-range: bytes {first}-{last}/{}\r\n", file.len());
                stream.write_all(head("206 Partial Content", part.len(), &place).as_bytes()).ok()?;
                stream.write_all(part).ok()?;
            }
        }
    }
}

/// Makes a file of 1,200,000 bytes in rows of 2,000 pixels, after a header of some kilobytes.
fn scene() -> Vec<u8> {
    let values: Vec<u8> = (0..2000 * 600_u32).map(|at| (at * 7919 % 251) as u8).collect();
    Made::new(2000, 1, &values).bytes()
}

#[test]
fn only_the_bytes_are_fetched_that_a_window_needs_and_neighbors_by_one_request() {
    let file = scene();
    let server = Server::start(file.clone(), Manner::Ranges);
    let scene = Scene::open(&server.address, &SceneOptions::default()).unwrap();
    let (opened, answers) = server.given();
    // The first part has the whole directory.
    assert_eq!((opened, answers), (16 << 10, 1));
    let window = Window::new(500, 300, 64, 16);
    let read = scene.read(window).unwrap();
    let (bytes, answers) = server.given();
    // Sixteen rows of 2,000 bytes are 32,000 bytes, which lie in three adjacent parts.
    assert!(bytes - opened <= 3 * (16 << 10), "{} bytes for one window", bytes - opened);
    assert_eq!(answers, 2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scene.tif");
    std::fs::write(&path, &file).unwrap();
    assert_eq!(Scene::open(&path, &SceneOptions::default()).unwrap().read(window).unwrap(), read);
    // Parts that were fetched are not fetched again.
    scene.read(window).unwrap();
    assert_eq!(server.given(), (bytes, answers));
}

#[test]
fn scenes_on_servers_are_tiled_beside_others_and_what_is_not_there_fails_by_name() {
    let server = Server::start(scene(), Manner::Busy);
    let mut list = SceneList::new();
    list.add_path(&server.address).unwrap();
    list.add_path(server.address.replace("scene.tif", "none.tif")).unwrap();
    let options = TileOptions::default().tiling(Tiling::default().sizes([TileSize::Pixels(500)]));
    let tiles = SceneTiles::open(list, &options, &Silent, &|| false).unwrap();
    assert_eq!(tiles.len(), 4 * 2);
    assert_eq!(tiles.key(0), "scene.tif#xywh=0,0,500,500");
    assert_eq!(tiles.read(7).unwrap().width, 500);
    assert_eq!(tiles.failures()[0].key, "none.tif");
    let error = format!("{:?}", tiles.failures()[0].error);
    assert!(error.contains("no such file"), "{error}");
}

#[test]
fn a_server_without_ranges_is_refused_with_what_to_do() {
    let server = Server::start(scene(), Manner::Whole);
    let error = format!("{:?}", Scene::open(&server.address, &SceneOptions::default()).unwrap_err());
    assert!(error.contains("download the file and open the copy"), "{error}");
}
