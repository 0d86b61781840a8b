//! Downloads from a hub on this machine: a whole file gets its place, a partial one is continued, and a wrong one is
//! refused.
#![cfg(feature = "hub")]

use std::error::Error as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rscir_core::{Progress, Silent};
use rscir_encoders::{DownloadProblem, Error, Hub, HubFile};
use sha2::{Digest, Sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const FILE: HubFile =
    HubFile { repository: "owner/model", revision: "main", file: "a/weights.bin", sha256: None };

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a content that is longer than a connection carries at once.
fn weights() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[derive(Debug, Clone, PartialEq)]
struct Request {
    method: String,
    path: String,
    range: Option<usize>,
    authorization: Option<String>,
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let first = lines.next()?;
        let mut words = first.split(' ').map(String::from);
        let (method, path) = (words.next()?, words.next()?);
        let (mut range, mut authorization) = (None, None);
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ")?;
            match name.to_ascii_lowercase().as_str() {
                "range" => range = value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok(),
                "authorization" => authorization = Some(value.to_string()),
                _ => {}
            }
        }
        Some(Self { method, path, range, authorization })
    }
}

/// Status line and headers, and the part of the body that is sent before the connection is closed.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(status: &str) -> Self {
        Self { head: format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n"), body: Vec::new() }
    }

    fn with(mut self, header: &str) -> Self {
        self.head += header;
        self.head += "\r\n";
        self
    }

    /// Makes the answer to a HEAD request for a content.
    fn of(content: &[u8], etag: &str) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", content.len());
        Self { head, body: Vec::new() }
            .with(&format!("x-repo-commit: {COMMIT}"))
            .with(&format!("etag: \"{etag}\""))
    }

    /// Makes the answer to a GET request for a content from an offset on, of which at most `most` bytes are sent.
    fn bytes(content: &[u8], from: Option<usize>, most: usize) -> Self {
        let rest = &content[from.unwrap_or(0)..];
        let head = match from {
            None => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", rest.len()),
            Some(from) => format!(
                "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{}\r\n",
                rest.len(),
                content.len() - 1,
                content.len()
            ),
        };
        Self { head, body: rest[..most.min(rest.len())].to_vec() }
    }
}

/// A hub that answers as a function says, and records its requests.
struct LocalHub {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl LocalHub {
    fn start(answer: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let Some(request) = Request::read(&stream) else { continue };
                let answer = answer(&request);
                seen.lock().unwrap().push(request);
                // It is no error of the hub if the client has closed the connection.
                let _ = stream.write_all(format!("{}connection: close\r\n\r\n", answer.head).as_bytes());
                let _ = stream.write_all(&answer.body);
            }
        });
        Self { address, requests }
    }

    /// Starts a hub with one file, which it sends whole.
    fn with(content: Vec<u8>) -> Self {
        Self::start(move |request| match request.method.as_str() {
            "HEAD" => Answer::of(&content, &hash(&content)),
            _ => Answer::bytes(&content, request.range, usize::MAX),
        })
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Returns the offset of each request that read content. `None` stands for the whole content.
    fn reads(&self) -> Vec<Option<usize>> {
        self.requests().into_iter().filter(|r| r.method == "GET").map(|r| r.range).collect()
    }

    fn hub(&self, cache: &Path) -> Hub {
        Hub::from_env().endpoint(&self.address).cache(cache).offline(false)
    }
}

/// Returns the content of the file in the cache, if the file has its place there.
fn placed(cache: &Path) -> Option<Vec<u8>> {
    fs::read(snapshot(cache)).ok()
}

fn snapshot(cache: &Path) -> PathBuf {
    cache.join("models--owner--model/snapshots").join(COMMIT).join("a/weights.bin")
}

fn problem(error: &Error) -> &DownloadProblem {
    error.source().and_then(|source| source.downcast_ref()).unwrap_or_else(|| panic!("{error:?}"))
}

#[test]
fn a_file_is_fetched_once_and_found_without_the_hub_from_then_on() {
    let (cache, weights) = (tempfile::tempdir().unwrap(), weights());
    let local = LocalHub::with(weights.clone());
    let hub = local.hub(cache.path()).token("hf_secret");
    let path = hub.locate(&FILE, &Silent).unwrap();
    assert_eq!(path, snapshot(cache.path()));
    assert_eq!(fs::read(&path).unwrap(), weights);
    assert_eq!(local.requests().len(), 2);
    for request in local.requests() {
        assert_eq!(request.path, "/owner/model/resolve/main/a/weights.bin");
        assert_eq!(request.authorization.as_deref(), Some("Bearer hf_secret"));
    }
    assert!(!format!("{hub:?}").contains("hf_secret"));
    // A hub that does not exist is not asked for a file in the cache.
    let nowhere = hub.clone().endpoint("http://127.0.0.1:1");
    assert_eq!(nowhere.locate(&FILE, &Silent).unwrap(), path);
    assert_eq!(nowhere.offline(true).locate(&FILE, &Silent).unwrap(), path);
    assert_eq!(local.requests().len(), 2);
}

