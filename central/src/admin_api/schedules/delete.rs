//! DELETE /api/v1/schools/{school_id}/schedules/{schedule_id}

use axum::{extract::State, http::StatusCode};

use super::{SchedulePath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::{self, Violation, schedules},
    extract::Path,
    openapi::{Conflict, NotFound},
    problem::{Kind, Problem},
};

/// An access level or a door names it.
pub const SCHEDULE_IN_USE: Kind = Kind::new(
    StatusCode::CONFLICT,
    "schedule_in_use",
    "Access levels or doors name this schedule",
);

/// Delete a schedule
#[utoipa::path(
    delete, path = "/api/v1/schools/{school_id}/schedules/{schedule_id}", operation_id = "delete_schedule",
    tag = "schedules",
    params(SchedulePath),
    responses((status = 204, description = "Deleted"), NotFound, Conflict),
    security(("administrator" = [])),
)]
pub async fn delete(
    State(app): State<SharedApp>,
    Path(SchedulePath {
        school_id,
        schedule_id,
    }): Path<SchedulePath>,
) -> Result<StatusCode, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let deleted = schedules::delete(&transaction, schedule_id)
        .await
        .map_err(|error| match db::violation(&error) {
            Some(Violation::Reference) => SCHEDULE_IN_USE.because(
                "Take it out of the access levels and doors that name it, then delete it.",
            ),
            Some(Violation::Unique) | None => error.into(),
        })?;
    if deleted == 0 {
        return Err(not_found(schedule_id));
    }
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_schedule_goes_once_no_access_level_names_it() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/schedules/{}", site.school, site.schedule_id);
        let answer = central.delete(&path).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (409, &json!("schedule_in_use"))
        );
        let level = format!("{}/access-levels/{}", site.school, site.level);
        assert_eq!(
            central
                .put(&level, json!({"name": "Students"}))
                .await
                .status,
            200
        );
        assert_eq!(central.delete(&path).await.status, 204);
        assert_eq!(central.get(&path).await.status, 404);
    }
}
