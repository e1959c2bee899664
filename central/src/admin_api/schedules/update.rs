//! PUT /api/v1/schools/{school_id}/schedules/{schedule_id}

use axum::extract::State;

use super::{SchedulePath, check, not_found, refused};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::schedules::{self, Schedule, ScheduleFields},
    extract::{Json, Path},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Change a schedule
#[utoipa::path(
    put, path = "/api/v1/schools/{school_id}/schedules/{schedule_id}", operation_id = "update_schedule",
    tag = "schedules",
    params(SchedulePath),
    request_body = ScheduleFields,
    responses((status = 200, description = "Changed", body = Schedule), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn update(
    State(app): State<SharedApp>,
    Path(SchedulePath {
        school_id,
        schedule_id,
    }): Path<SchedulePath>,
    Json(mut body): Json<ScheduleFields>,
) -> Result<Json<Schedule>, Problem> {
    check(&mut body)?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let schedule = schedules::update(&transaction, schedule_id, &body)
        .await
        .map_err(|error| refused(error, &body))?;
    let Some(schedule) = schedule else {
        return Err(not_found(schedule_id));
    };
    transaction.commit().await?;
    Ok(Json(schedule))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_changed_schedule_has_its_new_periods_alone() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/schedules/{}", site.school, site.schedule_id);
        let body = json!({
            "name": "School hours", "weekly": [],
            "special_days": [{"date": "2026-12-24", "periods": [{"from": "08:00", "until": "09:00"}]}],
        });
        let answer = central.put(&path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let schedule = central.get(&path).await.json;
        assert_eq!(schedule, answer.json);
        assert_eq!(schedule["weekly"], json!([]));
    }
}
