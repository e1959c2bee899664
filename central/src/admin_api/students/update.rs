//! PUT /api/v1/schools/{school_id}/students/{student_id}

use axum::extract::State;

use super::{StudentPath, not_found, refused};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::students::{self, Student, StudentFields},
    extract::{Json, Path},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Change a student
#[utoipa::path(
    put, path = "/api/v1/schools/{school_id}/students/{student_id}", operation_id = "update_student",
    tag = "students",
    params(StudentPath),
    request_body = StudentFields,
    responses((status = 200, description = "Changed", body = Student), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn update(
    State(app): State<SharedApp>,
    Path(StudentPath {
        school_id,
        student_id,
    }): Path<StudentPath>,
    Json(body): Json<StudentFields>,
) -> Result<Json<Student>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let student = students::update(&transaction, student_id, &body)
        .await
        .map_err(|error| refused(error, &body))?;
    let Some(student) = student else {
        return Err(not_found(student_id));
    };
    transaction.commit().await?;
    Ok(Json(student))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_student_changes_and_keeps_the_holder_number() {
        let central = testing::central().await;
        let students = format!("{}/students", central.school_path().await);
        let made = central
            .post(&students, json!({"student_number": "1", "name": "Bo"}))
            .await;
        let path = format!("{students}/{}", made.json["student_id"].as_str().unwrap());
        let body = json!({"student_number": "1b", "name": "Bo Nilsson", "language": "sv"});
        assert_eq!(central.put(&path, body).await.status, 200);
        let student = central.get(&path).await.json;
        assert_eq!(student["name"], "Bo Nilsson");
        assert_eq!(student["holder_number"], made.json["holder_number"]);
    }
}
