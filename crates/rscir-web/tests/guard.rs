//! Who may ask, and what browsers are told.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use common::{Answered, Asked, Running, app, archive, key};
use rscir_core::{Archive, RgbImage};
use rscir_images::DecodeLimits;
use rscir_web::{App, Basemap, Client, Error, NoPicture, Options, Pictures, Server};
use serde_json::json;

const TOKEN: &str = "0123456789abcdef";

fn get(asked: &Asked, path: &str, headers: &[(&str, &str)]) -> Answered {
    let mut request = Request::get(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:8080");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    asked.send(request.body(Body::empty()).unwrap())
}

#[test]
fn without_its_token_a_server_tells_nothing() {
    let asked = Asked::with(Options::default().token(TOKEN).unwrap());
    for path in ["/", "/api/archive", "/api/tiles/0", "/api/openapi.json", "/page/app.js", "/nothing"] {
        let answer = get(&asked, path, &[]);
        assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (401, "no_token"), "{path}");
    }
    for wrong in ["Bearer 0123456789abcdeg", "Bearer ", "Basic 0123456789abcdef", "Bearer 0123456789abcdef0"]
    {
        assert_eq!(get(&asked, "/api/archive", &[("authorization", wrong)]).status.as_u16(), 401, "{wrong}");
    }
    assert_eq!(get(&asked, "/?token=0123456789abcdeg", &[]).status.as_u16(), 401);
    assert_eq!(get(&asked, &format!("/api/archive?token={TOKEN}"), &[]).status.as_u16(), 401);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(get(&asked, "/api/archive", &[("authorization", &bearer)]).status.as_u16(), 200);
}

#[test]
fn a_token_in_the_address_becomes_a_cookie_that_does_not_hold_it() {
    let asked = Asked::with(Options::default().token(TOKEN).unwrap());
    let answer = get(&asked, &format!("/?token={TOKEN}&q=1"), &[]);
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/?q=1"));
    let cookie = answer.header("set-cookie");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict") && !cookie.contains(TOKEN), "{cookie}");
    let cookie = format!("other=1; {}", cookie.split(';').next().unwrap());
    assert_eq!(get(&asked, "/api/archive", &[("cookie", &cookie)]).status.as_u16(), 200);
    assert_eq!(get(&asked, "/api/archive", &[("cookie", "rscir_token=")]).status.as_u16(), 401);
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let bind = |options| Server::bind(app(options).0, "0.0.0.0:0".parse().unwrap());
    assert!(matches!(bind(Options::default()), Err(Error::NeedsToken { .. })));
    let server = bind(Options::default().token(TOKEN).unwrap()).unwrap();
    assert!(server.url().ends_with(&format!("/?token={TOKEN}")));
}

#[test]
fn a_name_that_was_made_to_stand_for_this_machine_is_refused() {
    let asked = Asked::with(Options::default().host("tiles.example.org"));
    for host in [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "[::1]",
        "10.0.0.7",
        "tiles.example.org:443",
    ] {
        assert_eq!(get(&asked, "/", &[("host", host)]).status.as_u16(), 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
        "",
        ":8080",
        "tiles.example.org.evil",
    ] {
        let answer = get(&asked, "/", &[("host", host)]);
        assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (403, "bad_host"), "{host}");
    }
    let none = asked.send(Request::get("/").body(Body::empty()).unwrap());
    assert_eq!(none.error().0, "bad_host");
}

