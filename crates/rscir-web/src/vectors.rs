//! The vectors of what is asked with, and the images that were sent.

use std::sync::Arc;

use axum::body::Bytes;
use moka::sync::Cache;
use rscir_core::{Archive, ComposedQuery, Error as CoreError, UnitVector};
use rscir_images::{DecodeLimits, Error as ImageError, ImageProblem, decode};
use rscir_page::Picture;
use serde::Serialize;
use utoipa::ToSchema;

use crate::digest::{key_of, name_of};
use crate::incoming::Files;
use crate::problem::{Problem, ProblemKind, with_causes};
use crate::request::{Asked, Part, Query};
use crate::state::State;

/// Bytes that images that were sent may take: some thousands, of which a picture of 20 KB and a vector are kept.
const IMAGE_BYTES: u64 = 64 << 20;

/// Bytes that vectors of texts may take: ten thousand of 768 numbers.
const TEXT_BYTES: u64 = 32 << 20;

/// The longest side of the picture that is kept of an image that was sent: as large as a page shows one.
const SENT_SIDE: usize = 512;

/// What is remembered of what was asked with.
pub(crate) struct Vectors {
    images: Cache<String, Arc<Sent>>,
    texts: Cache<String, Arc<UnitVector>>,
}

/// An image that was sent.
pub(crate) struct Sent {
    vector: UnitVector,
    pub(crate) picture: Picture,
    width: usize,
    height: usize,
}

/// An image of a query, as its answer names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SentAnswer {
    /// Its place among the parts of the query.
    part: usize,
    /// Asks with the image again, without sending it.
    id: String,
    width: usize,
    height: usize,
}

/// A query in vectors.
pub(crate) struct Encoded {
    pub(crate) query: ComposedQuery,
    pub(crate) images: Vec<SentAnswer>,
    /// The rows that are asked with, in order.
    pub(crate) rows: Vec<usize>,
    /// Identifies the parts: equal ones have equal queries, under one snapshot.
    pub(crate) identity: [u8; 32],
}

impl Vectors {
    pub(crate) fn new() -> Self {
        fn size(bytes: usize) -> u32 {
            u32::try_from(bytes).unwrap_or(u32::MAX)
        }
        let images = Cache::builder().max_capacity(IMAGE_BYTES).weigher(|id: &String, sent: &Arc<Sent>| {
            size(id.len() + sent.picture.jpeg().len() + 4 * sent.vector.len())
        });
        let texts = Cache::builder()
            .max_capacity(TEXT_BYTES)
            .weigher(|text: &String, vector: &Arc<UnitVector>| size(text.len() + 4 * vector.len()));
        Self { images: images.build(), texts: texts.build() }
    }

    /// Returns the image of an id, if it is remembered.
    pub(crate) fn sent(&self, id: &str) -> Result<Arc<Sent>, Problem> {
        self.images.get(id).ok_or_else(|| {
            let message = "the server does not remember this image: send it again";
            Problem::new(ProblemKind::ImageForgotten, message)
        })
    }
}

