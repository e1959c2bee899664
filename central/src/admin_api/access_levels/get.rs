//! GET /api/v1/schools/{school_id}/access-levels/{level}

use axum::extract::State;

use super::{AccessLevelPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::access_levels::{self, AccessLevel},
    extract::{Json, Path},
    openapi::NotFound,
    problem::Problem,
};

/// An access level
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/access-levels/{level}", operation_id = "get_access_level",
    tag = "access levels",
    params(AccessLevelPath),
    responses((status = 200, description = "The access level", body = AccessLevel), NotFound),
    security(("administrator" = [])),
)]
pub async fn get(
    State(app): State<SharedApp>,
    Path(AccessLevelPath { school_id, level }): Path<AccessLevelPath>,
) -> Result<Json<AccessLevel>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let access_level = access_levels::get(&transaction, school_id, level).await?;
    access_level.map(Json).ok_or_else(|| not_found(level))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn an_access_level_is_read_with_its_grants_in_its_own_school() {
        let central = testing::central().await;
        let site = central.site().await;
        let level = central
            .get(&format!("{}/access-levels/{}", site.school, site.level))
            .await;
        assert_eq!(
            (level.status, level.json["grants"].as_array().unwrap().len()),
            (200, 2)
        );
        let other = central.school_path().await;
        let answer = central
            .get(&format!("{other}/access-levels/{}", site.level))
            .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &json!("access_level_not_found"))
        );
    }
}
