//! PUT /api/v1/schools/{school_id}/access-points/{access_point_id}

use axum::extract::State;

use super::{AccessPointPath, check, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::access_points::{self, AccessPoint, AccessPointFields},
    extract::{Json, Path},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Change an access point
#[utoipa::path(
    put, path = "/api/v1/schools/{school_id}/access-points/{access_point_id}", operation_id = "update_access_point",
    tag = "access points",
    params(AccessPointPath),
    request_body = AccessPointFields,
    responses((status = 200, description = "Changed", body = AccessPoint), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn update(
    State(app): State<SharedApp>,
    Path(AccessPointPath {
        school_id,
        access_point_id,
    }): Path<AccessPointPath>,
    Json(body): Json<AccessPointFields>,
) -> Result<Json<AccessPoint>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    check(&transaction, Some(access_point_id), &body).await?;
    let access_point = access_points::update(&transaction, access_point_id, &body).await?;
    let Some(access_point) = access_point else {
        return Err(not_found(access_point_id));
    };
    transaction.commit().await?;
    Ok(Json(access_point))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn an_access_point_changes_its_policies() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/access-points/{}", site.school, site.entry_id);
        let enforce = json!({"policy": "enforce", "forget_after_s": 43_200, "peer_silence_s": 900});
        let body = json!({
            "door_id": site.door_id, "name": "In", "to_area_id": site.area_id,
            "policies": {"anti_passback": enforce, "live_pass": "required"},
        });
        assert_eq!(central.put(&path, body).await.status, 200);
        let policies = &central.get(&path).await.json["policies"];
        assert_eq!(policies["anti_passback"], enforce);
        assert_eq!(policies["live_pass"], "required");
        assert_eq!(policies["unknown_issuance"], "ask_guard");
    }
}
