//! Hundreds of requests that nobody means well, over a socket: each is refused with a reason, and the server goes on.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{DIM, Running, form, key, png};
use rscir_core::EncoderSpec;
use rscir_core::testing::unit_rows;
use rscir_index::{Columns, MemoryArchive};
use rscir_web::{App, Options};
use serde_json::{Value, json};

/// What lies beside the folder of pictures, and must be in no answer.
const SECRET: &str = "the-secret-beside-the-folder";

/// Paths that lead out of a folder, in the ways of several systems and encodings.
const PATHS: [&str; 20] = [
    "../secret.txt",
    "../../secret.txt",
    "..\\secret.txt",
    "..%2fsecret.txt",
    "%2e%2e%2fsecret.txt",
    "..%252fsecret.txt",
    "....//secret.txt",
    "..;/secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "/proc/self/environ",
    "file:///etc/passwd",
    "C:\\Windows\\win.ini",
    "\\\\host\\share",
    "tiles/../../secret.txt",
    "tiles/0.png\u{0}.txt",
    "./././../secret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "~/secret.txt",
    "$(cat ../secret.txt)",
];

/// Numbers that are no counts, as JSON has them.
const NUMBERS: [&str; 14] = [
    "-1",
    "-9223372036854775808",
    "18446744073709551616",
    "1e308",
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "-Infinity",
    "0.5.5",
    "\"7\"",
    "[7]",
    "{}",
    "true",
];

/// Sends bytes and reads what comes back until the other end closes, or for some seconds.
fn raw(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The other end may have closed already.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /api/search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes()
}

/// As an address holds any bytes.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn query(part: Value) -> Vec<u8> {
    post("application/json", json!({ "parts": [part] }).to_string().as_bytes())
}

fn upload(bytes: &[u8]) -> Vec<u8> {
    post("multipart/form-data; boundary=XX", &form(&json!({ "parts": [{ "image": "a" }] }), &[("a", bytes)]))
}

