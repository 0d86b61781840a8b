//! Pictures of rows.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use moka::sync::Cache;
use rscir_page::Picture;
use serde::Deserialize;

use crate::digest::etag_of;
use crate::problem::{Problem, ProblemKind};
use crate::state::State;

/// Bytes that pictures of the last tiles may take: some thousands of 10 KB.
const PICTURE_BYTES: u64 = 64 << 20;

/// The longest side of a picture without being told: that of a tile on the page.
const DEFAULT_SIZE: u32 = 256;

/// Sides that can be asked for: from an icon to a screen.
const SIZES: std::ops::RangeInclusive<u32> = 16..=2048;

/// What of a picture can be asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TileQuery {
    version: Option<String>,
    size: Option<u32>,
}

/// Pictures by what they are of.
pub(crate) type PictureCache = Cache<String, Arc<Picture>>;

pub(crate) fn cache() -> PictureCache {
    let size = |picture: &Picture| u32::try_from(picture.jpeg().len()).unwrap_or(u32::MAX);
    let weigher = move |_: &String, picture: &Arc<Picture>| size(picture);
    Cache::builder().max_capacity(PICTURE_BYTES).weigher(weigher).build()
}

/// A picture, or that it has not changed.
pub(crate) struct Shown {
    etag: String,
    is_versioned: bool,
    picture: Option<Arc<Picture>>,
}

/// Makes the picture of a row, unless the asker has it.
pub(crate) fn show(
    state: &State,
    row: &str,
    asked: &TileQuery,
    headers: &HeaderMap,
) -> Result<Shown, Problem> {
    let snapshot = state.source.current();
    let archive = &*snapshot.archive;
    if asked.version.as_ref().is_some_and(|version| *version != snapshot.version) {
        let message = "the archive has changed, and its rows have other numbers: ask again";
        return Err(Problem::new(ProblemKind::ArchiveChanged, message).at("version"));
    }
    let size = asked.size.unwrap_or(DEFAULT_SIZE);
    if !SIZES.contains(&size) {
        let message = format!("size is {size}: it is from {} to {}", SIZES.start(), SIZES.end());
        return Err(Problem::field("size", message));
    }
    let number = row.parse::<usize>().ok().filter(|&number| number < archive.len());
    let row = number.ok_or_else(|| {
        let message = format!("the archive has the rows 0 to {}", archive.len().saturating_sub(1));
        Problem::new(ProblemKind::NoSuchRow, message).at("row")
    })?;
    let none = || {
        Problem::new(
            ProblemKind::NoPicture,
            "this row has no picture: its file is not where the server looks",
        )
    };
    let pictures = state.pictures.as_ref().ok_or_else(none)?;
    let stamp = pictures.stamp(archive, row);
    let of = stamp.as_ref().map(|stamp| format!("{:?}-{stamp}-{size}", archive.key(row)));
    let is_versioned = asked.version.is_some();
    let known = of.as_ref().map(|of| etag_of(of.as_bytes()));
    if let Some(etag) = known.as_ref().filter(|etag| has(headers, etag)) {
        return Ok(Shown { etag: etag.clone(), is_versioned, picture: None });
    }
    let make = || {
        let image = pictures.read(archive, row, &state.limits()).map_err(|_| none())?;
        let view = image.view().map_err(|_| none())?;
        Picture::within(view, size as usize).map(Arc::new).map_err(|_| none())
    };
    let picture = match of {
        Some(of) => state.shown.try_get_with(of, make).map_err(|problem| (*problem).clone())?,
        None => make()?,
    };
    let etag = known.unwrap_or_else(|| etag_of(picture.jpeg()));
    let picture = (!has(headers, &etag)).then_some(picture);
    Ok(Shown { etag, is_versioned, picture })
}

/// Tells whether the asker has what a tag names.
fn has(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH);
    let mut tags = tags.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tags.any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        // A version's rows keep their pictures for as long as their files stay as they are; an hour is a session.
        let keep = if self.is_versioned { "private, max-age=3600" } else { "private, no-cache" };
        let mut response = match self.picture {
            Some(picture) => jpeg(&picture),
            None => StatusCode::NOT_MODIFIED.into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        if let Ok(etag) = HeaderValue::try_from(self.etag) {
            headers.insert(header::ETAG, etag);
        }
        response
    }
}

/// Answers with a picture.
pub(crate) fn jpeg(picture: &Picture) -> Response {
    ([(header::CONTENT_TYPE, "image/jpeg")], Body::from(picture.jpeg().to_vec())).into_response()
}