#[test]
fn a_file_that_is_not_in_the_cache_is_not_asked_for_offline() {
    let cache = tempfile::tempdir().unwrap();
    let local = LocalHub::with(weights());
    let error = local.hub(cache.path()).offline(true).locate(&FILE, &Silent).unwrap_err();
    assert!(matches!(error, Error::NotDownloaded { .. }), "{error:?}");
    assert_eq!(local.requests(), []);
}

#[test]
fn a_download_that_is_broken_off_goes_on_where_it_was() {
    let (cache, weights) = (tempfile::tempdir().unwrap(), weights());
    let content = weights.clone();
    let local = LocalHub::start(move |request| match request.method.as_str() {
        "HEAD" => Answer::of(&content, &hash(&content)),
        _ => Answer::bytes(&content, request.range, 120_000),
    });
    local.hub(cache.path()).locate(&FILE, &Silent).unwrap();
    assert_eq!(placed(cache.path()), Some(weights));
    assert_eq!(local.reads(), [None, Some(120_000), Some(240_000)]);
}

#[test]
fn a_download_that_stays_broken_off_is_no_file_and_the_next_call_goes_on() {
    let (cache, weights) = (tempfile::tempdir().unwrap(), weights());
    let content = weights.clone();
    let broken = LocalHub::start(move |request| match (request.method.as_str(), request.range) {
        ("HEAD", _) => Answer::of(&content, &hash(&content)),
        (_, None) => Answer::bytes(&content, None, 120_000),
        (_, from) => Answer::bytes(&content, from, 0),
    });
    let error = broken.hub(cache.path()).locate(&FILE, &Silent).unwrap_err();
    let DownloadProblem::BrokenOff { got, size, .. } = problem(&error) else { panic!("{error:?}") };
    assert_eq!((*got, *size), (120_000, 300_000));
    assert_eq!(placed(cache.path()), None);
    let whole = LocalHub::with(weights.clone());
    whole.hub(cache.path()).locate(&FILE, &Silent).unwrap();
    assert_eq!(whole.reads(), [Some(120_000)]);
    assert_eq!(placed(cache.path()), Some(weights));
}

#[test]
fn a_part_that_is_whole_already_is_not_asked_for_again() {
    let (cache, weights) = (tempfile::tempdir().unwrap(), weights());
    let blobs = cache.path().join("models--owner--model/blobs");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(format!("{}.part", hash(&weights))), &weights).unwrap();
    let local = LocalHub::with(weights.clone());
    local.hub(cache.path()).locate(&FILE, &Silent).unwrap();
    assert_eq!(local.reads(), []);
    assert_eq!(placed(cache.path()), Some(weights));
}

#[test]
fn a_hub_that_gives_whole_files_only_is_read_from_the_start() {
    let (cache, weights) = (tempfile::tempdir().unwrap(), weights());
    let blobs = cache.path().join("models--owner--model/blobs");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(format!("{}.part", hash(&weights))), b"beginning").unwrap();
    let content = weights.clone();
    let local = LocalHub::start(move |request| match request.method.as_str() {
        "HEAD" => Answer::of(&content, &hash(&content)),
        _ => Answer::bytes(&content, None, usize::MAX),
    });
    local.hub(cache.path()).locate(&FILE, &Silent).unwrap();
    assert_eq!(placed(cache.path()), Some(weights));
}

#[test]
fn a_file_that_is_not_there_is_said_with_its_name_and_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let local = LocalHub::start(|_| Answer::status("404 Not Found"));
    let error = local.hub(cache.path()).locate(&FILE, &Silent).unwrap_err();
    assert!(error.to_string().contains("owner/model/a/weights.bin at main"), "{error}");
    assert!(matches!(problem(&error), DownloadProblem::Status { status: 404 }), "{error:?}");
    assert!(problem(&error).to_string().contains("no such file"));
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
}