/// Requests that reach the application, and are to be refused by it in JSON.
fn refused() -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    for path in PATHS {
        requests.push(query(json!({ "key": path })));
        requests.push(query(json!({ "image": path })));
        for (field, value) in [("where", path), ("method", path)] {
            requests.push(post(
                "application/json",
                json!({ "parts": [{ "text": "a" }], field: value }).to_string().as_bytes(),
            ));
        }
        for place in ["/api/tiles", "/api/images", "/page", "/api"] {
            requests.push(get(&format!("{place}/{}", encoded(path))));
        }
        requests.push(get(&format!("/api/export?format={}&query={{}}", encoded(path))));
        requests.push(get(&format!("/api/tiles/0?version={}", encoded(path))));
        requests.push(post(
            "multipart/form-data; boundary=XX",
            &form(&json!({ "parts": [{ "text": "a" }] }), &[(path.trim_matches('\u{0}'), b"x")]),
        ));
    }
    for bytes in ["%ff", "%c3%28", "%", "%zz"] {
        for place in ["/api/tiles", "/api/images", "/page"] {
            requests.push(get(&format!("{place}/{bytes}")));
        }
    }
    for number in NUMBERS {
        for field in ["top", "offset", "lambda", "within"] {
            requests.push(post(
                "application/json",
                format!("{{\"parts\":[{{\"text\":\"a\"}}],\"{field}\":{number}}}").as_bytes(),
            ));
        }
        // "Less like this" is a weight below 0.
        if number != "-1" {
            requests.push(post(
                "application/json",
                format!("{{\"parts\":[{{\"text\":\"a\",\"weight\":{number}}}]}}").as_bytes(),
            ));
        }
        requests.push(get(&format!("/api/tiles/{}", encoded(number))));
        requests.push(get(&format!("/api/tiles/0?size={}", encoded(number))));
    }
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"{\"parts\":null}",
        b"{\"parts\":[null]}",
        b"{\"parts\":[{\"text\":\"a\"}]} trailing",
        b"{\"parts\":[{\"text\":\"\\ud800\"}]}",
        b"{\"parts\":[{\"text\":\"\xff\xfe\"}]}",
        b"\xef\xbb\xbf{}",
        b"{\"parts\":[{\"text\":\"a\"}],\"parts\":[{\"text\":\"b\"}]}",
        b"\x00\x01\x02",
    ] {
        requests.push(post("application/json", body));
    }
    requests.push(post("application/json", "[".repeat(100_000).as_bytes()));
    requests.push(post(
        "application/json",
        format!("{{\"parts\":[{}]}}", vec!["{\"text\":\"a\"}"; 33].join(",")).as_bytes(),
    ));
    requests.push(query(json!({ "text": "a".repeat(1001) })));
    requests.push(query(json!({ "key": "k".repeat(5000) })));
    requests.push(post(
        "application/json",
        json!({ "parts": [{ "text": "a" }], "where": "(".repeat(3999) }).to_string().as_bytes(),
    ));
    requests.push(post(
        "application/json",
        json!({ "parts": [{ "text": "a" }], "where": "not ".repeat(999) }).to_string().as_bytes(),
    ));
    requests.push(post("application/json", &vec![b' '; 300 << 10]));
    for content_type in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=XX",
        "application/json-patch",
    ] {
        requests.push(post(content_type, b"{\"parts\":[{\"text\":\"a\"}]}"));
    }
    for (content_type, body) in [
        ("multipart/form-data", &b"--XX--\r\n"[..]),
        ("multipart/form-data; boundary=", b"--XX--\r\n"),
        ("multipart/form-data; boundary=XX", b""),
        ("multipart/form-data; boundary=XX", b"--XX--\r\n"),
        ("multipart/form-data; boundary=XX", b"--YY\r\n\r\n--YY--\r\n"),
        ("multipart/form-data; boundary=XX", b"--XX\r\n"),
        (
            "multipart/form-data; boundary=XX",
            b"--XX\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n{}",
        ),
        (
            "multipart/form-data; boundary=XX",
            b"--XX\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n{}\r\n--XX--\r\n",
        ),
        (
            "multipart/form-data; boundary=XX",
            b"--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--\r\n",
        ),
        ("multipart/form-data; boundary=XX", b"--XX\r\nno header\r\n\r\nx\r\n--XX--\r\n"),
    ] {
        requests.push(post(content_type, body));
    }
    let twice = json!({ "parts": [{ "text": "a" }] });
    requests.push(post(
        "multipart/form-data; boundary=XX",
        &form(&twice, &[("query", twice.to_string().as_bytes())]),
    ));
    let many: Vec<(String, Vec<u8>)> = (0..40).map(|i| (format!("f{i}"), vec![0])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    requests.push(post("multipart/form-data; boundary=XX", &form(&twice, &many)));
    requests.extend(images().iter().map(|bytes| upload(bytes)));
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "OPTIONS"] {
        for path in ["/api/search", "/api/archive", "/"] {
            requests.push(
                format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    .into_bytes(),
            );
        }
    }
    for host in ["evil.example", "localhost, evil.example", "a b", "localhost\r\nHost: evil.example"] {
        requests.push(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes());
    }
    requests
}

/// Files that are no images, or take more than they should.
fn images() -> Vec<Vec<u8>> {
    let mut images: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"GIF89a".to_vec(),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
        b"\x89PNG\r\n\x1a\n".to_vec(),
        b"\xff\xd8\xff\xe0".to_vec(),
        b"II*\x00\x08\x00\x00\x00".to_vec(),
        b"RIFF\xff\xff\xff\xffWEBPVP8L".to_vec(),
        b"BM\xff\xff\xff\xff".to_vec(),
        b"PK\x03\x04".to_vec(),
        b"%PDF-1.7".to_vec(),
        vec![0; 1 << 16],
    ];
    // Pixels beyond the limit, of one color, in some kilobytes.
    images.push(png(9_000, 8_000, [1, 1, 1]));
    // Sizes that the file does not hold; the checksum of the header is right, or is not.
    let small = png(4, 4, [9, 9, 9]);
    for size in [[0, 0, 0, 0], [0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xff], [0, 0, 0xff, 0xff]] {
        let mut bytes = small.clone();
        bytes[16..20].copy_from_slice(&size);
        bytes[20..24].copy_from_slice(&size);
        images.push(bytes);
    }
    for end in [9, 20, 33, 40] {
        images.push(small[..end.min(small.len())].to_vec());
    }
    images
}

