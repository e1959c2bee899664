//! PUT /api/v1/schools/{school_id}/access-levels/{level}

use axum::extract::State;

use super::{AccessLevelPath, check, not_found, refused};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::access_levels::{self, AccessLevel, AccessLevelFields},
    extract::{Json, Path},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Change an access level
#[utoipa::path(
    put, path = "/api/v1/schools/{school_id}/access-levels/{level}", operation_id = "update_access_level",
    tag = "access levels",
    params(AccessLevelPath),
    request_body = AccessLevelFields,
    responses((status = 200, description = "Changed", body = AccessLevel), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn update(
    State(app): State<SharedApp>,
    Path(AccessLevelPath { school_id, level }): Path<AccessLevelPath>,
    Json(mut body): Json<AccessLevelFields>,
) -> Result<Json<AccessLevel>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    check(&transaction, school_id, &mut body).await?;
    let access_level = access_levels::update(&transaction, school_id, level, &body)
        .await
        .map_err(|error| refused(error, &body))?;
    let Some(access_level) = access_level else {
        return Err(not_found(level));
    };
    transaction.commit().await?;
    Ok(Json(access_level))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_changed_access_level_has_its_new_grants_alone() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/access-levels/{}", site.school, site.level);
        let grant = json!({"access_point_id": site.exit_id, "schedule_id": site.schedule_id});
        let body = json!({"name": "Leavers", "grants": [grant, grant]});
        assert_eq!(central.put(&path, body).await.status, 200);
        let level = central.get(&path).await.json;
        assert_eq!(
            (&level["name"], &level["grants"]),
            (&json!("Leavers"), &json!([grant]))
        );
    }
}
