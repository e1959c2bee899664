//! POST /api/v1/schools/{school_id}/access-points

use axum::{extract::State, http::StatusCode, response::Response};

use super::check;
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::access_points::{self, AccessPoint, AccessPointFields},
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Make an access point
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/access-points", operation_id = "create_access_point",
    tag = "access points",
    params(SchoolPath, IdempotencyKey),
    request_body = AccessPointFields,
    responses((status = 201, description = "Made", body = AccessPoint), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent { body, request }: Idempotent<AccessPointFields>,
) -> Result<Response, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let attempt = idempotency::begin(&transaction, &request, app.clock.now()).await?;
    if let Attempt::Answered(answer) = attempt {
        return Ok(answer);
    }
    check(&transaction, None, &body).await?;
    let access_point = access_points::insert(&transaction, school_id, &body).await?;
    idempotency::finish(transaction, &request, StatusCode::CREATED, &access_point).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn an_access_point_leads_from_outside_in_with_the_standard_policies() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/access-points/{}", site.school, site.entry_id);
        let point = central.get(&path).await.json;
        assert_eq!(
            (&point["from_area_id"], &point["to_area_id"]),
            (&json!(null), &json!(site.area_id))
        );
        assert_eq!(point["policies"]["anti_passback"], json!({"policy": "off"}));
    }

    #[tokio::test]
    async fn an_access_point_needs_a_door_and_areas_of_its_school() {
        let central = testing::central().await;
        let (site, other) = (central.site().await, central.site().await);
        let points = format!("{}/access-points", site.school);
        for (body, field) in [
            (
                json!({"door_id": other.door_id, "name": "In", "to_area_id": site.area_id}),
                "door_id",
            ),
            (
                json!({"door_id": site.door_id, "name": "In", "to_area_id": other.area_id}),
                "to_area_id",
            ),
            (json!({"door_id": site.door_id, "name": "In"}), "to_area_id"),
            (
                json!({"door_id": site.door_id, "name": "In", "to_area_id": site.area_id,
                "policies": {"live_pass": "sometimes"}}),
                "policies.live_pass",
            ),
        ] {
            let answer = central.post(&points, body).await;
            assert_eq!(
                (answer.status, &answer.json["errors"][0]["field"]),
                (422, &json!(field))
            );
        }
    }

    #[tokio::test]
    async fn a_gate_has_at_most_sixteen_access_points() {
        let central = testing::central().await;
        let site = central.site().await;
        let points = format!("{}/access-points", site.school);
        let body = json!({"door_id": site.door_id, "name": "In", "to_area_id": site.area_id});
        for _ in 0..14 {
            assert_eq!(central.post(&points, body.clone()).await.status, 201);
        }
        let answer = central.post(&points, body).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (409, &json!("gate_full"))
        );
    }
}