/// Requests that are no HTTP as it should be, most of which end before the application.
fn broken() -> Vec<Vec<u8>> {
    let many: String = (0..2000).map(|i| format!("X-{i}: y\r\n")).collect();
    let request = |rest: &str| {
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}\r\n").into_bytes()
    };
    vec![
        request(&many),
        request(&format!("X-Long: {}\r\n", "y".repeat(1 << 20))),
        request(&format!("Cookie: {}\r\n", "a=b; ".repeat(100_000))),
        request("No colon\r\n"),
        request("Bad\u{0}name: x\r\n"),
        request("X: \u{0}\r\n"),
        get(&format!("/{}", "a".repeat(100_000))),
        get(&format!("/api/export?query={}", "a".repeat(70_000))),
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n".to_vec(),
        b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(),
        b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd".to_vec(),
        b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n".to_vec(),
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_vec(),
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(),
    ]
}

/// The status of an answer.
fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

fn is_alive(addr: SocketAddr) -> bool {
    status(&raw(addr, &query(json!({ "key": key(0) })))) == Some(200)
}

fn running(options: Options) -> Running {
    let running = Running::new(options);
    fs::write(running.folder.path().join("secret.txt"), SECRET).unwrap();
    running
}

#[test]
fn hundreds_of_hostile_requests_are_refused_with_a_reason_and_the_server_goes_on() {
    let running = running(Options::default());
    let requests = refused();
    assert!(requests.len() >= 300, "{}", requests.len());
    for request in &requests {
        let answer = raw(running.addr, request);
        let shown = || String::from_utf8_lossy(&request[..request.len().min(400)]).into_owned();
        assert!(
            status(&answer).is_some_and(|status| (400..500).contains(&status)),
            "{}\n-> {answer}",
            shown()
        );
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let json: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{}\n-> {answer}", shown()));
        let message = json["error"]["message"].as_str().unwrap_or_default();
        assert!((10..1000).contains(&message.len()), "{}\n-> {answer}", shown());
        assert!(!answer.contains(SECRET) && !answer.contains("root:x:"), "{}", shown());
    }
    for request in broken() {
        let answer = raw(running.addr, &request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(100)]).into_owned();
        // A peer that speaks no HTTP may get nothing but a closed connection.
        assert!(
            answer.is_empty() || status(&answer).is_some_and(|status| (400..500).contains(&status)),
            "{shown}\n-> {answer}"
        );
        assert!(!answer.contains(SECRET), "{shown}");
    }
    assert!(is_alive(running.addr));
}

