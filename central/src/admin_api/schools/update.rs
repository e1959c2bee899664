//! PUT /api/v1/schools/{school_id}

use axum::extract::State;

use super::{Fields, SchoolPath, not_found};
use crate::{
    app::SharedApp,
    db::schools::{self, School},
    extract::{Json, Path},
    openapi::{Invalid, NotFound},
    problem::Problem,
};

/// Change a school
#[utoipa::path(
    put, path = "/api/v1/schools/{school_id}", operation_id = "update_school", tag = "schools",
    params(SchoolPath),
    request_body = Fields,
    responses(
        (status = 200, description = "Changed", body = School),
        NotFound,
        Invalid,
    ),
    security(("administrator" = [])),
)]
pub async fn update(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Json(body): Json<Fields>,
) -> Result<Json<School>, Problem> {
    let transaction = app.db.begin_in_school(school_id).await?;
    let school = schools::update(&transaction, school_id, &body.name, &body.time_zone).await?;
    let Some(school) = school else {
        return Err(not_found(school_id));
    };
    transaction.commit().await?;
    Ok(Json(school))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_school_changes_its_name_and_zone() {
        let central = testing::central().await;
        let path = central.school_path().await;
        let body = json!({"name": "Southfield", "time_zone": "Asia/Kolkata"});
        assert_eq!(central.put(&path, body).await.status, 200);
        let school = central.get(&path).await.json;
        assert_eq!(
            (&school["name"], &school["time_zone"]),
            (&json!("Southfield"), &json!("Asia/Kolkata"))
        );
    }

    #[tokio::test]
    async fn a_school_that_does_not_exist_cannot_be_changed() {
        let central = testing::central().await;
        let path = "/api/v1/schools/01920000-0000-7000-8000-000000000000";
        let answer = central
            .put(path, json!({"name": "A", "time_zone": "UTC"}))
            .await;
        assert_eq!(answer.status, 404);
    }
}
