//! What goes wrong, as `application/problem+json` (RFC 9457). Every error answer of the web API is
//! one of these; the code is stable, the words are for people.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// One sort of problem: a constant in the file of the route that has it, or here when many do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable code, lower snake case.
    pub code: &'static str,
    /// The same in words, the same each time.
    pub title: &'static str,
}

/// The body could not be read as JSON at all.
pub const INVALID_JSON: Kind = Kind::new(
    StatusCode::BAD_REQUEST,
    "invalid_json",
    "The body is not JSON",
);
/// JSON, but not what this route takes.
pub const INVALID_BODY: Kind = Kind::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "invalid_body",
    "The body is not what this takes",
);
/// A query parameter is unknown, missing or not what the route takes.
pub const INVALID_QUERY: Kind = Kind::new(
    StatusCode::BAD_REQUEST,
    "invalid_query",
    "A query parameter is not understood",
);
/// A part of the path is not an identifier.
pub const INVALID_PATH: Kind = Kind::new(
    StatusCode::BAD_REQUEST,
    "invalid_path",
    "A part of the path is not understood",
);
/// A header is not what the route takes.
pub const INVALID_HEADER: Kind = Kind::new(
    StatusCode::BAD_REQUEST,
    "invalid_header",
    "A header is not understood",
);
/// Not `application/json`.
pub const UNSUPPORTED_MEDIA_TYPE: Kind = Kind::new(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "unsupported_media_type",
    "The body's media type is not taken here",
);
/// Longer than the limit.
pub const BODY_TOO_LARGE: Kind = Kind::new(
    StatusCode::PAYLOAD_TOO_LARGE,
    "body_too_large",
    "The body is too large",
);
/// Nothing has this path.
pub const ROUTE_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "route_not_found",
    "There is nothing at this address",
);
/// The path exists, with other methods.
pub const METHOD_NOT_ALLOWED: Kind = Kind::new(
    StatusCode::METHOD_NOT_ALLOWED,
    "method_not_allowed",
    "This address takes another method",
);
/// No token, or none that is known.
pub const UNAUTHENTICATED: Kind = Kind::new(
    StatusCode::UNAUTHORIZED,
    "unauthenticated",
    "A valid bearer token is needed",
);
/// A bug or a broken machine; the log has the cause.
pub const INTERNAL: Kind = Kind::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "internal_error",
    "Central failed",
);
/// PostgreSQL does not answer.
pub const DATABASE_UNAVAILABLE: Kind = Kind::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "database_unavailable",
    "The database cannot be reached at the moment",
);
/// What was asked is stored, and gates are not told yet.
pub const PUBLICATION_DELAYED: Kind = Kind::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "publication_delayed",
    "It is stored, but gates cannot be told at the moment",
);
/// The answer took too long.
pub const TIMED_OUT: Kind = Kind::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "timed_out",
    "The answer took too long",
);

/// Two things of one sort in a school may not share a name.
pub const NAME_TAKEN: Kind = Kind::new(
    StatusCode::CONFLICT,
    "name_taken",
    "Another of this school has this name",
);

/// Where a body says what kind of problem it is.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Seconds after which a client may try again when central was only busy.
const RETRY_AFTER_S: &str = "5";

/// A problem that occurred.
#[derive(Debug)]
pub struct Problem {
    /// Which sort.
    pub kind: Kind,
    /// This occurrence, in words that say what to do.
    pub detail: Cow<'static, str>,
    /// The fields at fault.
    pub fields: Vec<FieldProblem>,
    /// For the log alone.
    pub cause: Option<anyhow::Error>,
}

/// What is wrong with one field of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// The field's path, such as `periods[2].until`.
    #[schema(example = "name")]
    pub field: String,
    /// What is wrong, and what would be right.
    #[schema(example = "must have 1 to 200 characters")]
    pub detail: String,
}

/// The answer's body (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:portcullis:problem:school_not_found")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// This occurrence, in words that say what to do.
    detail: Cow<'static, str>,
    /// The last part of `type`, for programs.
    #[schema(example = "school_not_found")]
    code: &'static str,
    /// Names this request in central's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The fields at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
}

/// Left on a response by [`Problem`], for the layer that knows the request's id and writes the log.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) body: ProblemBody,
    /// The whole chain of causes.
    pub(crate) cause: Option<String>,
}

impl Kind {
    /// A sort of problem.
    #[must_use]
    pub const fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self {
            status,
            code,
            title,
        }
    }

    /// An occurrence of it.
    #[must_use]
    pub fn because(self, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem {
            kind: self,
            detail: detail.into(),
            fields: Vec::new(),
            cause: None,
        }
    }
}

impl Problem {
    /// A field of the body has a value that cannot be taken.
    #[must_use]
    pub fn invalid_field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let field = FieldProblem {
            field: field.into(),
            detail: detail.into(),
        };
        let detail = format!("{}: {}", field.field, field.detail);
        Self {
            fields: vec![field],
            ..INVALID_BODY.because(detail)
        }
    }

    /// Several of them; `fields` is not empty.
    #[must_use]
    pub fn invalid_fields(fields: Vec<FieldProblem>) -> Self {
        let details: Vec<_> = fields
            .iter()
            .map(|field| format!("{}: {}", field.field, field.detail))
            .collect();
        Self {
            fields,
            ..INVALID_BODY.because(details.join("; "))
        }
    }
}

impl ProblemBody {
    pub(crate) fn with_request_id(self, request_id: String) -> Self {
        Self {
            request_id: Some(request_id),
            ..self
        }
    }

    pub(crate) fn response(&self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: format!("urn:portcullis:problem:{}", self.kind.code),
            title: self.kind.title,
            status: self.kind.status.as_u16(),
            detail: self.detail,
            code: self.kind.code,
            request_id: None,
            errors: self.fields,
        };
        let mut response = body.response();
        let cause = self.cause.map(|cause| format!("{cause:#}"));
        response.extensions_mut().insert(Trace { body, cause });
        response
    }
}

impl From<anyhow::Error> for Problem {
    fn from(cause: anyhow::Error) -> Self {
        let problem = if crate::db::is_unavailable(&cause) {
            DATABASE_UNAVAILABLE.because("Try again in a few seconds; /health says more.")
        } else {
            INTERNAL.because("Central's log has the cause under this request's id.")
        };
        Self {
            cause: Some(cause),
            ..problem
        }
    }
}

impl From<tokio_postgres::Error> for Problem {
    fn from(cause: tokio_postgres::Error) -> Self {
        Self::from(anyhow::Error::from(cause))
    }
}
