//! POST /api/v1/schools/{school_id}/passes

use anyhow::Context;
use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::issuing::{self, HolderKey, TemplateFields};
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::passes::{self, HolderKind, Pass, PassId},
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    ids::{AccessLevelId, StudentId},
    instant::UtcInstant,
    issuing::Holder,
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// What is said about a new pass.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPass {
    /// The holder; without one nobody is recognised by the pass.
    #[serde(default)]
    student_id: Option<StudentId>,
    /// The key of the holder's phone: makes it a live pass.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    holder_key: Option<HolderKey>,
    /// What kind of person the holder is.
    #[serde(default = "student")]
    holder_kind: HolderKind,
    /// The first instant at which it is good, in whole seconds; now unless said.
    #[serde(default)]
    not_before: Option<UtcInstant>,
    /// The first instant at which it is good no more, in whole seconds.
    expires_at: UtcInstant,
    /// How often it may be used; 0 is without limit.
    #[serde(default)]
    uses_max: u32,
    /// Where and when it admits: at most 16 access levels.
    levels: Vec<AccessLevelId>,
}

fn student() -> HolderKind {
    HolderKind::Student
}

/// Issue a pass
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/passes", operation_id = "issue_pass", tag = "passes",
    params(SchoolPath, IdempotencyKey),
    request_body = NewPass,
    responses((status = 201, description = "Issued", body = Pass), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent { body, request }: Idempotent<NewPass>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let transaction = schools::begin_in(&app, school_id).await?;
    if let Attempt::Answered(answer) = idempotency::begin(&transaction, &request, now).await? {
        return Ok(answer);
    }
    let holder = Holder {
        student_id: body.student_id,
        holder_key: body.holder_key.map(Into::into),
    };
    let fields = TemplateFields {
        holder_kind: body.holder_kind,
        not_before: body.not_before,
        expires_at: body.expires_at,
        uses_max: body.uses_max,
        levels: body.levels,
    };
    let issued = issuing::issue(&app, &transaction, school_id, &fields, &[holder], now).await?;
    let id = PassId {
        kid: issued.kid,
        serial: issued.first,
    };
    let pass = passes::get(&transaction, school_id, id)
        .await?
        .with_context(|| format!("the pass {id} was issued and is not there"))?;
    let answer = idempotency::finish(transaction, &request, StatusCode::CREATED, &pass).await?;
    issuing::list(&app, school_id, issued).await;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::{
        base45,
        keys::Sign as _,
        pass::{Claims, PASS_EXTERNAL_DATA, STATIC_PREFIX},
    };

    use crate::{
        keys::PrivateKey,
        testing::{self, TestCentral, keys::central_with_keys},
    };

    const YEAR_END: &str = "2027-07-31T00:00:00Z";

    async fn claims(central: &TestCentral, path: &str) -> Claims {
        let text = central.get(&format!("{path}/text")).await.text;
        let bytes = base45::decode(text.strip_prefix(STATIC_PREFIX).unwrap()).unwrap();
        let parsed = shared::cose::Sign1::parse(&bytes).unwrap();
        let kid = path.split('/').rev().nth(1).unwrap();
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let key = crate::db::signing_keys::get(&transaction, kid.parse().unwrap())
            .await
            .unwrap()
            .unwrap();
        let key = key.pair.public_key.decompress().unwrap();
        assert!(parsed.signed_by(&key, PASS_EXTERNAL_DATA));
        Claims::decode(parsed.payload).unwrap()
    }

    #[tokio::test]
    async fn a_pass_says_what_was_asked_and_verifies() {
        let (central, keys) = central_with_keys().await;
        let site = central.site().await;
        keys.issuer(&central, &site.school).await;
        let student = json!({"student_number": "1", "name": "Amara Nwosu"});
        let student = central
            .post(&format!("{}/students", site.school), student)
            .await;
        let body = json!({
            "student_id": student.json["student_id"], "expires_at": YEAR_END, "uses_max": 3,
            "levels": [site.level, site.level],
        });
        let passes = format!("{}/passes", site.school);
        let made = central.post(&passes, body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json["serial"], 0);
        assert_eq!(made.json["state"], "valid");
        assert_eq!(made.json["form"], "static");
        assert_eq!(made.json["not_before"], "2026-09-01T08:00:00Z");
        let path = format!("{passes}/{}/0", made.json["kid"].as_str().unwrap());
        assert_eq!(central.get(&path).await.json, made.json);
        let claims = claims(&central, &path).await;
        assert_eq!(claims.uses_max, 3);
        assert_eq!(claims.levels.as_slice().len(), 1);
        assert_eq!(claims.holder_key, None);
        let id = site.school.rsplit('/').next().unwrap();
        let counted = format!(
            "student_pass_requests_total{{type=\"issue\",status=\"issued\",school_id=\"{id}\"}} 1"
        );
        let metrics = central.get("/metrics").await.text;
        assert!(metrics.contains(&counted), "{metrics}");
    }

    #[tokio::test]
    async fn a_live_pass_carries_the_holders_key() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        keys.issuer(&central, &school).await;
        let holder = PrivateKey::from_seed(&[5; 32]);
        let body = json!({
            "holder_key": shared::ids::Digest(holder.public().0).to_string(),
            "expires_at": YEAR_END, "levels": [],
        });
        let made = central.post(&format!("{school}/passes"), body).await;
        assert_eq!(made.json["form"], "live", "{}", made.text);
        let path = format!("{school}/passes/{}/0", made.json["kid"].as_str().unwrap());
        let claims = claims(&central, &path).await;
        assert_eq!(claims.holder_key.map(|key| key.kid()), Some(holder.kid()));
    }

    #[tokio::test]
    async fn the_same_idempotency_key_issues_one_pass() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        keys.issuer(&central, &school).await;
        let issue = async || {
            let request = axum::http::Request::post(format!("{school}/passes"))
                .header("authorization", format!("Bearer {}", central.token))
                .header("content-type", "application/json")
                .header("idempotency-key", "k")
                .body(
                    json!({"expires_at": YEAR_END, "levels": []})
                        .to_string()
                        .into(),
                )
                .unwrap();
            central.send(request).await
        };
        let (one, two) = tokio::join!(issue(), issue());
        assert_eq!(one.bytes, two.bytes);
        let list = central.get(&format!("{school}/passes")).await.json;
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_no_pass_can_be_is_refused_with_what_to_do() {
        let (central, keys) = central_with_keys().await;
        let site = central.site().await;
        let passes = format!("{}/passes", site.school);
        let none = central
            .post(&passes, json!({"expires_at": YEAR_END, "levels": []}))
            .await;
        assert_eq!(
            (none.status, &none.json["code"]),
            (409, &json!("no_issuer_key"))
        );
        keys.issuer(&central, &site.school).await;
        let nobody = "0198f0c0-0000-7000-8000-000000000001";
        for (body, field) in [
            (
                json!({"expires_at": YEAR_END, "levels": [site.level + 1]}),
                "levels",
            ),
            (json!({"expires_at": YEAR_END, "levels": [300]}), "levels"),
            (
                json!({"expires_at": "2026-09-01T08:00:00Z", "levels": []}),
                "expires_at",
            ),
            (
                json!({"expires_at": "2036-09-01T08:00:00Z", "levels": []}),
                "expires_at",
            ),
            (
                json!({"expires_at": YEAR_END, "not_before": "2026-08-01T00:00:00Z", "levels": []}),
                "not_before",
            ),
            (
                json!({"expires_at": YEAR_END, "levels": [], "student_id": nobody}),
                "student_id",
            ),
        ] {
            let answer = central.post(&passes, body).await;
            assert_eq!(answer.status, 422, "{}", answer.text);
            assert_eq!(answer.json["errors"][0]["field"], field, "{}", answer.text);
        }
        for key in ["00", &"0".repeat(64)] {
            let body = json!({"expires_at": YEAR_END, "levels": [], "holder_key": key});
            assert_eq!(central.post(&passes, body).await.status, 422);
        }
        let list = central.get(&passes).await.json;
        assert_eq!(list["items"], json!([]));
    }

    #[tokio::test]
    async fn a_key_whose_signing_window_has_closed_issues_nothing() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        keys.issuer(&central, &school).await;
        central
            .clock
            .advance(std::time::Duration::from_secs(367 * 86_400));
        let body = json!({"expires_at": "2028-01-01T00:00:00Z", "levels": []});
        let late = central.post(&format!("{school}/passes"), body).await;
        assert_eq!(late.status, 422, "{}", late.text);
        assert_eq!(late.json["errors"][0]["field"], "not_before");
    }

    #[tokio::test]
    async fn a_pass_of_another_school_is_not_to_be_seen() {
        let (central, keys) = central_with_keys().await;
        let (school, other) = (central.school_path().await, central.school_path().await);
        let kid = keys.issuer(&central, &school).await;
        let body = json!({"expires_at": YEAR_END, "levels": []});
        assert_eq!(
            central.post(&format!("{school}/passes"), body).await.status,
            201
        );
        for part in ["", "/text", "/qr.svg", "/qr.png"] {
            let answer = central.get(&format!("{other}/passes/{kid}/0{part}")).await;
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (404, &json!("pass_not_found"))
            );
            let answer = central.get(&format!("{school}/passes/{kid}/0{part}")).await;
            assert_eq!(answer.status, 200);
        }
    }

    #[tokio::test]
    async fn without_keys_nothing_is_issued() {
        let central = testing::central().await;
        let school = central.school_path().await;
        let body = json!({"expires_at": YEAR_END, "levels": []});
        let answer = central.post(&format!("{school}/passes"), body).await;
        assert_eq!(answer.json["code"], "no_issuer_key");
    }
}
