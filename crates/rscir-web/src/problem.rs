use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rscir_core::ErrorKind;
use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong with a request, or why it has no answer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProblemKind {
    /// The request makes no sense as a whole.
    BadRequest,
    /// The body is no JSON.
    BadJson,
    /// The body is no form.
    BadMultipart,
    /// A field has a value that it cannot have.
    BadField,
    /// A token is needed.
    NoToken,
    /// The request is for a server of another name.
    BadHost,
    /// The request comes from another site.
    BadOrigin,
    /// There is nothing at this address.
    NotFound,
    /// The archive has no such key.
    NoSuchKey,
    /// The archive has no such row.
    NoSuchRow,
    /// The server does not remember an image that was sent before.
    ImageForgotten,
    /// A tile has no picture.
    NoPicture,
    /// The address is asked in another way.
    BadMethod,
    /// The body did not arrive in time.
    TooSlow,
    /// Rows are of another snapshot of the archive.
    ArchiveChanged,
    /// A body, or the pixels of an image, are beyond a limit.
    TooLarge,
    /// The body is of a type that is not read.
    BadType,
    /// A file is no image.
    NotAnImage,
    /// A query has no answer.
    CannotAsk,
    /// A client asks too much at once.
    TooMany,
    /// There is too much work at once.
    Busy,
    /// The work took too long.
    TimedOut,
    /// It is the server's fault.
    Internal,
}

impl ProblemKind {
    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::BadJson | Self::BadMultipart | Self::BadField => StatusCode::BAD_REQUEST,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::BadHost | Self::BadOrigin => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoSuchKey | Self::NoSuchRow | Self::ImageForgotten | Self::NoPicture => {
                StatusCode::NOT_FOUND
            }
            Self::BadMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::ArchiveChanged => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadType | Self::NotAnImage => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::CannotAsk => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::TimedOut => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns how long to wait before asking again, where that may help.
    fn retry_after(self) -> Option<Duration> {
        match self {
            Self::TooMany | Self::Busy => Some(Duration::from_secs(1)),
            Self::TimedOut => Some(Duration::from_secs(10)),
            _ => None,
        }
    }
}

/// Bytes of a message at most. Messages repeat what was sent, and that is not to come back at any length.
const MAX_MESSAGE: usize = 600;

/// An answer that says what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    kind: ProblemKind,
    /// What is wrong, and what would be right.
    message: String,
    /// Where it is in the request, such as `parts[2].text`.
    field: Option<String>,
}

/// How a problem travels.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorAnswer {
    error: Problem,
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MAX_MESSAGE {
            let end = (0..=MAX_MESSAGE).rev().find(|&at| message.is_char_boundary(at)).unwrap_or(0);
            message.truncate(end);
            message.push('…');
        }
        Self { kind, message, field: None }
    }

    /// Names the field of the request.
    pub(crate) fn at(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// Refuses a field's value.
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ProblemKind::BadField, message).at(field)
    }

    /// Reports a failure that is none of the asker's business.
    pub(crate) fn internal() -> Self {
        Self::new(ProblemKind::Internal, "the server could not answer; its operator may know more")
    }

    /// Reports a query that the library refuses, or fails at.
    pub(crate) fn of_query(error: &(dyn std::error::Error + 'static), kind: ErrorKind) -> Self {
        match kind {
            // These may speak of the server's files.
            ErrorKind::Damaged | ErrorKind::Io | ErrorKind::Compute => Self::internal(),
            _ => Self::new(ProblemKind::CannotAsk, with_causes(error)),
        }
    }

    pub(crate) fn kind(&self) -> ProblemKind {
        self.kind
    }
}

/// Writes an error with its causes, each said once.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry) = (self.kind.status(), self.kind.retry_after());
        // Texts and names alone: they are always JSON.
        let body = serde_json::to_vec(&ErrorAnswer { error: self }).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if let Some(wait) = retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response
    }
}