#[test]
fn pages_of_other_sites_may_not_ask_unless_they_were_named() {
    let asked = Asked::with(Options::default().origin("https://map.example.org"));
    for headers in [
        [("origin", "https://evil.example"), ("host", "localhost:8080")],
        [("origin", "http://localhost:9090"), ("host", "localhost:8080")],
        [("origin", "null"), ("host", "localhost:8080")],
        [("sec-fetch-site", "cross-site"), ("host", "localhost:8080")],
        [("sec-fetch-site", "same-site"), ("host", "localhost:8080")],
    ] {
        let answer = get(&asked, "/api/archive", &headers);
        assert_eq!(answer.error().0, "bad_origin", "{headers:?}");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    for headers in [
        [("origin", "http://localhost:8080"), ("host", "localhost:8080")],
        [("sec-fetch-site", "same-origin"), ("host", "localhost:8080")],
        [("sec-fetch-site", "none"), ("host", "localhost:8080")],
    ] {
        assert_eq!(get(&asked, "/api/archive", &headers).status.as_u16(), 200, "{headers:?}");
    }
    let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    assert_eq!(get(&asked, "/", &link).status.as_u16(), 200);
    let named = [("origin", "https://map.example.org"), ("sec-fetch-site", "cross-site")];
    let answer = get(&asked, "/api/archive", &named);
    assert_eq!(
        (answer.status.as_u16(), answer.header("access-control-allow-origin")),
        (200, "https://map.example.org")
    );
}

#[test]
fn every_answer_tells_browsers_to_do_no_more_than_they_must() {
    let map = Basemap::new("https://tiles.example.org/{z}/{x}/{y}.png").unwrap();
    let asked = Asked::with(Options::default().basemap(map));
    for path in ["/", "/api/archive", "/api/tiles/0", "/api/tiles/999", "/nothing", "/page/style.css"] {
        let answer = get(&asked, path, &[]);
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "), "{policy}");
        assert!(policy.contains("img-src 'self' blob: data: https://tiles.example.org;"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        assert_ne!(answer.header("cache-control"), "");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

#[test]
fn the_page_asks_nobody_else_and_has_no_script_in_its_markup() {
    let asked = Asked::plain();
    let page = String::from_utf8(get(&asked, "/", &[]).body).unwrap();
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("style=\""));
    let mut linked = 0;
    for part in page.split("\"page/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert_eq!(get(&asked, &format!("/page/{name}"), &[]).status.as_u16(), 200, "{name}");
        linked += 1;
    }
    assert!(linked >= 2);
    assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=").count());
}

#[test]
fn one_client_cannot_take_all_and_the_others_go_on() {
    let mut options = Options::default();
    options.per_client = 0;
    let asked = Asked::with(options);
    let request = |client: Option<Client>| {
        let mut request =
            Request::get("/api/archive").header("host", "localhost").body(Body::empty()).unwrap();
        request.extensions_mut().extend(
            client
                .map(|client| {
                    let mut extensions = axum::http::Extensions::new();
                    extensions.insert(client);
                    extensions
                })
                .unwrap_or_default(),
        );
        asked.send(request)
    };
    let refused = request(Some(Client("10.0.0.7".parse().unwrap())));
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.error().0, "too_many");
    assert_eq!(request(None).status.as_u16(), 200);
}

/// Pictures that take until they are let go.
struct Slow(Arc<AtomicBool>);

impl Pictures for Slow {
    fn read(&self, _: &dyn Archive, _: usize, _: &DecodeLimits) -> Result<RgbImage, NoPicture> {
        while !self.0.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(RgbImage { width: 1, height: 1, data: vec![1, 2, 3] })
    }
}

#[test]
fn more_work_than_a_server_takes_upon_itself_is_put_off_and_does_not_pile_up() {
    let let_go = Arc::new(AtomicBool::new(false));
    let mut options = Options::default();
    (options.at_once, options.waiting) = (1, 1);
    (options.patience, options.work_time) = (Duration::from_millis(100), Duration::from_millis(300));
    let app = App::new(Arc::new(archive())).pictures(Arc::new(Slow(Arc::clone(&let_go)))).options(options);
    let asked = Asked::new(app, None);
    let began = Instant::now();
    let late = get(&asked, "/api/tiles/0", &[]);
    assert_eq!((late.status.as_u16(), late.error().0.as_str()), (503, "timed_out"));
    assert_eq!(late.header("retry-after"), "10");
    // The work that was given up has its turn still: the next waits in vain, and does not begin.
    let busy = asked.search(json!({ "parts": [{ "key": key(0) }] }));
    assert_eq!((busy.status.as_u16(), busy.error().0.as_str()), (503, "busy"));
    assert_eq!(busy.header("retry-after"), "1");
    assert!(began.elapsed() < Duration::from_secs(5));
    let_go.store(true, Ordering::Relaxed);
    let end = Instant::now() + Duration::from_secs(10);
    while asked.search(json!({ "parts": [{ "key": key(0) }] })).status.as_u16() != 200 {
        assert!(Instant::now() < end, "the turn is not given back");
    }
}

#[test]
fn a_server_that_is_stopped_ends_what_is_under_way_and_takes_nothing_new() {
    let mut running = Running::new(Options::default());
    let addr = running.addr;
    let body = json!({ "parts": [{ "key": key(0) }] }).to_string();
    let mut stream = TcpStream::connect(addr).unwrap();
    let head = format!(
        "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (first, rest) = body.split_at(10);
    stream.write_all(format!("{head}{first}").as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let ended = std::thread::spawn(move || {
        running.stop();
        running
    });
    std::thread::sleep(Duration::from_millis(200));
    assert!(!ended.is_finished());
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"hits\""), "{answer}");
    let _ended = ended.join().unwrap();
    assert!(TcpStream::connect(addr).is_err());
}
