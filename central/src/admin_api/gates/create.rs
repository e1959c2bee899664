//! POST /api/v1/schools/{school_id}/gates

use axum::{extract::State, http::StatusCode, response::Response};

use super::check;
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::gates::{self, Gate, GateFields},
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    ids::GateId,
    openapi::{Invalid, NotFound},
    problem::Problem,
};

/// Make a gate
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/gates", operation_id = "create_gate",
    tag = "gates",
    params(SchoolPath, IdempotencyKey),
    request_body = GateFields,
    responses((status = 201, description = "Made", body = Gate), NotFound, Invalid),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent { body, request }: Idempotent<GateFields>,
) -> Result<Response, Problem> {
    check(&body)?;
    let now = app.clock.now();
    let gate_id = GateId(app.randomness.uuid(now));
    let transaction = schools::begin_in(&app, school_id).await?;
    let attempt = idempotency::begin(&transaction, &request, now).await?;
    if let Attempt::Answered(answer) = attempt {
        return Ok(answer);
    }
    let gate = gates::insert(&transaction, school_id, gate_id, &body, now).await?;
    idempotency::finish(transaction, &request, StatusCode::CREATED, &gate).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_gate_is_made_with_the_standard_policies() {
        let central = testing::central().await;
        let gates = format!("{}/gates", central.school_path().await);
        let made = central.post(&gates, json!({"name": "Main gate"})).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json["state"], "created");
        assert_eq!(made.json["policies"]["freshness"]["warn_s"], 86_400);
        let path = format!("{gates}/{}", made.json["gate_id"].as_str().unwrap());
        assert_eq!(central.get(&path).await.json, made.json);
    }

    #[tokio::test]
    async fn limits_that_make_no_sense_are_refused_by_field() {
        let central = testing::central().await;
        let gates = format!("{}/gates", central.school_path().await);
        for (body, field) in [
            (json!({"name": "A", "sync": {"pull_s": 0}}), "sync.pull_s"),
            (json!({"name": "A", "sync": {"pull": 5}}), "sync.pull"),
            (
                json!({"name": "A", "policies": {"proof_tolerance_s": 301}}),
                "policies.proof_tolerance_s",
            ),
            (
                json!({"name": "A", "policies": {"freshness": {"fresh_s": 90_000}}}),
                "policies.freshness",
            ),
        ] {
            let answer = central.post(&gates, body).await;
            assert_eq!(
                (answer.status, &answer.json["errors"][0]["field"]),
                (422, &json!(field))
            );
        }
    }
}
