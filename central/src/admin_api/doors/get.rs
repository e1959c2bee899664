//! GET /api/v1/schools/{school_id}/doors/{door_id}

use axum::extract::State;

use super::{DoorPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::doors::{self, Door},
    extract::{Json, Path},
    openapi::NotFound,
    problem::Problem,
};

/// A door
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/doors/{door_id}", operation_id = "get_door",
    tag = "doors",
    params(DoorPath),
    responses((status = 200, description = "The door", body = Door), NotFound),
    security(("administrator" = [])),
)]
pub async fn get(
    State(app): State<SharedApp>,
    Path(DoorPath { school_id, door_id }): Path<DoorPath>,
) -> Result<Json<Door>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let door = doors::get(&transaction, door_id).await?;
    door.map(Json).ok_or_else(|| not_found(door_id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_door_of_another_school_is_not_found() {
        let central = testing::central().await;
        let site = central.site().await;
        let other = central.school_path().await;
        let answer = central
            .get(&format!("{other}/doors/{}", site.door_id))
            .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &json!("door_not_found"))
        );
    }
}
