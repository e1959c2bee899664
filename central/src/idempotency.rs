//! A POST that makes something is done once, however often it is sent: the answer is stored under
//! the client's `Idempotency-Key` in the same transaction as what was made.

use anyhow::Context;
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use crate::{
    auth::Administrator,
    db::{Connection, Transaction},
    extract::{check_media_type, read_json, refuse_body},
    ids::AdminTokenId,
    instant::UtcInstant,
    problem::{INVALID_HEADER, Kind, Problem},
};

/// The same key came with another request.
pub const IDEMPOTENCY_KEY_REUSED: Kind = Kind::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "idempotency_key_reused",
    "This Idempotency-Key belongs to another request",
);

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const KEY_LEN_MAX: usize = 200;
const JSON: &str = "application/json";

/// The header, for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyKey {
    /// Any text that is new with each new request, such as a UUID: sent again with the same
    /// request, it gives the same answer and makes nothing.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 200,
        required = false
    )]
    _key: String,
}

/// The JSON body of a POST that makes something.
#[derive(Clone, Debug)]
pub struct Idempotent<T> {
    /// The body.
    pub body: T,
    /// What makes it the same request as another.
    pub request: RequestIdentity,
}

/// What makes two requests the same one.
#[derive(Clone, Debug)]
pub struct RequestIdentity {
    admin_token_id: AdminTokenId,
    key: Option<String>,
    /// Of method, path and body.
    sha256: [u8; 32],
}

/// Whether the request was answered before.
#[derive(Debug)]
pub enum Attempt {
    /// It was not: do it, then [`finish`].
    First,
    /// It was, like this.
    Answered(Response),
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Idempotent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let (mut parts, body) = request.into_parts();
        let administrator = Administrator::from_request_parts(&mut parts, state).await?;
        let key = parts.headers.get(&KEY).map(read_key).transpose()?;
        let mut hash = Sha256::new();
        for part in [parts.method.as_str(), parts.uri.path()] {
            hash.update(part);
            hash.update([0]);
        }
        let bytes = Bytes::from_request(Request::from_parts(parts, body), state)
            .await
            .map_err(refuse_body)?;
        hash.update(&bytes);
        let request = RequestIdentity {
            admin_token_id: administrator.token_id,
            key,
            sha256: hash.finalize().into(),
        };
        Ok(Self {
            body: read_json(&bytes)?,
            request,
        })
    }
}

/// Claims the request's key within `transaction`; a second request with it waits here until the
/// first has committed or given up.
///
/// # Errors
/// [`IDEMPOTENCY_KEY_REUSED`], or when the database fails.
pub async fn begin(
    transaction: &Transaction,
    request: &RequestIdentity,
    now: UtcInstant,
) -> Result<Attempt, Problem> {
    let Some(key) = &request.key else {
        return Ok(Attempt::First);
    };
    let claimed = transaction
        .execute(
            "INSERT INTO idempotency_keys \
                (admin_token_id, idempotency_key, request_sha256, status, content_type, body, created_at) \
             VALUES ($1, $2, $3, 0, '', '', $4) ON CONFLICT DO NOTHING",
            &[&request.admin_token_id, key, &request.sha256.as_slice(), &now],
        )
        .await
        .context("cannot store an idempotency key")?;
    if claimed == 1 {
        return Ok(Attempt::First);
    }
    answered(transaction, request, key)
        .await
        .map(Attempt::Answered)
}

/// Stores the answer under the request's key, commits what was done, and gives the answer.
///
/// # Errors
/// When the database fails; nothing was done then.
pub async fn finish(
    transaction: Transaction,
    request: &RequestIdentity,
    status: StatusCode,
    body: &impl Serialize,
) -> Result<Response, Problem> {
    let bytes = serde_json::to_vec(body).context("cannot write the answer as JSON")?;
    if let Some(key) = &request.key {
        let status = i16::try_from(status.as_u16()).context("a status is a small number")?;
        transaction
            .execute(
                "UPDATE idempotency_keys SET status = $3, content_type = $4, body = $5 \
                 WHERE admin_token_id = $1 AND idempotency_key = $2",
                &[&request.admin_token_id, key, &status, &JSON, &bytes],
            )
            .await
            .context("cannot store an answer under its idempotency key")?;
    }
    transaction.commit().await?;
    Ok(response(status, HeaderValue::from_static(JSON), bytes))
}

/// Forgets answers older than `before`.
///
/// # Errors
/// When the database fails.
pub async fn prune(connection: &Connection, before: UtcInstant) -> anyhow::Result<u64> {
    connection
        .execute(
            "DELETE FROM idempotency_keys WHERE created_at < $1",
            &[&before],
        )
        .await
        .context("cannot prune the idempotency keys")
}

async fn answered(
    transaction: &Transaction,
    request: &RequestIdentity,
    key: &str,
) -> Result<Response, Problem> {
    let row = transaction
        .query_one(
            "SELECT request_sha256, status, content_type, body FROM idempotency_keys \
             WHERE admin_token_id = $1 AND idempotency_key = $2",
            &[&request.admin_token_id, &key],
        )
        .await
        .context("cannot read an idempotency key")?;
    if row.get::<_, &[u8]>(0) != request.sha256 {
        return Err(IDEMPOTENCY_KEY_REUSED.because(
            "Send a new Idempotency-Key with each new request, and the old one only to repeat.",
        ));
    }
    let status = u16::try_from(row.get::<_, i16>(1)).context("a status is not negative")?;
    let status = StatusCode::from_u16(status).context("a stored status is a status")?;
    let media_type =
        HeaderValue::from_str(row.get(2)).context("a stored media type is a header")?;
    let mut response = response(status, media_type, row.get(3));
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn response(status: StatusCode, media_type: HeaderValue, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    response
}

fn read_key(value: &HeaderValue) -> Result<String, Problem> {
    let text = value.to_str().unwrap_or("");
    if text.is_empty() || text.len() > KEY_LEN_MAX {
        return Err(INVALID_HEADER.because(format!(
            "Idempotency-Key must be 1 to {KEY_LEN_MAX} ASCII characters, such as a UUID."
        )));
    }
    Ok(text.to_owned())
}
