//! POST /api/v1/schools/{school_id}/schedules

use axum::{extract::State, http::StatusCode, response::Response};

use super::{check, refused};
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::schedules::{self, Schedule, ScheduleFields},
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Make a schedule
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/schedules", operation_id = "create_schedule",
    tag = "schedules",
    params(SchoolPath, IdempotencyKey),
    request_body = ScheduleFields,
    responses((status = 201, description = "Made", body = Schedule), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent { mut body, request }: Idempotent<ScheduleFields>,
) -> Result<Response, Problem> {
    check(&mut body)?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let attempt = idempotency::begin(&transaction, &request, app.clock.now()).await?;
    if let Attempt::Answered(answer) = attempt {
        return Ok(answer);
    }
    let schedule = schedules::insert(&transaction, school_id, &body)
        .await
        .map_err(|error| refused(error, &body))?;
    idempotency::finish(transaction, &request, StatusCode::CREATED, &schedule).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_schedule_is_read_back_in_order() {
        let central = testing::central().await;
        let schedules = format!("{}/schedules", central.school_path().await);
        let body = json!({
            "name": "School hours",
            "weekly": [
                {"weekday": "tuesday", "from": "07:00", "until": "12:00"},
                {"weekday": "monday", "from": "13:00", "until": "24:00"},
                {"weekday": "monday", "from": "07:00", "until": "13:00"},
            ],
            "special_days": [
                {"date": "2026-12-31", "periods": [{"from": "09:00", "until": "10:00"}]},
                {"date": "2026-12-24"},
            ],
        });
        let made = central.post(&schedules, body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let read = central
            .get(&format!("{schedules}/{}", made.json["schedule_id"]))
            .await
            .json;
        assert_eq!(read, made.json);
        assert_eq!(
            read["weekly"][0],
            json!({"weekday": "monday", "from": "07:00", "until": "13:00"})
        );
        assert_eq!(
            read["special_days"][0],
            json!({"date": "2026-12-24", "periods": []})
        );
    }

    #[tokio::test]
    async fn periods_that_overlap_or_end_before_they_begin_are_refused() {
        let central = testing::central().await;
        let schedules = format!("{}/schedules", central.school_path().await);
        let period =
            |from: &str, until: &str| json!({"weekday": "friday", "from": from, "until": until});
        let day =
            |date: &str| json!({"date": date, "periods": [{"from": "09:00", "until": "08:00"}]});
        for (body, words) in [
            (
                json!({"name": "A", "weekly": [period("08:00", "12:00"), period("11:59", "13:00")]}),
                "overlap",
            ),
            (
                json!({"name": "A", "weekly": [period("22:00", "06:00")]}),
                "ends before it begins",
            ),
            (
                json!({"name": "A", "weekly": [period("8:00", "12:00")]}),
                "00:00 to 24:00",
            ),
            (
                json!({"name": "A", "special_days": [day("2026-12-24")]}),
                "ends before it begins",
            ),
            (
                json!({"name": "A", "special_days": [{"date": "2026-12-24"}, {"date": "2026-12-24"}]}),
                "twice",
            ),
            (
                json!({"name": "A", "special_days": [{"date": "24.12.2026"}]}),
                "must be a date",
            ),
        ] {
            let answer = central.post(&schedules, body).await;
            assert_eq!(answer.status, 422);
            assert!(
                answer.json["detail"].as_str().unwrap().contains(words),
                "{}",
                answer.text
            );
        }
    }
}