/// Gives the parts of a query their vectors. Encodes what is not remembered.
pub(crate) fn encode(
    state: &State,
    archive: &dyn Archive,
    query: &Query,
    files: &Files,
) -> Result<Encoded, Problem> {
    let mut composed = ComposedQuery::new(archive.spec().clone());
    let (mut images, mut rows, mut words) = (Vec::new(), Vec::new(), Vec::new());
    let mut identity = Vec::new();
    let unused = files.iter().find(|(name, _)| {
        !query.parts.iter().any(|part| matches!(&part.asked, Asked::Image(image) if image == name))
    });
    if let Some((name, _)) = unused {
        return Err(Problem::new(
            ProblemKind::BadMultipart,
            format!("no part of the query asks with the file {name:?}"),
        ));
    }
    for (index, Part { asked, weight }) in query.parts.iter().enumerate() {
        let at = |problem: Problem| problem.at(format!("parts[{index}].{}", asked.field()));
        let (vector, name, weight) = match asked {
            Asked::Key(key) => {
                let row = archive.find(key).ok_or_else(|| at(no_such_key(archive, key)))?;
                let message = "the tile has no vector to ask with";
                let vector = archive
                    .unit_vector(key)
                    .ok_or_else(|| at(Problem::new(ProblemKind::CannotAsk, message)))?;
                rows.push(row);
                composed = composed.with_image_key(key);
                (vector, key.clone(), *weight)
            }
            Asked::Image(name) => {
                let file = files.iter().find(|(file, _)| file == name);
                let (id, sent) = match file {
                    Some((_, bytes)) => send(state, archive, bytes).map_err(at)?,
                    None => (name.clone(), state.vectors.sent(name).map_err(at)?),
                };
                images.push(SentAnswer {
                    part: index,
                    id: id.clone(),
                    width: sent.width,
                    height: sent.height,
                });
                (sent.vector.clone(), id, *weight)
            }
            Asked::Text(text) => (text_vector(state, text).map_err(at)?, text.clone(), *weight),
            Asked::Without(text) => (text_vector(state, text).map_err(at)?, text.clone(), -*weight),
        };
        if let (Asked::Text(text), 0.0..) = (asked, weight) {
            words.push(text.as_str());
        }
        identity.push((asked.field(), name, weight));
        let added = if asked.is_image() {
            composed.and_image(vector, weight)
        } else {
            composed.and_text(vector, weight)
        };
        composed = added.map_err(|error| match error {
            CoreError::ZeroRow { .. } => {
                let message =
                    "this part and those before it cancel each other: leave one out, or weigh them otherwise";
                at(Problem::new(ProblemKind::CannotAsk, message))
            }
            error => at(Problem::of_query(&error, error.kind())),
        })?;
    }
    if !words.is_empty() {
        composed = composed.with_words(words.join(", "));
    }
    rows.sort_unstable();
    rows.dedup();
    Ok(Encoded { query: composed, images, rows, identity: key_of(&identity) })
}

pub(crate) fn no_such_key(archive: &dyn Archive, key: &str) -> Problem {
    let example = archive.keys().next().map_or(String::new(), |key| format!("; its first is {key:?}"));
    Problem::new(ProblemKind::NoSuchKey, format!("the archive has no key {key:?}{example}"))
}

fn needs_encoder(what: &str) -> Problem {
    let message =
        format!("this server has no encoder, and so no vector of {what}: ask with tiles of the archive");
    Problem::new(ProblemKind::CannotAsk, message)
}

fn text_vector(state: &State, text: &str) -> Result<UnitVector, Problem> {
    let encoder = state.encoder.as_ref().ok_or_else(|| needs_encoder("a text"))?;
    let encode = || match encoder.texts(&[text]) {
        Ok(rows) if !rows.is_empty() => Ok(Arc::new(rows.vector(0))),
        Ok(_) => Err(Problem::internal()),
        Err(error) => Err(Problem::of_query(&error, error.kind())),
    };
    let vector = state.vectors.texts.try_get_with_by_ref(text, encode);
    vector.map(|vector| (*vector).clone()).map_err(|problem| (*problem).clone())
}

/// Decodes and encodes a file, or knows it already.
fn send(state: &State, archive: &dyn Archive, bytes: &Bytes) -> Result<(String, Arc<Sent>), Problem> {
    let encoder = state.encoder.as_ref().ok_or_else(|| needs_encoder("an image"))?;
    let id = name_of(bytes);
    let make = || {
        let limits = state.limits().max_bytes(bytes.len() as u64);
        let image = decode(bytes, &archive.spec().decoding, &limits).map_err(of_image)?;
        let view = image.view().map_err(|_| Problem::internal())?;
        let rows = encoder.image(view).map_err(|error| Problem::of_query(&error, error.kind()))?;
        if rows.is_empty() {
            return Err(Problem::internal());
        }
        let picture = Picture::within(view, SENT_SIDE).map_err(|_| Problem::internal())?;
        Ok(Arc::new(Sent { vector: rows.vector(0), picture, width: image.width, height: image.height }))
    };
    match state.vectors.images.try_get_with_by_ref(&id, make) {
        Ok(sent) => Ok((id, sent)),
        Err(problem) => Err((*problem).clone()),
    }
}

fn of_image(error: ImageError) -> Problem {
    let is_too_large = match &error {
        ImageError::Pixels(problem) => matches!(
            **problem,
            ImageProblem::TooManyPixels { .. }
                | ImageProblem::TooManyBytes { .. }
                | ImageProblem::Bomb { .. }
        ),
        _ => false,
    };
    let kind = if is_too_large { ProblemKind::TooLarge } else { ProblemKind::NotAnImage };
    Problem::new(kind, with_causes(&error))
}

impl State {
    /// Returns what an image may take.
    pub(crate) fn limits(&self) -> DecodeLimits {
        DecodeLimits::default().max_pixels(self.options.pixels)
    }
}
