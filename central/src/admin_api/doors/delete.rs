//! DELETE /api/v1/schools/{school_id}/doors/{door_id}

use axum::{extract::State, http::StatusCode};

use super::{DoorPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::{self, Violation, doors},
    extract::Path,
    openapi::{Conflict, NotFound},
    problem::{Kind, Problem},
};

/// It has access points.
pub const DOOR_IN_USE: Kind = Kind::new(
    StatusCode::CONFLICT,
    "door_in_use",
    "This door has access points",
);

/// Delete a door
#[utoipa::path(
    delete, path = "/api/v1/schools/{school_id}/doors/{door_id}", operation_id = "delete_door",
    tag = "doors",
    params(DoorPath),
    responses((status = 204, description = "Deleted"), NotFound, Conflict),
    security(("administrator" = [])),
)]
pub async fn delete(
    State(app): State<SharedApp>,
    Path(DoorPath { school_id, door_id }): Path<DoorPath>,
) -> Result<StatusCode, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let deleted =
        doors::delete(&transaction, door_id)
            .await
            .map_err(|error| match db::violation(&error) {
                Some(Violation::Reference) => DOOR_IN_USE.because(
                    "Delete its access points, or give them to another door, then delete it.",
                ),
                Some(Violation::Unique) | None => error.into(),
            })?;
    if deleted == 0 {
        return Err(not_found(door_id));
    }
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_door_goes_once_its_access_points_have_gone() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/doors/{}", site.school, site.door_id);
        let answer = central.delete(&path).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (409, &json!("door_in_use"))
        );
        for point in [site.entry_id, site.exit_id] {
            let point = format!("{}/access-points/{point}", site.school);
            assert_eq!(central.delete(&point).await.status, 204);
        }
        assert_eq!(central.delete(&path).await.status, 204);
        assert_eq!(central.get(&path).await.status, 404);
    }
}
