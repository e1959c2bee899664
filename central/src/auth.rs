//! Who asks? The one place that decides it for administrators. (Gates sign their requests
//! instead; see the gate API.)

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{StatusCode, header, request::Parts},
    middleware::Next,
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    app::SharedApp,
    db::admin_tokens,
    ids::AdminTokenId,
    problem::{Kind, Problem, UNAUTHENTICATED},
    randomness::Randomness,
};

/// Lets people and secret scanners recognise a token.
const PREFIX: &str = "portcullis_admin_";
const SECRET_LEN: usize = 32;

/// A route of administrators was reached around their layer: a bug in the router.
const UNGUARDED: Kind = Kind::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "internal_error",
    "Central failed",
);

/// Whoever showed a valid administrator's token. Only [`require_administrator`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator {
    /// Which token.
    pub token_id: AdminTokenId,
    /// Whose, in the words of whoever made it.
    pub name: String,
}

/// A token as its bearer keeps it. Never logged, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// A new one.
    #[must_use]
    pub fn generate(randomness: &Randomness) -> Self {
        Self(format!(
            "{PREFIX}{}",
            URL_SAFE_NO_PAD.encode(randomness.bytes::<SECRET_LEN>())
        ))
    }

    /// What central stores and compares. A secret of 256 random bits needs no slow hash.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The secret itself, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

/// The layer around every route of administrators.
///
/// # Errors
/// [`UNAUTHENTICATED`] unless the request carries a token that is stored and not revoked.
pub async fn require_administrator(
    State(app): State<SharedApp>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let token = bearer(&request)?;
    let connection = app.db.connection().await?;
    let found = admin_tokens::find(&connection, &token.sha256(), app.clock.now()).await?;
    // Back to the pool before the handler takes one of its own.
    drop(connection);
    let Some(administrator) = found else {
        return Err(UNAUTHENTICATED.because(
            "This token is not known or was revoked. Make one with `central admin token create --name NAME`.",
        ));
    };
    app.metrics
        .administrator_seen(administrator.token_id, app.clock.now());
    request.extensions_mut().insert(administrator);
    Ok(next.run(request).await)
}

impl<S: Send + Sync> FromRequestParts<S> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem {
                cause: Some(anyhow::anyhow!(
                    "{} is not among the administrators' routes",
                    parts.uri.path()
                )),
                ..UNGUARDED.because("Central's log has the cause under this request's id.")
            })
    }
}

fn bearer(request: &Request) -> Result<AdminToken, Problem> {
    let Some(header) = request.headers().get(header::AUTHORIZATION) else {
        return Err(UNAUTHENTICATED.because("Send the header `Authorization: Bearer TOKEN`."));
    };
    let token = header.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match token {
        Some(token) if token.starts_with(PREFIX) => Ok(AdminToken(token.to_owned())),
        Some(_) | None => Err(UNAUTHENTICATED.because(format!(
            "The header `Authorization` must be `Bearer` and a token that begins with {PREFIX}."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{router, testing};

    #[tokio::test]
    async fn no_route_of_administrators_answers_without_a_token() {
        let central = testing::central().await;
        let document = serde_json::to_value(router::document(&central.app)).unwrap();
        let mut tried = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            if !path.starts_with("/api/v1/") {
                continue;
            }
            let path = path.replace("{", "").replace("}", "");
            for method in operations.as_object().unwrap().keys() {
                let method = method.to_uppercase();
                let answer = central.send_as(None, &method, &path, None).await;
                assert_eq!(answer.status, 401, "{method} {path}");
                tried += 1;
            }
        }
        assert!(tried > 0, "there are routes to try");
    }

    #[tokio::test]
    async fn a_token_that_is_not_stored_is_refused() {
        let central = testing::central().await;
        let other = AdminToken::generate(&Randomness::System);
        for token in [other.reveal(), "portcullis_admin_", "secret"] {
            let answer = central
                .send_as(Some(token), "GET", "/api/v1/schools", None)
                .await;
            assert_eq!(answer.status, 401);
            assert_eq!(answer.json["code"], "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        assert_eq!(central.get("/api/v1/schools").await.status, 200);
    }

    #[tokio::test]
    async fn a_token_is_worthless_once_revoked_or_expired() {
        let central = testing::central().await;
        let connection = central.app.db.connection().await.unwrap();
        let now = central.app.clock.now();
        let expiring = AdminToken::generate(&Randomness::System);
        let id = AdminTokenId(Randomness::System.uuid(now));
        let hour = std::time::Duration::from_secs(3600);
        let name = "Ms Okafor".parse().unwrap();
        let expires_at = Some(now.plus(hour));
        admin_tokens::insert(&connection, id, &name, &expiring.sha256(), now, expires_at)
            .await
            .unwrap();
        let status = async |token: &str| {
            central
                .send_as(Some(token), "GET", "/api/v1/schools", None)
                .await
                .status
        };
        assert_eq!(status(expiring.reveal()).await, 200);
        central.clock.advance(hour);
        assert_eq!(status(expiring.reveal()).await, 401);
        assert_eq!(status(&central.token).await, 200);
        let all = admin_tokens::list(&connection).await.unwrap();
        let own = all
            .iter()
            .find(|token| token.expires_at.is_none())
            .unwrap()
            .token_id;
        assert_eq!(
            admin_tokens::revoke(&connection, own, now).await.unwrap(),
            1
        );
        assert_eq!(
            admin_tokens::revoke(&connection, own, now).await.unwrap(),
            0
        );
        assert_eq!(status(&central.token).await, 401);
    }
}
