//! The page's files, which are part of the program.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::digest::etag_of;
use crate::problem::{Problem, ProblemKind};

/// A file of the page.
struct PageFile {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
}

macro_rules! page_files {
    ($($name:literal: $media_type:expr),* $(,)?) => {
        &[$(PageFile { name: $name, media_type: $media_type, text: include_str!(concat!("page/", $name)) }),*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const ICON: &str = "image/svg+xml";

/// All of them; the first is the page itself.
const FILES: &[PageFile] = page_files![
    "index.html": HTML,
    "style.css": STYLE,
    "icon.svg": ICON,
    "api.js": SCRIPT,
    "app.js": SCRIPT,
    "ask.js": SCRIPT,
    "chart.js": SCRIPT,
    "dom.js": SCRIPT,
    "filters.js": SCRIPT,
    "grid.js": SCRIPT,
    "map.js": SCRIPT,
    "mercator.js": SCRIPT,
    "method.js": SCRIPT,
    "pictures.js": SCRIPT,
    "runner.js": SCRIPT,
    "state.js": SCRIPT,
    "where.js": SCRIPT,
    "why.js": SCRIPT,
];

/// A tag for each, by which a browser knows whether it has it.
static TAGS: LazyLock<Vec<String>> =
    LazyLock::new(|| FILES.iter().map(|file| etag_of(file.text.as_bytes())).collect());

/// Answers with a file of the page by its name, or with the page itself. Names are compared with those that are there: none is a path.
pub(crate) fn file(name: Option<&str>, headers: &HeaderMap) -> Response {
    let name = name.unwrap_or("index.html");
    let Some((file, tag)) = FILES.iter().zip(&*TAGS).find(|(file, _)| file.name == name) else {
        return Problem::new(ProblemKind::NotFound, "the page has no such file").into_response();
    };
    let has_it = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let mut response = if has_it {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, file.media_type)], file.text).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_the_page_names_is_there_and_is_named() {
        let mut named = vec!["index.html"];
        for file in FILES {
            let is_name =
                |part: &&str| part.ends_with(".js") || part.ends_with(".css") || part.ends_with(".svg");
            let parts = file.text.split(['"', '\'']).filter(is_name);
            named.extend(parts.map(|part| part.trim_start_matches("./").trim_start_matches("page/")));
        }
        named.sort_unstable();
        named.dedup();
        let mut there: Vec<&str> = FILES.iter().map(|file| file.name).collect();
        there.sort_unstable();
        assert_eq!(named, there);
    }
}
