//! POST /api/v1/schools/{school_id}/students

use axum::{extract::State, http::StatusCode, response::Response};

use super::refused;
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::students::{self, Student, StudentFields},
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    ids::StudentId,
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Make a student
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/students", operation_id = "create_student",
    tag = "students",
    params(SchoolPath, IdempotencyKey),
    request_body = StudentFields,
    responses((status = 201, description = "Made", body = Student), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent { body, request }: Idempotent<StudentFields>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let student_id = StudentId(app.randomness.uuid(now));
    let transaction = schools::begin_in(&app, school_id).await?;
    let attempt = idempotency::begin(&transaction, &request, now).await?;
    if let Attempt::Answered(answer) = attempt {
        return Ok(answer);
    }
    let student = students::insert(&transaction, school_id, student_id, &body, now)
        .await
        .map_err(|error| refused(error, &body))?;
    idempotency::finish(transaction, &request, StatusCode::CREATED, &student).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn students_get_holder_numbers_one_after_another() {
        let central = testing::central().await;
        let students = format!("{}/students", central.school_path().await);
        for (index, number) in ["2026-1", "2026-2"].iter().enumerate() {
            let body = json!({"student_number": number, "name": "Amara Nwosu"});
            let made = central.post(&students, body).await;
            assert_eq!(made.status, 201, "{}", made.text);
            assert_eq!(made.json["holder_number"], index + 1);
            assert_eq!(made.json["language"], "en");
        }
    }

    #[tokio::test]
    async fn a_student_number_belongs_to_one_student_of_a_school() {
        let central = testing::central().await;
        let body = json!({"student_number": "2026-1", "name": "Amara Nwosu", "language": "de"});
        for school in [central.school_path().await, central.school_path().await] {
            let students = format!("{school}/students");
            assert_eq!(central.post(&students, body.clone()).await.status, 201);
            let again = central.post(&students, body.clone()).await;
            assert_eq!(
                (again.status, &again.json["code"]),
                (409, &json!("student_number_taken"))
            );
        }
    }
}
