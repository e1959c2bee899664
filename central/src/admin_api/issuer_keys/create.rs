//! POST /api/v1/schools/{school_id}/issuer-keys

use std::time::Duration;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::IssuerKey;
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    instant::UtcInstant,
    keys::pairs::{self, KeyWindows},
    openapi::{Invalid, NotFound},
    problem::Problem,
};

/// What is said about a new issuer key; what is left out holds for a school year from now.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewIssuerKey {
    /// The first instant at which a pass may begin; now unless said.
    signing_from: Option<UtcInstant>,
    /// No pass begins from here on; a year after `signing_from` unless said.
    signing_until: Option<UtcInstant>,
    /// No pass is looked at from here on; 400 days after `signing_until` unless said.
    verification_until: Option<UtcInstant>,
}

/// Make an issuer key and its standby key
///
/// It issues once a trust list names it: run `central keys trust-list publish`. The key that
/// issued until then stays good for its passes.
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/issuer-keys", operation_id = "create_issuer_key",
    tag = "issuer keys",
    params(SchoolPath, IdempotencyKey),
    request_body = NewIssuerKey,
    responses((status = 201, description = "Made", body = IssuerKey), NotFound, Invalid),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent { body, request }: Idempotent<NewIssuerKey>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let windows = windows(&body, now)?;
    // Before a transaction is open: the signer may have to start.
    let (pair, standby) = (app.issuing.create().await?, app.issuing.create().await?);
    let transaction = schools::begin_in(&app, school_id).await?;
    if let Attempt::Answered(answer) = idempotency::begin(&transaction, &request, now).await? {
        return Ok(answer);
    }
    let key = pairs::insert(&transaction, school_id, windows, &pair, &standby, now).await?;
    tracing::info!(
        key.kid = %key.kid,
        school.id = %school_id,
        "issuer key {} of school {school_id} waits for a trust list to name it",
        key.kid
    );
    idempotency::finish(
        transaction,
        &request,
        StatusCode::CREATED,
        &IssuerKey::new(&key),
    )
    .await
}

fn windows(body: &NewIssuerKey, now: UtcInstant) -> Result<KeyWindows, Problem> {
    let usual = KeyWindows::usual(body.signing_from.unwrap_or(now), body.signing_until);
    let windows = KeyWindows {
        verification_until: body
            .verification_until
            .map_or(usual.verification_until, UtcInstant::whole_seconds),
        ..usual
    };
    if windows.signing_from >= windows.signing_until {
        return Err(Problem::invalid_field(
            "signing_until",
            "must lie after signing_from",
        ));
    }
    if windows.signing_until <= now {
        return Err(Problem::invalid_field(
            "signing_until",
            "must lie in the future",
        ));
    }
    if windows.verification_until < windows.signing_until {
        return Err(Problem::invalid_field(
            "verification_until",
            "must not lie before signing_until",
        ));
    }
    if windows.signing_until > windows.signing_from.plus(SIGNING_MAX) {
        return Err(Problem::invalid_field(
            "signing_until",
            "must lie within three years of signing_from: keys are replaced",
        ));
    }
    Ok(windows)
}

/// A key that leaks is frozen; one that is replaced before is worth less.
const SIGNING_MAX: Duration = Duration::from_secs(3 * 366 * 86_400);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{self, keys::central_with_keys};

    #[tokio::test]
    async fn a_new_key_waits_for_the_trust_list_and_then_takes_over() {
        let (central, keys) = central_with_keys().await;
        let path = format!("{}/issuer-keys", central.school_path().await);
        let first = central.post(&path, json!({})).await;
        assert_eq!(first.status, 201, "{}", first.text);
        assert_eq!(first.json["state"], "waiting");
        assert_eq!(first.json["signing"]["from"], "2026-09-01T08:00:00Z");
        assert_eq!(first.json["signing"]["until"], "2027-09-02T08:00:00Z");
        keys.publish_trust_list(&central).await;
        central.clock.advance(std::time::Duration::from_secs(60));
        let second = central.post(&path, json!({})).await;
        let states = async || {
            let list = central.get(&path).await.json;
            let of = |kid: &serde_json::Value| {
                let items = list["items"].as_array().unwrap();
                let key = items.iter().find(|key| key["kid"] == *kid).unwrap();
                key["state"].as_str().unwrap().to_owned()
            };
            (
                of(&first.json["kid"]),
                of(&first.json["standby_kid"]),
                of(&second.json["kid"]),
            )
        };
        assert_eq!(
            states().await,
            ("open".into(), "standby".into(), "waiting".into())
        );
        keys.publish_trust_list(&central).await;
        assert_eq!(
            states().await,
            ("closed".into(), "standby".into(), "open".into())
        );
    }

    #[tokio::test]
    async fn the_private_half_is_nowhere_in_the_database_in_the_clear() {
        let (central, _) = central_with_keys().await;
        let path = format!("{}/issuer-keys", central.school_path().await);
        assert_eq!(central.post(&path, json!({})).await.status, 201);
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let rows = transaction
            .query("SELECT public_key, sealed_private FROM signing_keys", &[])
            .await
            .unwrap();
        assert_eq!(rows.len(), 3);
        for row in rows {
            let (public, sealed): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
            // Whatever 32 bytes of it are taken for a seed, they do not make this key.
            for seed in sealed.windows(32) {
                let key = crate::keys::PrivateKey::from_seed(seed.try_into().unwrap());
                assert_ne!(key.public().0.as_slice(), public);
            }
        }
    }

    #[tokio::test]
    async fn windows_that_make_no_sense_are_refused_by_field() {
        let central = testing::central().await;
        let path = format!("{}/issuer-keys", central.school_path().await);
        for (body, field) in [
            (
                json!({"signing_until": "2026-08-01T00:00:00Z"}),
                "signing_until",
            ),
            (
                json!({"signing_from": "2020-01-01T00:00:00Z", "signing_until": "2021-01-01T00:00:00Z"}),
                "signing_until",
            ),
            (
                json!({"signing_until": "2036-08-01T00:00:00Z"}),
                "signing_until",
            ),
            (
                json!({"verification_until": "2026-10-01T00:00:00Z"}),
                "verification_until",
            ),
        ] {
            let answer = central.post(&path, body).await;
            assert_eq!(answer.status, 422, "{}", answer.text);
            assert_eq!(answer.json["errors"][0]["field"], field);
        }
    }
}
