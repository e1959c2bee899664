//! GET /api/v1/schools/{school_id}/areas/{area_id}

use axum::extract::State;

use super::{AreaPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::areas::{self, Area},
    extract::{Json, Path},
    openapi::NotFound,
    problem::Problem,
};

/// An area
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/areas/{area_id}", operation_id = "get_area", tag = "areas",
    params(AreaPath),
    responses((status = 200, description = "The area", body = Area), NotFound),
    security(("administrator" = [])),
)]
pub async fn get(
    State(app): State<SharedApp>,
    Path(AreaPath { school_id, area_id }): Path<AreaPath>,
) -> Result<Json<Area>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let area = areas::get(&transaction, area_id).await?;
    area.map(Json).ok_or_else(|| not_found(area_id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn an_area_of_another_school_is_not_found() {
        let central = testing::central().await;
        let one = central.school_path().await;
        let made = central
            .post(&format!("{one}/areas"), json!({"name": "Library"}))
            .await;
        let area_id = &made.json["area_id"];
        let other = central.school_path().await;
        let answer = central.get(&format!("{other}/areas/{area_id}")).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &json!("area_not_found"))
        );
        assert_eq!(
            central.get(&format!("{one}/areas/{area_id}")).await.status,
            200
        );
    }
}
