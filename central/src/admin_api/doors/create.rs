//! POST /api/v1/schools/{school_id}/doors

use axum::{extract::State, http::StatusCode, response::Response};

use super::check;
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::doors::{self, Door, DoorFields},
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Make a door
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/doors", operation_id = "create_door",
    tag = "doors",
    params(SchoolPath, IdempotencyKey),
    request_body = DoorFields,
    responses((status = 201, description = "Made", body = Door), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent { body, request }: Idempotent<DoorFields>,
) -> Result<Response, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let attempt = idempotency::begin(&transaction, &request, app.clock.now()).await?;
    if let Attempt::Answered(answer) = attempt {
        return Ok(answer);
    }
    check(&transaction, None, &body).await?;
    let door = doors::insert(&transaction, school_id, &body).await?;
    idempotency::finish(transaction, &request, StatusCode::CREATED, &door).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_door_has_sensible_times_unless_said() {
        let central = testing::central().await;
        let site = central.site().await;
        let door = central
            .get(&format!("{}/doors/{}", site.school, site.door_id))
            .await
            .json;
        assert_eq!(
            (&door["release_time_ms"], &door["kind"]),
            (&json!(5_000), &json!("turnstile"))
        );
    }

    #[tokio::test]
    async fn what_makes_no_sense_together_is_refused_by_field() {
        let central = testing::central().await;
        let site = central.site().await;
        let other = central.site().await;
        let cases = [
            ("passage", json!("door_contact"), "passage"),
            (
                "extended_release_time_ms",
                json!(200),
                "extended_release_time_ms",
            ),
            ("pre_alarm_ms", json!(40_000), "pre_alarm_ms"),
            ("release_time_ms", json!(99), "release_time_ms"),
            ("kind", json!("portal"), "kind"),
            ("gate_id", json!(other.gate_id), "gate_id"),
        ];
        for (name, value, field) in cases {
            let mut door = json!({
                "gate_id": site.gate_id, "name": "Side door", "kind": "door", "lock_type": "fail_safe",
                "contact": "absent", "passage": "none",
            });
            door[name] = value;
            let answer = central.post(&format!("{}/doors", site.school), door).await;
            assert_eq!(
                (answer.status, &answer.json["errors"][0]["field"]),
                (422, &json!(field))
            );
        }
    }

    #[tokio::test]
    async fn a_gate_has_at_most_eight_doors() {
        let central = testing::central().await;
        let site = central.site().await;
        let door = json!({
            "gate_id": site.gate_id, "name": "Side door", "kind": "door", "lock_type": "fail_safe",
            "contact": "present", "passage": "door_contact",
        });
        let doors = format!("{}/doors", site.school);
        for _ in 0..7 {
            assert_eq!(central.post(&doors, door.clone()).await.status, 201);
        }
        let answer = central.post(&doors, door.clone()).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (409, &json!("gate_full"))
        );
        // One of the eight can still be changed.
        let path = format!("{doors}/{}", site.door_id);
        assert_eq!(central.put(&path, door).await.status, 200);
    }
}
