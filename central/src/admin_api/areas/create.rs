//! POST /api/v1/schools/{school_id}/areas

use axum::{extract::State, http::StatusCode, response::Response};

use super::{Fields, refused};
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::areas::{self, Area},
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Make an area
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/areas", operation_id = "create_area", tag = "areas",
    params(SchoolPath, IdempotencyKey),
    request_body = Fields,
    responses((status = 201, description = "Made", body = Area), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent { body, request }: Idempotent<Fields>,
) -> Result<Response, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let attempt = idempotency::begin(&transaction, &request, app.clock.now()).await?;
    if let Attempt::Answered(answer) = attempt {
        return Ok(answer);
    }
    let area = areas::insert(&transaction, school_id, &body.name, body.capacity())
        .await
        .map_err(|error| refused(error, &body.name))?;
    idempotency::finish(transaction, &request, StatusCode::CREATED, &area).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn an_area_is_made_and_can_be_read() {
        let central = testing::central().await;
        let areas = format!("{}/areas", central.school_path().await);
        let made = central
            .post(&areas, json!({"name": "Library", "capacity": 80}))
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        let path = format!("{areas}/{}", made.json["area_id"]);
        assert_eq!(central.get(&path).await.json, made.json);
        assert_eq!(made.json["capacity"], 80);
    }

    #[tokio::test]
    async fn two_areas_of_a_school_do_not_share_a_name_but_two_schools_may() {
        let central = testing::central().await;
        let body = json!({"name": "Library"});
        for (school, status) in [
            (central.school_path().await, 201),
            (central.school_path().await, 201),
        ] {
            let areas = format!("{school}/areas");
            assert_eq!(central.post(&areas, body.clone()).await.status, status);
            let again = central.post(&areas, body.clone()).await;
            assert_eq!(
                (again.status, &again.json["code"]),
                (409, &json!("name_taken"))
            );
        }
    }

    #[tokio::test]
    async fn an_area_needs_a_school_that_exists_and_a_sensible_capacity() {
        let central = testing::central().await;
        let nowhere = "/api/v1/schools/01920000-0000-7000-8000-000000000000/areas";
        let answer = central.post(nowhere, json!({"name": "Library"})).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &json!("school_not_found"))
        );
        let areas = format!("{}/areas", central.school_path().await);
        for capacity in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!("many"),
            json!(4_000_000_000_u32),
        ] {
            let answer = central
                .post(&areas, json!({"name": "Library", "capacity": capacity}))
                .await;
            assert_eq!(
                (answer.status, &answer.json["errors"][0]["field"]),
                (422, &json!("capacity"))
            );
        }
    }
}
