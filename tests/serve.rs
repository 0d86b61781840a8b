//! Runs the program `serve` on the demo and on an archive of scenes, and asks it over HTTP.
#![cfg(all(feature = "web", feature = "geo"))]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use common::{Run, example, finish, repository, run};
use rscir::core::Silent;
use rscir::geo::{Area, SceneList, SceneTiles, TileOptions, TileSize, Tiling};
use rscir::prelude::*;
use serde_json::{Value, json};

/// A running server, which is ended when it is dropped.
struct Serving {
    child: Child,
    /// Host and port of the server.
    at: String,
}

impl Serving {
    fn new(arguments: &[&str]) -> Self {
        let mut command = example("serve");
        command.args(["--addr", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the example starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let at = line.trim().strip_prefix("http://").and_then(|url| url.strip_suffix('/'));
        let at = at.unwrap_or_else(|| panic!("no address: {line:?}")).into();
        Self { child, at }
    }

    /// Status, type and body of an answer.
    fn send(&self, head: &str, body: &str) -> (String, String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.at).unwrap();
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.at
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let media_type =
            head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        (head[9..12].into(), media_type.into(), answer[end + 4..].to_vec())
    }

    fn get(&self, path: &str) -> (String, String, Vec<u8>) {
        self.send(&format!("GET {path}"), "")
    }

    fn search(&self, query: &Value) -> Value {
        let (status, _, body) = self.send("POST /api/search", &query.to_string());
        assert_eq!(status, "200", "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keys(answer: &Value) -> Vec<&str> {
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["key"].as_str().unwrap()).collect()
}

#[test]
fn the_demo_is_served_and_ranks_as_the_library_for_every_lambda() {
    let serving = Serving::new(&[]);
    let (status, media_type, _) = serving.get("/");
    assert_eq!((status.as_str(), media_type.as_str()), ("200", "text/html; charset=utf-8"));
    let archive = DiskArchive::open(repository("target/demo.rscir")).unwrap();
    let clip = ClipEncoder::from_folder(repository("data/demo/model")).name("demo").build().unwrap();
    let key = "images/runway/runway04.jpg";
    let query = ComposedQuery::builder(&clip);
    let query = query.tile(&archive, key).unwrap().text("sand").unwrap().build().unwrap();
    for lambda in [0.0, 0.5, 1.0] {
        let options = SearchOptions::top(50).exclude_query(true);
        let hits = search_with(&archive, &WeiCom::new(lambda).unwrap(), &query, &options).unwrap();
        let answer =
            serving.search(&json!({ "parts": [{ "key": key }, { "text": "sand" }], "lambda": lambda }));
        assert_eq!(keys(&answer), hits.iter().map(|hit| hit.key.as_str()).collect::<Vec<_>>(), "{lambda}");
        let picture = answer["hits"][0]["picture"].as_str().unwrap();
        let (status, media_type, jpeg) = serving.get(picture);
        assert_eq!(
            (status.as_str(), media_type.as_str(), &jpeg[..2]),
            ("200", "image/jpeg", &[0xff, 0xd8][..])
        );
    }
}

#[test]
fn tiles_of_scenes_are_cut_from_them_and_found_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenes.rscir");
    let clip = ClipEncoder::from_folder(repository("data/demo/model")).name("demo").build().unwrap();
    let mut list = SceneList::new();
    list.add_path(repository("data/scenes")).unwrap();
    let options = TileOptions::default().tiling(Tiling::default().sizes([TileSize::Pixels(256)]));
    let tiles = SceneTiles::open(list, &options, &Silent, &|| false).unwrap();
    let fail = &mut |failure| panic!("{failure}");
    let done = rscir::ingest_source(&tiles, &clip, &path, &IngestOptions::default(), fail).unwrap();
    let scenes = repository("data/scenes");
    let serving = Serving::new(&["--archive", path.to_str().unwrap(), "--scenes", scenes.to_str().unwrap()]);
    let (_, _, about) = serving.get("/api/archive");
    let about: Value = serde_json::from_slice(&about).unwrap();
    assert_eq!(about["places"]["rows"].as_u64(), Some(done.archive.len() as u64));
    let bounds: Vec<f64> = serde_json::from_value(about["places"]["bounds"].clone()).unwrap();
    let middle = f64::midpoint(bounds[0], bounds[2]);
    let within = [bounds[0], bounds[1], middle, bounds[3]];
    let answer = serving.search(&json!({ "parts": [{ "text": "a lake" }], "within": within, "top": 1000 }));
    let rows = Area::bounds(within[0], within[1], within[2], within[3]).unwrap().rows(&done.archive);
    assert!(rows.count > 0 && rows.count < done.archive.len());
    assert_eq!(answer["hits"].as_array().unwrap().len(), rows.count);
    let hit = &answer["hits"][0];
    assert_eq!(hit["rings"][0].as_array().unwrap().len(), 5);
    let (status, media_type, jpeg) = serving.get(hit["picture"].as_str().unwrap());
    assert_eq!((status.as_str(), media_type.as_str(), &jpeg[..2]), ("200", "image/jpeg", &[0xff, 0xd8][..]));
    // A folder of something else shows nothing, and that is said.
    let empty = tempfile::tempdir().unwrap();
    let options = ["--archive", path.to_str().unwrap(), "--scenes", empty.path().to_str().unwrap()];
    let mut elsewhere = Serving::new(&options);
    assert_eq!(elsewhere.get("/api/tiles/0").0, "404");
    elsewhere.child.kill().unwrap();
    let mut said = String::new();
    elsewhere.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("tiles are shown by their names") && said.contains("--scenes DIR"), "{said}");
    // An area without extent is refused with the library's message.
    let flat = json!({ "parts": [{ "text": "a lake" }], "within": [1, 1, 1, 2] }).to_string();
    let (status, _, body) = serving.send("POST /api/search", &flat);
    assert_eq!(status, "400");
    assert!(String::from_utf8(body).unwrap().contains("the bounds have no extent"));
}

#[test]
fn options_that_make_no_server_are_refused_with_what_to_type() {
    run("serve", &["--addr", "0.0.0.0:0"]).ends_with(1).says("--token TEXT");
    run("serve", &["--token", "short"]).ends_with(1).says("--token: a token has 16 to 256");
    run("serve", &["--basemap", "https://example.org/"]).ends_with(1).says("{z}/{x}/{y}");
    run("serve", &["--images", "."]).ends_with(2);
    run("serve", &["--addr", "here"]).ends_with(2);
    run("serve", &["--archive", "nowhere.rscir"]).ends_with(1).says("extract_features --images DIR");
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    run("serve", &["--addr", &taken]).ends_with(1).says("--addr 127.0.0.1:0 takes any port that is free");
    run("serve", &["--archive", "nowhere.rscir", "--images", "nowhere"])
        .ends_with(1)
        .says("nowhere: this is no folder; --images DIR");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_server_in_order() {
    let mut serving = Serving::new(&[]);
    // The server listens for signals before it answers, so the signal does not come too early.
    assert_eq!(serving.get("/").0, "200");
    let ended: Run = finish(std::process::Command::new("kill").arg(serving.child.id().to_string()));
    ended.ends_with(0);
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    serving.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.ends_with("stopped\n"), "{said}");
}
