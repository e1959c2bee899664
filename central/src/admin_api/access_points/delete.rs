//! DELETE /api/v1/schools/{school_id}/access-points/{access_point_id}

use axum::{extract::State, http::StatusCode};

use super::{AccessPointPath, not_found};
use crate::{
    admin_api::schools, app::SharedApp, db::access_points, extract::Path, openapi::NotFound,
    problem::Problem,
};

/// Delete an access point
///
/// Access levels that named it admit there no more.
#[utoipa::path(
    delete, path = "/api/v1/schools/{school_id}/access-points/{access_point_id}", operation_id = "delete_access_point",
    tag = "access points",
    params(AccessPointPath),
    responses((status = 204, description = "Deleted"), NotFound),
    security(("administrator" = [])),
)]
pub async fn delete(
    State(app): State<SharedApp>,
    Path(AccessPointPath {
        school_id,
        access_point_id,
    }): Path<AccessPointPath>,
) -> Result<StatusCode, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let deleted = access_points::delete(&transaction, access_point_id).await?;
    if deleted == 0 {
        return Err(not_found(access_point_id));
    }
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_deleted_access_point_is_gone_from_its_access_levels_too() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/access-points/{}", site.school, site.entry_id);
        assert_eq!(central.delete(&path).await.status, 204);
        assert_eq!(central.delete(&path).await.status, 404);
        let level = central
            .get(&format!("{}/access-levels/{}", site.school, site.level))
            .await
            .json;
        let grants = json!([{"access_point_id": site.exit_id, "schedule_id": site.schedule_id}]);
        assert_eq!(level["grants"], grants);
    }
}
