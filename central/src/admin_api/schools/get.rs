//! GET /api/v1/schools/{school_id}

use axum::extract::State;

use super::{SchoolPath, not_found};
use crate::{
    app::SharedApp,
    db::schools::{self, School},
    extract::{Json, Path},
    openapi::NotFound,
    problem::Problem,
};

/// A school
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}", operation_id = "get_school", tag = "schools",
    params(SchoolPath),
    responses(
        (status = 200, description = "The school", body = School),
        NotFound,
    ),
    security(("administrator" = [])),
)]
pub async fn get(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
) -> Result<Json<School>, Problem> {
    let transaction = app.db.begin_in_school(school_id).await?;
    let school = schools::get(&transaction, school_id).await?;
    school.map(Json).ok_or_else(|| not_found(school_id))
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[tokio::test]
    async fn a_school_that_does_not_exist_is_not_found() {
        let central = testing::central().await;
        let answer = central
            .get("/api/v1/schools/01920000-0000-7000-8000-000000000000")
            .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &"school_not_found".into())
        );
        let answer = central.get("/api/v1/schools/7").await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (400, &"invalid_path".into())
        );
    }
}
