//! GET /api/v1/schools/{school_id}/schedules/{schedule_id}

use axum::extract::State;

use super::{SchedulePath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::schedules::{self, Schedule},
    extract::{Json, Path},
    openapi::NotFound,
    problem::Problem,
};

/// A schedule
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/schedules/{schedule_id}", operation_id = "get_schedule",
    tag = "schedules",
    params(SchedulePath),
    responses((status = 200, description = "The schedule", body = Schedule), NotFound),
    security(("administrator" = [])),
)]
pub async fn get(
    State(app): State<SharedApp>,
    Path(SchedulePath {
        school_id,
        schedule_id,
    }): Path<SchedulePath>,
) -> Result<Json<Schedule>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let schedule = schedules::get(&transaction, schedule_id).await?;
    schedule.map(Json).ok_or_else(|| not_found(schedule_id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_schedule_of_another_school_is_not_found() {
        let central = testing::central().await;
        let site = central.site().await;
        let other = central.school_path().await;
        let answer = central
            .get(&format!("{other}/schedules/{}", site.schedule_id))
            .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &json!("schedule_not_found"))
        );
    }
}
