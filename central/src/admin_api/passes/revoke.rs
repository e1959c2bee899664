//! POST /api/v1/schools/{school_id}/passes/{kid}/{serial}/revoke

use axum::extract::State;

use super::{
    PassPath,
    changing::{self, Change},
};
use crate::{
    app::SharedApp,
    db::passes::{Pass, PassState},
    extract::{Json, Path},
    openapi::{BadRequest, Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Revoke a pass for ever; doing it again changes nothing
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/passes/{kid}/{serial}/revoke",
    operation_id = "revoke_pass", tag = "passes",
    params(PassPath),
    request_body = Change,
    responses(
        (status = 200, description = "Revoked; the new status list is published", body = Pass),
        BadRequest, NotFound, Conflict, Invalid,
    ),
    security(("administrator" = [])),
)]
pub async fn revoke(
    State(app): State<SharedApp>,
    Path(path): Path<PassPath>,
    Json(change): Json<Change>,
) -> Result<Json<Pass>, Problem> {
    let state = PassState::Revoked;
    changing::change_one(&app, path.school_id, path.id(), state, &change)
        .await
        .map(Json)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::{
        document::Verified,
        ids::Serial,
        status_list::{PassState, StatusBitmaps, StatusDelta, StatusList, StatusSets},
    };

    use crate::{
        db::{
            signed_documents::Subject,
            signing_keys::{self, KeyState},
        },
        ids::Kid,
        publishing::Which,
        testing::{TestCentral, keys::central_with_keys},
    };

    async fn newest(central: &TestCentral, kid: &str) -> Verified<StatusList> {
        let kid: Kid = kid.parse().unwrap();
        central.newest(Subject::Issuer(kid.0)).await
    }

    async fn sets(central: &TestCentral, kid: &str) -> StatusSets {
        StatusSets::decode(newest(central, kid).await.document()).unwrap()
    }

    async fn with_passes(count: usize) -> (TestCentral, String, String) {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid = keys.issuer(&central, &school).await;
        let passes = format!("{school}/passes");
        for _ in 0..count {
            let body = json!({"expires_at": "2027-07-31T00:00:00Z", "levels": []});
            assert_eq!(central.post(&passes, body).await.status, 201);
        }
        (central, passes, kid)
    }

    #[tokio::test]
    async fn the_list_has_the_change_when_the_answer_comes() {
        let (central, passes, kid) = with_passes(4).await;
        let post = async |serial: u32, verb: &str| {
            let path = format!("{passes}/{kid}/{serial}/{verb}");
            central.post(&path, json!({"reason": "lost"})).await
        };
        let revoked = post(1, "revoke").await;
        assert_eq!(revoked.status, 200, "{}", revoked.text);
        assert_eq!(revoked.json["state"], "revoked");
        assert_eq!(revoked.json["state_reason"], "lost");
        assert_eq!(revoked.json["state_changed_at"], "2026-09-01T08:00:00Z");
        assert_eq!(sets(&central, &kid).await.revoked, [1]);
        post(2, "suspend").await;
        post(3, "suspend").await;
        assert_eq!(sets(&central, &kid).await.suspended, [2, 3]);
        post(2, "reinstate").await;
        post(3, "revoke").await;
        let now = sets(&central, &kid).await;
        assert_eq!((now.revoked, now.suspended), (vec![1, 3], vec![]));
    }

    #[tokio::test]
    async fn the_list_equals_the_states_of_the_passes() {
        let (central, passes, kid) = with_passes(12).await;
        let many = |serials: &[u32]| {
            let ids: Vec<Value> = serials
                .iter()
                .map(|serial| json!({"kid": kid, "serial": serial}))
                .collect();
            json!({"passes": ids, "reason": "left"})
        };
        for (verb, serials, changed) in [
            ("suspend", &[1, 2, 3, 4, 5][..], 5),
            ("suspend", &[4, 5, 6], 1),
            ("revoke", &[2, 9, 10], 3),
            ("reinstate", &[1, 0, 6], 2),
        ] {
            let answer = central
                .post(&format!("{passes}/{verb}"), many(serials))
                .await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.json["changed"], changed, "{verb}");
        }
        let bitmaps = StatusBitmaps::new(&sets(&central, &kid).await);
        let list = central.get(&passes).await.json;
        for pass in list["items"].as_array().unwrap() {
            let serial = u32::try_from(pass["serial"].as_u64().unwrap()).unwrap();
            let listed = match bitmaps.state(Serial(serial)) {
                PassState::Valid => "valid",
                PassState::Revoked => "revoked",
                PassState::Suspended => "suspended",
            };
            assert_eq!(pass["state"], listed, "serial {serial}");
        }
    }

    #[tokio::test]
    async fn a_revoked_pass_never_comes_back() {
        let (central, passes, kid) = with_passes(1).await;
        let post = async |verb: &str| {
            let path = format!("{passes}/{kid}/0/{verb}");
            central.post(&path, json!({})).await
        };
        assert_eq!(post("revoke").await.status, 200);
        let list = newest(&central, &kid).await;
        assert_eq!(post("revoke").await.status, 200);
        for verb in ["reinstate", "suspend"] {
            let refused = post(verb).await;
            assert_eq!(
                (refused.status, &refused.json["code"]),
                (409, &json!("pass_is_revoked"))
            );
        }
        assert_eq!(newest(&central, &kid).await, list);
    }

    #[tokio::test]
    async fn all_change_or_none() {
        let (central, passes, kid) = with_passes(2).await;
        let id = |serial: i32| json!({"kid": kid, "serial": serial});
        let body = json!({"passes": [id(0), id(7)]});
        let refused = central.post(&format!("{passes}/revoke"), body).await;
        assert_eq!(refused.json["errors"][0]["field"], "passes");
        let nobody = central
            .post(&format!("{passes}/{kid}/7/revoke"), json!({}))
            .await;
        assert_eq!(nobody.json["code"], "pass_not_found");
        assert!(sets(&central, &kid).await.revoked.is_empty());
    }

    #[tokio::test]
    async fn a_crash_between_change_and_publication_heals() {
        let (central, _, kid) = with_passes(3).await;
        // As the first half of a revocation leaves it.
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let half = "UPDATE passes SET state = 'revoked' WHERE serial = 1; \
            UPDATE signing_keys SET status_version = status_version + 1 WHERE next_serial > 0";
        transaction.batch_execute(half).await.unwrap();
        transaction.commit().await.unwrap();
        assert!(sets(&central, &kid).await.revoked.is_empty());
        let publisher = central.app.publisher();
        assert_eq!(publisher.catch_up(Which::All).await.unwrap(), 1);
        assert_eq!(sets(&central, &kid).await.revoked, [1]);
        assert_eq!(publisher.catch_up(Which::All).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_list_is_renewed_long_before_it_expires() {
        let (central, _, kid) = with_passes(1).await;
        let first = newest(&central, &kid).await;
        let publisher = central.app.publisher();
        let day = std::time::Duration::from_secs(86_400);
        central.clock.advance(4 * day);
        publisher.catch_up(Which::All).await.unwrap();
        assert_eq!(newest(&central, &kid).await, first);
        central.clock.advance(2 * day);
        publisher.catch_up(Which::All).await.unwrap();
        let header = newest(&central, &kid).await.document().header;
        assert_eq!(header.number.n, first.document().header.number.n + 1);
        assert_eq!(header.expires_at.since(header.made_at), 40 * 86_400);
    }

    #[tokio::test]
    async fn a_revocation_is_signed_by_a_key_that_gates_believe_now() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid = keys.issuer(&central, &school).await;
        let passes = format!("{school}/passes");
        let body = json!({"expires_at": "2027-07-31T00:00:00Z", "levels": []});
        assert_eq!(central.post(&passes, body).await.status, 201);
        keys.make_statement_key(&central).await;
        keys.publish_trust_list(&central).await;
        // The key in use is stolen and revoked by a command; this server has not looked yet.
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let stolen = signing_keys::statement_key(&transaction).await.unwrap();
        let stolen = stolen.unwrap().kid;
        signing_keys::set_state(&transaction, stolen, KeyState::Revoked)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        keys.publish_trust_list(&central).await;

        let path = format!("{passes}/{kid}/0/revoke");
        assert_eq!(central.post(&path, json!({})).await.status, 200);
        // By a key of the newest trust list.
        let sets = sets(&central, &kid).await;
        assert_eq!(
            StatusBitmaps::new(&sets).state(Serial(0)),
            PassState::Revoked
        );
    }

    #[tokio::test]
    async fn a_delta_between_kept_lists_rebuilds_the_newest() {
        let (central, passes, kid) = with_passes(6).await;
        let old = newest(&central, &kid).await.into_document();
        for serial in [5, 2] {
            central
                .post(&format!("{passes}/{kid}/{serial}/revoke"), json!({}))
                .await;
        }
        let new = newest(&central, &kid).await;
        let delta = StatusDelta::between(&old, new.bytes()).unwrap();
        assert_eq!(delta.apply(&old).unwrap(), new.bytes());
    }
}
