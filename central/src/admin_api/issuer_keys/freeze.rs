//! POST /api/v1/schools/{school_id}/issuer-keys/{kid}/freeze

use axum::{extract::State, http::StatusCode};

use super::{IssuerKey, IssuerKeyPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::signing_keys::{self, KeyPurpose, KeyState},
    extract::{Json, Path},
    openapi::{Conflict, NotFound},
    problem::{Kind, PUBLICATION_DELAYED, Problem},
    publishing::trust,
};

/// Only an issuer key that may still issue can be frozen.
pub const CANNOT_FREEZE: Kind = Kind::new(
    StatusCode::CONFLICT,
    "cannot_freeze",
    "This key cannot be frozen",
);

/// Freeze an issuer key that leaked: it mints nothing any more, and every honest pass stays good
///
/// Its standby key issues from now on; passes that are being issued under it in this moment are
/// refused, and can be asked for again. Cannot be undone; doing it again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/issuer-keys/{kid}/freeze",
    operation_id = "freeze_issuer_key", tag = "issuer keys",
    params(IssuerKeyPath),
    responses((status = 200, description = "Frozen", body = IssuerKey), NotFound, Conflict),
    security(("administrator" = [])),
)]
pub async fn freeze(
    State(app): State<SharedApp>,
    Path(IssuerKeyPath { school_id, kid }): Path<IssuerKeyPath>,
) -> Result<Json<IssuerKey>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let key = signing_keys::get(&transaction, kid).await?;
    match key.map(|key| (key.purpose, key.state)) {
        None => return Err(not_found(kid)),
        Some((KeyPurpose::Standby | KeyPurpose::Statement, _)) => {
            return Err(CANNOT_FREEZE.because("A standby key has issued nothing."));
        }
        Some((KeyPurpose::Issuer, KeyState::Revoked)) => {
            return Err(CANNOT_FREEZE.because("It is revoked, which is more than frozen."));
        }
        Some((KeyPurpose::Issuer, KeyState::Open | KeyState::Closed | KeyState::Frozen)) => {}
    }
    trust::freeze(&transaction, kid).await?;
    let key = signing_keys::get(&transaction, kid).await?;
    transaction.commit().await?;
    tracing::warn!(key.kid = %kid, school.id = %school_id, "issuer key {kid} is frozen");
    if let Err(error) = app.publisher().issued_list(kid).await {
        return Err(Problem {
            cause: Some(error),
            ..PUBLICATION_DELAYED.because(
                "The key is frozen, and gates hear of it as soon as the list can be signed.",
            )
        });
    }
    let key = key.ok_or_else(|| not_found(kid))?;
    Ok(Json(IssuerKey::new(&key)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::issued_list::{Growth, IssuedList};

    use crate::{
        db::{
            signed_documents::Subject,
            signing_keys::{self, KeyState},
        },
        publishing::Which,
        testing::{TestCentral, keys::central_with_keys},
    };

    async fn issued_list(central: &TestCentral, kid: &str) -> IssuedList {
        let kid: crate::ids::Kid = kid.parse().unwrap();
        let newest = central.newest(Subject::Issuer(kid.0)).await;
        newest.into_document()
    }

    #[tokio::test]
    async fn a_frozen_key_issues_nothing_more_and_its_standby_key_goes_on_at_once() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid = keys.issuer(&central, &school).await;
        let pass = json!({"expires_at": "2027-07-31T00:00:00Z", "levels": []});
        let passes = format!("{school}/passes");
        let first = central.post(&passes, pass.clone()).await;
        assert_eq!((first.status, &first.json["kid"]), (201, &json!(kid)));

        let freeze = format!("{school}/issuer-keys/{kid}/freeze");
        for _ in 0..2 {
            let frozen = central.post(&freeze, json!(null)).await;
            assert_eq!(frozen.status, 200, "{}", frozen.text);
            assert_eq!(frozen.json["state"], "frozen");
        }
        let list = issued_list(&central, &kid).await;
        assert_eq!((list.count, list.growth), (1, Growth::Frozen));

        let second = central.post(&passes, pass).await;
        assert_eq!(second.status, 201, "{}", second.text);
        assert_ne!(second.json["kid"], json!(kid));
        assert_eq!(second.json["serial"], 0);
        let after = issued_list(&central, &kid).await;
        assert_eq!(after, list);
        let standby = issued_list(&central, second.json["kid"].as_str().unwrap()).await;
        assert_eq!((standby.count, standby.growth), (1, Growth::Open));
    }

    #[tokio::test]
    async fn a_frozen_key_that_is_revoked_stays_frozen_for_gates() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid = keys.issuer(&central, &school).await;
        let freeze = format!("{school}/issuer-keys/{kid}/freeze");
        assert_eq!(central.post(&freeze, json!(null)).await.status, 200);
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        signing_keys::set_state(&transaction, kid.parse().unwrap(), KeyState::Revoked)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        keys.publish_trust_list(&central).await;
        central.app.publisher().catch_up(Which::All).await.unwrap();
        assert_eq!(issued_list(&central, &kid).await.growth, Growth::Frozen);
    }

    #[tokio::test]
    async fn a_standby_key_and_a_key_of_another_school_are_not_frozen() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let other = central.school_path().await;
        let kid = keys.issuer(&central, &school).await;
        let list = central.get(&format!("{school}/issuer-keys")).await.json;
        let standby = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["state"] == "standby")
            .unwrap()["kid"]
            .as_str()
            .unwrap()
            .to_owned();
        for (path, status, code) in [
            (
                format!("{school}/issuer-keys/{standby}/freeze"),
                409,
                "cannot_freeze",
            ),
            (
                format!("{other}/issuer-keys/{kid}/freeze"),
                404,
                "issuer_key_not_found",
            ),
        ] {
            let answer = central.post(&path, json!(null)).await;
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (status, &json!(code))
            );
        }
    }
}
