//! The body of a search: JSON, or a form with JSON and files.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, header};
use tokio::sync::OwnedSemaphorePermit;

use crate::problem::{Problem, ProblemKind, with_causes};
use crate::request::{MAX_PARTS, SearchRequest};
use crate::state::State;

/// Bytes of a query's JSON at most: 32 texts of 1,000 characters, each of which may be six bytes escaped, and a filter.
pub(crate) const MAX_JSON: usize = 256 << 10;

/// Files that came with a query, by the names of their fields.
pub(crate) type Files = Vec<(String, Bytes)>;

/// A query that came, with its files.
pub(crate) struct Incoming {
    pub(crate) request: SearchRequest,
    pub(crate) files: Files,
    /// Held for as long as the files are: they may be large.
    pub(crate) turn: Option<OwnedSemaphorePermit>,
}

/// The types of bodies that are read.
enum BodyType {
    Json,
    Form,
}

impl BodyType {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let text =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Ok(Self::Json),
            "multipart/form-data" => Ok(Self::Form),
            _ => {
                let message =
                    "the body is application/json, or multipart/form-data with a field query and files";
                Err(Problem::new(ProblemKind::BadType, message))
            }
        }
    }
}

/// Reads a query with its files, within the limits of the server.
pub(crate) async fn read(state: &State, request: Request) -> Result<Incoming, Problem> {
    let (parts, body) = request.into_parts();
    match BodyType::of(&parts.headers)? {
        BodyType::Json => {
            let body = whole(state, &parts.headers, body, MAX_JSON).await?;
            Ok(Incoming { request: SearchRequest::from_json(&body)?, files: Files::new(), turn: None })
        }
        BodyType::Form => {
            let turn = state.gate.upload().await?;
            let body = whole(state, &parts.headers, body, state.options.body_bytes).await?;
            let (request, files) = form(Request::from_parts(parts, Body::from(body))).await?;
            Ok(Incoming { request, files, turn: Some(turn) })
        }
    }
}

/// Reads all bytes of a body, if they come in time and are not too many.
async fn whole(state: &State, headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            ProblemKind::TooLarge,
            format!("the body has more than {limit} bytes, which is the limit"),
        )
    };
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let Ok(read) = tokio::time::timeout(state.options.body_time, axum::body::to_bytes(body, limit)).await
    else {
        let message = format!("the body did not arrive in {} s", state.options.body_time.as_secs_f32());
        return Err(Problem::new(ProblemKind::TooSlow, message));
    };
    read.map_err(|error| {
        let text = with_causes(&error);
        // What the body's reader says of a limit, among all else that ends a body.
        if text.contains("length limit exceeded") {
            too_large()
        } else {
            Problem::new(ProblemKind::BadRequest, "the body ended before it was complete")
        }
    })
}

/// Reads the parts of a form that lies in memory.
async fn form(request: Request) -> Result<(SearchRequest, Files), Problem> {
    let bad = |text: String| Problem::new(ProblemKind::BadMultipart, text);
    let broken = |error: &(dyn std::error::Error + 'static)| {
        bad(format!("the form is broken: {}", with_causes(error)))
    };
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| broken(&error))?;
    let mut query = None;
    let mut files = Files::new();
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        let name = field.name().unwrap_or_default().to_string();
        let bytes = field.bytes().await.map_err(|error| broken(&error))?;
        if name == "query" {
            if query.is_some() || bytes.len() > MAX_JSON {
                return Err(bad(format!("the form has one field query, of {MAX_JSON} bytes at most")));
            }
            query = Some(SearchRequest::from_json(&bytes)?);
        } else if name.is_empty() || files.len() == MAX_PARTS || files.iter().any(|(other, _)| *other == name)
        {
            let message =
                format!("the form has at most {MAX_PARTS} files, each in a field with a name of its own");
            return Err(bad(message));
        } else {
            files.push((name, bytes));
        }
    }
    let query = query.ok_or_else(|| bad("the form has no field query with the query as JSON".into()))?;
    Ok((query, files))
}