#[test]
fn a_file_with_another_hash_is_refused_and_the_right_one_is_taken_later() {
    let (cache, weights) = (tempfile::tempdir().unwrap(), weights());
    let (expected, mut wrong) = (hash(&weights), weights.clone());
    wrong[1234] ^= 1;
    let (published, sent) = (weights.clone(), wrong.clone());
    // This hub announces one content and sends another.
    let local = LocalHub::start(move |request| match request.method.as_str() {
        "HEAD" => Answer::of(&published, &hash(&published)),
        _ => Answer::bytes(&sent, request.range, usize::MAX),
    });
    let error = local.hub(cache.path()).locate(&FILE, &Silent).unwrap_err();
    let Error::Hash { expected: said, got, .. } = &error else { panic!("{error:?}") };
    assert_eq!((said, got), (&expected, &hash(&wrong)));
    assert_eq!(placed(cache.path()), None);
    // The content of this hub is not the one that the program knows.
    let sha256: &'static str = expected.leak();
    let known = HubFile { sha256: Some(sha256), ..FILE };
    let error = LocalHub::with(wrong).hub(cache.path()).locate(&known, &Silent).unwrap_err();
    assert!(matches!(error, Error::Hash { .. }), "{error:?}");
    assert_eq!(placed(cache.path()), None);
    LocalHub::with(weights.clone()).hub(cache.path()).locate(&known, &Silent).unwrap();
    assert_eq!(placed(cache.path()), Some(weights));
}

#[test]
fn redirects_are_followed_and_the_token_stays_with_the_hub() {
    let (cache, weights) = (tempfile::tempdir().unwrap(), weights());
    let store = LocalHub::with(weights.clone());
    let (content, elsewhere) = (weights.clone(), format!("location: {}/store?key=1", store.address));
    let local = LocalHub::start(move |request| match request.path.as_str() {
        // This redirect stays within the hub, like that of a repository that was renamed.
        "/owner/model/resolve/main/a/weights.bin" => {
            Answer::status("307 Temporary Redirect").with("location: /renamed/resolve/main/a/weights.bin")
        }
        _ => Answer::status("302 Found")
            .with(&elsewhere)
            .with(&format!("x-repo-commit: {COMMIT}"))
            .with(&format!("x-linked-etag: \"{}\"", hash(&content)))
            .with(&format!("x-linked-size: {}", content.len())),
    });
    local.hub(cache.path()).token("hf_secret").locate(&FILE, &Silent).unwrap();
    assert_eq!(placed(cache.path()), Some(weights));
    assert!(local.requests().iter().any(|request| request.authorization.is_some()));
    assert_eq!(store.requests().len(), 1);
    assert_eq!(
        (store.requests()[0].path.as_str(), &store.requests()[0].authorization),
        ("/store?key=1", &None)
    );
}

#[test]
fn answers_that_no_hub_gives_are_errors_that_name_the_header() {
    let heads = [
        (Answer::status("200 OK"), "x-repo-commit"),
        (Answer::status("200 OK").with("x-repo-commit: ../../up").with("etag: \"a\""), "x-repo-commit"),
        (Answer::status("200 OK").with(&format!("x-repo-commit: {COMMIT}")).with("etag: \"../a\""), "etag"),
        (Answer::status("302 Found").with("location: /owner/model"), "location"),
        (
            Answer::status("302 Found")
                .with("location: http://elsewhere.invalid/a")
                .with(&format!("x-repo-commit: {COMMIT}"))
                .with("etag: \"a\""),
            "content-length",
        ),
    ];
    for (answer, header) in heads {
        let cache = tempfile::tempdir().unwrap();
        let head = answer.head;
        let local = LocalHub::start(move |_| Answer { head: head.clone(), body: Vec::new() });
        let error = local.hub(cache.path()).locate(&FILE, &Silent).unwrap_err();
        let DownloadProblem::Header { header: named, .. } = problem(&error) else { panic!("{error:?}") };
        assert_eq!(*named, header);
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_hub_out_of_reach_is_an_error() {
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::from_env().endpoint("http://127.0.0.1:1").cache(cache.path()).offline(false);
    let error = hub.locate(&FILE, &Silent).unwrap_err();
    assert!(matches!(problem(&error), DownloadProblem::Unreachable(_)), "{error:?}");
}

#[test]
fn two_at_once_fetch_a_file_once() {
    let (cache, weights) = (tempfile::tempdir().unwrap(), weights());
    let local = LocalHub::with(weights.clone());
    let hub = local.hub(cache.path());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| hub.locate(&FILE, &Silent).unwrap());
        }
    });
    assert_eq!(local.reads(), [None]);
    assert_eq!(placed(cache.path()), Some(weights));
}

#[test]
fn progress_counts_the_bytes_of_the_file() {
    #[derive(Default)]
    struct Counted(Mutex<(u64, u64)>);
    impl Progress for Counted {
        fn begin(&self, stage: &str, total: Option<u64>) {
            assert_eq!(stage, "download a/weights.bin");
            self.0.lock().unwrap().0 = total.unwrap();
        }
        fn advance(&self, units: u64) {
            self.0.lock().unwrap().1 += units;
        }
    }
    let cache = tempfile::tempdir().unwrap();
    let counted = Counted::default();
    LocalHub::with(weights()).hub(cache.path()).locate(&FILE, &counted).unwrap();
    assert_eq!(*counted.0.lock().unwrap(), (300_000, 300_000));
}