#[test]
fn a_body_or_a_head_that_comes_slowly_is_cut_off() {
    let mut options = Options::default();
    (options.body_time, options.header_time) = (Duration::from_millis(300), Duration::from_millis(300));
    let running = running(options);
    let began = Instant::now();
    let head = "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let answer = raw(running.addr, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("too_slow"), "{answer}");
    let answer = raw(running.addr, b"GET / HTTP/1.1\r\nHost: loc");
    assert!(answer.is_empty() || status(&answer) == Some(408), "{answer}");
    // As many as there are turns for forms, all of which stall.
    let stalled: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(running.addr).unwrap();
            let head = "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: 1000000\r\n\r\n--XX";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert!(is_alive(running.addr));
    let form = upload(&png(4, 4, [1, 2, 3]));
    assert_eq!(status(&raw(running.addr, &form)), Some(200));
    drop(stalled);
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// Serves an answer that no system's buffers hold, a thousand rows with a text of 20 KB each, and makes its request.
fn long_answer(options: Options) -> (Running, Vec<u8>) {
    const ROWS: usize = 1_000;
    let story = "It was a dark and stormy night. ".repeat(640);
    let columns = Columns::new(ROWS).with("story", vec![story.as_str(); ROWS]).unwrap();
    let keys = (0..ROWS).map(|row| format!("{row}.png")).collect();
    let archive = MemoryArchive::new(EncoderSpec::unknown(DIM), keys, unit_rows(ROWS, DIM, 1)).unwrap();
    let app = App::new(Arc::new(archive.with_columns(columns).unwrap())).options(options);
    let query = json!({ "parts": [{ "key": "7.png" }], "top": ROWS });
    let request = post("application/json", query.to_string().as_bytes());
    (Running::of(app, tempfile::tempdir().unwrap()), request)
}

#[test]
fn an_answer_that_is_taken_in_slowly_or_never_is_given_up() {
    let mut options = Options::default();
    // The next client is answered once the one before is cut off.
    options.connections = 1;
    (options.answer_time, options.header_time) = (Duration::from_millis(300), Duration::from_millis(300));
    let (running, request) = long_answer(options);
    let began = Instant::now();
    let is_free = || status(&raw(running.addr, &get("/api/openapi.json"))) == Some(200);

    let mut silent = TcpStream::connect(running.addr).unwrap();
    assert!(is_free(), "after one who asks nothing");
    silent.write_all(&request).unwrap_or_default();

    let mut deaf = TcpStream::connect(running.addr).unwrap();
    deaf.write_all(&request).unwrap();
    assert!(is_free(), "after one who reads nothing");

    let mut slow = TcpStream::connect(running.addr).unwrap();
    slow.write_all(&request).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut some = [0; 1_000];
            while !ended.load(Ordering::Relaxed) && slow.read(&mut some).is_ok_and(|bytes| bytes > 0) {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let is_free = is_free();
        ended.store(true, Ordering::Relaxed);
        assert!(is_free, "after one who reads a little now and then");
    });
    assert!(began.elapsed() < Duration::from_secs(15));
    drop((silent, deaf));
}

#[test]
fn an_answer_that_is_taken_in_at_leisure_arrives_whole() {
    let mut options = Options::default();
    options.answer_time = Duration::from_secs(20);
    let (running, request) = long_answer(options);
    let mut stream = TcpStream::connect(running.addr).unwrap();
    stream.write_all(&request).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.len() > 20_000_000 && answer.ends_with(b"}"), "{} bytes", answer.len());
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_is_read() {
    let mut options = Options::default();
    options.body_bytes = 100_000;
    let running = running(options);
    let head = "POST /api/search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: 4000000000\r\n\r\n";
    let answer = raw(running.addr, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("too_large"), "{answer}");
    let chunked = "POST /api/search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let answer = raw(running.addr, format!("{chunked}{}", chunk.repeat(10)).as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(is_alive(running.addr));
}

#[test]
fn names_and_texts_with_markup_and_control_characters_come_back_as_data() {
    let running = running(Options::default());
    for text in [
        "<script>alert(1)</script>",
        "\u{1b}[2J",
        "\u{202e}gnp.exe",
        "../../etc/passwd",
        "'; drop table tiles; --",
    ] {
        let answer = raw(running.addr, &query(json!({ "text": text })));
        assert_eq!(status(&answer), Some(200), "{answer}");
        assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    }
    for row in [7, 8] {
        let answer = raw(running.addr, &query(json!({ "key": key(row) })));
        assert_eq!(status(&answer), Some(200));
        assert!(!answer.contains('\u{1b}'), "control characters are escaped in JSON");
    }
}
