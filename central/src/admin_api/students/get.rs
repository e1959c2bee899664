//! GET /api/v1/schools/{school_id}/students/{student_id}

use axum::extract::State;

use super::{StudentPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::students::{self, Student},
    extract::{Json, Path},
    openapi::NotFound,
    problem::Problem,
};

/// A student
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/students/{student_id}", operation_id = "get_student",
    tag = "students",
    params(StudentPath),
    responses((status = 200, description = "The student", body = Student), NotFound),
    security(("administrator" = [])),
)]
pub async fn get(
    State(app): State<SharedApp>,
    Path(StudentPath {
        school_id,
        student_id,
    }): Path<StudentPath>,
) -> Result<Json<Student>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let student = students::get(&transaction, student_id).await?;
    student.map(Json).ok_or_else(|| not_found(student_id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_student_of_another_school_is_not_found() {
        let central = testing::central().await;
        let (one, other) = (central.school_path().await, central.school_path().await);
        let body = json!({"student_number": "1", "name": "Amara Nwosu"});
        let made = central.post(&format!("{one}/students"), body).await;
        let id = made.json["student_id"].as_str().unwrap();
        assert_eq!(
            central.get(&format!("{one}/students/{id}")).await.json,
            made.json
        );
        let answer = central.get(&format!("{other}/students/{id}")).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &json!("student_not_found"))
        );
    }
}
