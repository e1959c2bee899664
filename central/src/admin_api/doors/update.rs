//! PUT /api/v1/schools/{school_id}/doors/{door_id}

use axum::extract::State;

use super::{DoorPath, check, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::doors::{self, Door, DoorFields},
    extract::{Json, Path},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Change a door
#[utoipa::path(
    put, path = "/api/v1/schools/{school_id}/doors/{door_id}", operation_id = "update_door",
    tag = "doors",
    params(DoorPath),
    request_body = DoorFields,
    responses((status = 200, description = "Changed", body = Door), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn update(
    State(app): State<SharedApp>,
    Path(DoorPath { school_id, door_id }): Path<DoorPath>,
    Json(body): Json<DoorFields>,
) -> Result<Json<Door>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    check(&transaction, Some(door_id), &body).await?;
    let door = doors::update(&transaction, door_id, &body).await?;
    let Some(door) = door else {
        return Err(not_found(door_id));
    };
    transaction.commit().await?;
    Ok(Json(door))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_door_moves_to_the_gate_that_replaces_its_own() {
        let central = testing::central().await;
        let site = central.site().await;
        let gate = central
            .post(
                &format!("{}/gates", site.school),
                json!({"name": "New box"}),
            )
            .await;
        let path = format!("{}/doors/{}", site.school, site.door_id);
        let mut door = central.get(&path).await.json;
        door.as_object_mut().unwrap().remove("door_id");
        door["gate_id"] = gate.json["gate_id"].clone();
        assert_eq!(central.put(&path, door).await.status, 200);
        assert_eq!(
            central.get(&path).await.json["gate_id"],
            gate.json["gate_id"]
        );
        let old = format!("{}/gates/{}", site.school, site.gate_id);
        assert_eq!(
            central.delete(&old).await.status,
            204,
            "the old gate has no doors left"
        );
    }
}
