//! What handlers take from a request: axum's extractors, with problems for answers.

use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{BytesRejection, FailedToBufferBody},
    },
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::problem::{self, FieldProblem, Problem};

/// Longest body of any request but a document's.
pub const BODY_LEN_MAX: usize = 1024 * 1024;

/// A JSON body, in requests and answers. Types of requests refuse unknown fields.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

/// The query's parameters.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

/// The path's variable parts.
#[derive(Clone, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(refuse_body)?;
        read_json(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(problem::INVALID_QUERY.because(rejection.body_text())),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path =
            <axum::extract::Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        match path {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(problem::INVALID_PATH.because(rejection.body_text())),
        }
    }
}

/// # Errors
/// [`problem::UNSUPPORTED_MEDIA_TYPE`] unless the body is said to be JSON.
pub(crate) fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media_type
        .and_then(|text| text.split(';').next())
        .map(str::trim);
    match essence {
        Some(essence) if essence.eq_ignore_ascii_case("application/json") => Ok(()),
        Some(_) | None => Err(problem::UNSUPPORTED_MEDIA_TYPE
            .because("Send JSON with the header `Content-Type: application/json`.")),
    }
}

/// Reads a JSON body; an answer to what is wrong names the field.
///
/// # Errors
/// [`problem::INVALID_JSON`] or [`problem::INVALID_BODY`].
pub(crate) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        let error = error.into_inner();
        if error.is_data() {
            let is_whole = field == ".";
            let field = FieldProblem {
                field,
                detail: error.to_string(),
            };
            let detail = if is_whole {
                field.detail.clone()
            } else {
                format!("{}: {}", field.field, field.detail)
            };
            return Problem {
                fields: vec![field],
                ..problem::INVALID_BODY.because(detail)
            };
        }
        problem::INVALID_JSON.because(error.to_string())
    })?;
    reader
        .end()
        .map_err(|error| problem::INVALID_JSON.because(error.to_string()))?;
    Ok(value)
}

/// The problem of a body that could not be read.
#[must_use]
pub(crate) fn refuse_body(rejection: BytesRejection) -> Problem {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            problem::BODY_TOO_LARGE.because(format!(
                "A body may have {BODY_LEN_MAX} bytes: send less at a time."
            ))
        }
        rejection => problem::INVALID_JSON.because(rejection.body_text()),
    }
}
