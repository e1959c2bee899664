//! PUT /api/v1/schools/{school_id}/areas/{area_id}

use axum::extract::State;

use super::{AreaPath, Fields, not_found, refused};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::areas::{self, Area},
    extract::{Json, Path},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Change an area
#[utoipa::path(
    put, path = "/api/v1/schools/{school_id}/areas/{area_id}", operation_id = "update_area", tag = "areas",
    params(AreaPath),
    request_body = Fields,
    responses((status = 200, description = "Changed", body = Area), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn update(
    State(app): State<SharedApp>,
    Path(AreaPath { school_id, area_id }): Path<AreaPath>,
    Json(body): Json<Fields>,
) -> Result<Json<Area>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let area = areas::update(&transaction, area_id, &body.name, body.capacity())
        .await
        .map_err(|error| refused(error, &body.name))?;
    let Some(area) = area else {
        return Err(not_found(area_id));
    };
    transaction.commit().await?;
    Ok(Json(area))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn an_area_changes_and_what_is_left_out_is_cleared() {
        let central = testing::central().await;
        let areas = format!("{}/areas", central.school_path().await);
        let made = central
            .post(&areas, json!({"name": "Library", "capacity": 80}))
            .await;
        let path = format!("{areas}/{}", made.json["area_id"]);
        assert_eq!(central.put(&path, json!({"name": "Gym"})).await.status, 200);
        let area = central.get(&path).await.json;
        assert_eq!(
            (&area["name"], &area["capacity"]),
            (&json!("Gym"), &json!(null))
        );
        assert_eq!(
            central
                .put(&format!("{areas}/999"), json!({"name": "Gym"}))
                .await
                .status,
            404
        );
    }

    #[tokio::test]
    async fn an_area_cannot_take_the_name_of_another() {
        let central = testing::central().await;
        let areas = format!("{}/areas", central.school_path().await);
        central.post(&areas, json!({"name": "Library"})).await;
        let gym = central.post(&areas, json!({"name": "Gym"})).await;
        let path = format!("{areas}/{}", gym.json["area_id"]);
        let answer = central.put(&path, json!({"name": "Library"})).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (409, &json!("name_taken"))
        );
    }
}
