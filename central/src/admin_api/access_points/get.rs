//! GET /api/v1/schools/{school_id}/access-points/{access_point_id}

use axum::extract::State;

use super::{AccessPointPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::access_points::{self, AccessPoint},
    extract::{Json, Path},
    openapi::NotFound,
    problem::Problem,
};

/// An access point
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/access-points/{access_point_id}", operation_id = "get_access_point",
    tag = "access points",
    params(AccessPointPath),
    responses((status = 200, description = "The access point", body = AccessPoint), NotFound),
    security(("administrator" = [])),
)]
pub async fn get(
    State(app): State<SharedApp>,
    Path(AccessPointPath {
        school_id,
        access_point_id,
    }): Path<AccessPointPath>,
) -> Result<Json<AccessPoint>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let access_point = access_points::get(&transaction, access_point_id).await?;
    access_point
        .map(Json)
        .ok_or_else(|| not_found(access_point_id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn an_access_point_of_another_school_is_not_found() {
        let central = testing::central().await;
        let site = central.site().await;
        let other = central.school_path().await;
        let answer = central
            .get(&format!("{other}/access-points/{}", site.entry_id))
            .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &json!("access_point_not_found"))
        );
    }
}
