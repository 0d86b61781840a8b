//! Many clients at once, many requests, many rows.
//!
//! `cargo test --release -p rscir-web --test load -- --ignored --nocapture` prints the figures of docs/serve.md.

#![allow(clippy::print_stdout, reason = "measurements are printed")]

mod common;
#[path = "browser/demo.rs"]
#[allow(dead_code, reason = "the page's tests use the rest")]
mod demo;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Bytes, Running, archive, key, png};
use rscir_core::testing::unit_rows;
use rscir_core::{Archive, ComposedQuery, EncoderSpec, TextEncoder, UnitVector};
use rscir_index::{MemoryArchive, SearchOptions, search_with};
use rscir_web::{App, Options, Server};
use rscir_weicom::WeiCom;
use serde_json::{Value, json};

/// A client with one connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(BufReader::new(stream))
    }

    /// Status and body of an answer, whose length is always told.
    fn send(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        self.0.get_mut().write_all(request).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("{line:?}"));
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            match line.trim_end().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status, body)
    }

    fn search(&mut self, query: &Value) -> (u16, Vec<u8>) {
        self.send(&post(query))
    }
}

fn post(query: &Value) -> Vec<u8> {
    let body = query.to_string();
    format!(
        "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// What people do: a tile and a text, the slider, a filter, a picture.
fn request(client: usize, turn: usize) -> Vec<u8> {
    let parts = json!([{ "key": key(client % 50) }, { "text": format!("text {}", turn % 7) }]);
    match turn % 8 {
        7 => {
            format!("GET /api/tiles/{}?size=64 HTTP/1.1\r\nHost: localhost\r\n\r\n", client % 4).into_bytes()
        }
        6 => post(&json!({ "parts": parts, "where": "cloud < 0.5" })),
        step => post(&json!({ "parts": parts, "lambda": step as f64 / 5.0 })),
    }
}

/// Lets clients ask at once; the times of all requests, sorted, and the time of all of it.
fn load(
    addr: SocketAddr,
    clients: usize,
    requests: usize,
    request: impl Fn(usize, usize) -> Vec<u8> + Sync,
) -> Load {
    let began = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let ask = |client: usize| {
            let mut connection = Client::new(addr);
            let ask = |turn| {
                let began = Instant::now();
                let (status, body) = connection.send(&request(client, turn));
                assert!(status == 200 && !body.is_empty(), "{status}: {}", String::from_utf8_lossy(&body));
                began.elapsed()
            };
            (0..requests).map(ask).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..clients).map(|client| scope.spawn(move || ask(client))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    times.sort();
    Load { times, all: began.elapsed() }
}

/// How long requests took.
struct Load {
    /// Each of them, sorted.
    times: Vec<Duration>,
    /// From the first to the last.
    all: Duration,
}

impl Load {
    fn print(&self, what: &str) {
        let at =
            |share: f64| self.times[((self.times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!(
            "{what}: {} requests of 64 clients, {:.0} a second, median {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
            self.times.len(),
            self.times.len() as f64 / self.all.as_secs_f64(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

/// Words that people ask with.
const WORDS: [&str; 8] = ["beach", "runway", "dense", "a lake", "boats", "at night", "sand", "trees"];

/// Makes the request of a person: a question of one's own, the slider for it, and pictures of what was found.
fn person(client: usize, turn: usize, keys: &[String], has_pictures: bool) -> Vec<u8> {
    let question = client + turn / 8;
    match turn % 8 {
        step @ 6..=7 if has_pictures => {
            let row = (question * 7 + step) % keys.len();
            format!("GET /api/tiles/{row}?size=256 HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
        }
        step => {
            let parts = json!([{ "key": keys[question * 97 % keys.len()] }, { "text": WORDS[question % 8] }]);
            post(&json!({ "parts": parts, "lambda": step as f64 / 7.0 }))
        }
    }
}

/// Answers the same questions with the same slider by the library alone. Returns how many it answered in a second.
fn bare(archive: &dyn Archive, texts: &[UnitVector], keys: &[String], searches: usize) -> f64 {
    let began = Instant::now();
    for turn in 0..searches {
        let (question, step) = (turn / 6, turn % 6);
        let query = ComposedQuery::new(archive.spec().clone());
        let image = archive.unit_vector(&keys[question * 97 % keys.len()]).unwrap();
        let query = query.with_image(image).unwrap().with_text(texts[question % 8].clone()).unwrap();
        let method = WeiCom::new(step as f64 / 7.0).unwrap();
        assert_eq!(search_with(archive, &method, &query, &SearchOptions::top(50)).unwrap().len(), 50);
    }
    searches as f64 / began.elapsed().as_secs_f64()
}

/// Bytes that an allocator may keep to itself: of 16,000 requests, 500 bytes each would be as much.
const SLACK: u64 = 8 << 20;

/// Memory that the process takes, in bytes; none where the system does not tell so.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(1024 * line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?)
}

/// Asks one server with many requests, of as many queries as are a tenth of them, so that lists are let go of and made again all
/// the time; memory when each has been asked twice, and at the end.
fn grown(requests: usize) -> Option<(u64, u64)> {
    let mut options = Options::default();
    // Lists of some hundred queries: the cache is full early.
    options.cache_bytes = 1 << 20;
    let running = Running::new(options);
    let mut client = Client::new(running.addr);
    let mut early = None;
    for request in 0..requests {
        let turn = request % (requests / 10);
        let method = if turn.is_multiple_of(2) { "weicom" } else { "weicom:auto" };
        let parts = json!([{ "key": key(turn % 100) }, { "text": format!("text {turn}") }]);
        let query = json!({ "parts": parts, "method": method });
        assert_eq!(client.search(&query).0, 200);
        if turn.is_multiple_of(10) {
            let image = png(16, 16, [turn as u8, (turn >> 8) as u8, 7]);
            let form = common::form(&json!({ "parts": [{ "image": "a" }] }), &[("a", &image)]);
            let head = format!(
                "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: {}\r\n\r\n",
                form.len()
            );
            assert_eq!(client.send(&[head.as_bytes(), &form].concat()).0, 200);
        }
        if request == requests / 5 {
            early = resident();
        }
    }
    Some((early?, resident()?))
}

#[test]
fn sixty_four_clients_at_once_are_all_answered() {
    let running = Running::new(Options::default());
    assert_eq!(load(running.addr, 64, 8, request).times.len(), 512);
}

#[test]
fn memory_does_not_grow_with_the_number_of_requests() {
    let Some((early, late)) = grown(2_000) else { return };
    assert!(late < early + SLACK, "{early} bytes grew to {late}");
}

#[test]
#[ignore = "takes a minute; prints figures"]
fn memory_is_flat_over_twenty_thousand_requests() {
    let Some((early, late)) = grown(20_000) else { return };
    println!("memory after 4,000 requests {} KiB, after 20,000 {} KiB", early >> 10, late >> 10);
    assert!(late < early + SLACK, "{early} bytes grew to {late}");
}

#[test]
#[ignore = "takes a while; prints figures"]
fn sixty_four_clients_beside_a_bare_loop() {
    let running = Running::new(Options::default());
    load(running.addr, 64, 8, request);
    load(running.addr, 64, 320, request).print("200 tiles");
    let (archive, encoder) = (archive(), Bytes::new());
    let began = Instant::now();
    let count = 20_000;
    for turn in 0..count {
        let text = encoder.encode_texts(&[&format!("text {}", turn % 7)]).unwrap().vector(0);
        let query = ComposedQuery::new(archive.spec().clone());
        let query =
            query.with_image(archive.unit_vector(&key(turn % 50)).unwrap()).unwrap().with_text(text).unwrap();
        let method = WeiCom::new((turn % 6) as f64 / 5.0).unwrap();
        assert_eq!(search_with(&archive, &method, &query, &SearchOptions::top(50)).unwrap().len(), 50);
    }
    println!("a bare loop: {:.0} searches a second", f64::from(count as u32) / began.elapsed().as_secs_f64());
}

#[test]
#[ignore = "makes 100,000 rows of 768 numbers; prints figures"]
fn sixty_four_clients_over_a_hundred_thousand_rows() {
    let archive = demo::large(100_000, 768);
    let keys: Vec<String> = archive.keys().map(String::from).collect();
    let encoder = demo::Letters(archive.spec().clone());
    let texts = WORDS.map(|text| rscir_web::Encoder::texts(&encoder, &[text]).unwrap().vector(0));
    let archive = Arc::new(archive);
    let app = App::new(Arc::clone(&archive) as Arc<dyn Archive>).encoder(Arc::new(encoder));
    let running = Running::of(app, tempfile::tempdir().unwrap());
    load(running.addr, 64, 64, |client, turn| person(client, turn, &keys, false)).print("100,000 x 768");
    println!("a bare loop: {:.1} searches a second", bare(&*archive, &texts, &keys, 120));
}

#[test]
#[ignore = "takes a while; prints figures"]
fn sixty_four_clients_over_the_demo_with_its_pictures() {
    let demo = demo::demo();
    let keys: Vec<String> = demo.archive.keys().map(String::from).collect();
    let texts = WORDS.map(|text| rscir_web::Encoder::texts(&*demo.encoder, &[text]).unwrap().vector(0));
    let running = Running::of(demo.app(), tempfile::tempdir().unwrap());
    let person = |client, turn| person(client, turn, &keys, true);
    load(running.addr, 64, 64, person).print("the demo, once");
    load(running.addr, 64, 320, person).print("the demo, again");
    println!("a bare loop: {:.0} searches a second", bare(&*demo.archive, &texts, &keys, 6_000));
}

#[test]
#[ignore = "makes a million rows; prints figures"]
fn the_slider_over_a_million_rows() {
    const ROWS: usize = 1_000_000;
    const DIM: usize = common::DIM;
    let spec = EncoderSpec::unknown(DIM);
    let keys = (0..ROWS).map(|row| format!("{row}.png")).collect();
    let archive = MemoryArchive::new(spec, keys, unit_rows(ROWS, DIM, 1)).unwrap();
    let app = App::new(Arc::new(archive)).encoder(Arc::new(Bytes::new()));
    let server = Server::bind(app, "127.0.0.1:0".parse().unwrap()).unwrap();
    let (addr, stopper) = (server.addr(), server.stopper());
    let thread = std::thread::spawn(move || server.run().unwrap());
    let mut client = Client::new(addr);
    let mut ask = |lambda: f64| {
        let query = json!({ "parts": [{ "key": "77.png" }, { "text": "at night" }], "lambda": lambda });
        let began = Instant::now();
        assert_eq!(client.search(&query).0, 200);
        began.elapsed()
    };
    let first = ask(0.5);
    let mut times: Vec<Duration> = (0..=200).map(|step| ask(f64::from(step) / 200.0)).collect();
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "the first question takes {:.1} ms, another lambda {:.1} ms (median), {:.1} ms (p99)",
        ms(first),
        ms(times[100]),
        ms(times[198])
    );
    stopper.stop();
    thread.join().unwrap();
    // The page has 150 ms from the event to the picture, most of which are the browser's.
    assert!(times[100] < Duration::from_millis(100), "{:?}", times[100]);
}
