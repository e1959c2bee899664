//! GET /api/v1/schools/{school_id}/students

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::students::{self, Student, StudentFilter},
    extract::{Json, Path, Query},
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
    text::{Name, StudentNumber},
};

/// The parameters of this list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StudentQuery {
    /// Only with exactly this number.
    student_number: Option<StudentNumber>,
    /// Only with this in their name, whatever its case.
    name: Option<Name>,
    /// How many items, 1 to 500 (50 unless said).
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A school's students, in the order of entry
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/students", operation_id = "list_students",
    tag = "students",
    params(SchoolPath, StudentQuery),
    responses((status = 200, description = "A page of them", body = Page<Student>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Query(query): Query<StudentQuery>,
) -> Result<Json<Page<Student>>, Problem> {
    let page = PageQuery::new(query.limit, query.cursor).request()?;
    let filter = StudentFilter {
        student_number: query.student_number,
        name: query.name,
    };
    let transaction = schools::begin_in(&app, school_id).await?;
    let students = students::list(&transaction, school_id, &filter, &page).await?;
    Ok(Json(page.page(students, |student| student.student_id)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn students_are_found_by_number_and_by_part_of_their_name() {
        let central = testing::central().await;
        let students = format!("{}/students", central.school_path().await);
        for (number, name) in [
            ("1", "Amara Nwosu"),
            ("2", "Élodie 100% Roux"),
            ("3", "Bo Nilsson"),
        ] {
            central.clock.advance(std::time::Duration::from_secs(1));
            let body = json!({"student_number": number, "name": name});
            assert_eq!(central.post(&students, body).await.status, 201);
        }
        for (query, numbers) in [
            ("", vec!["1", "2", "3"]),
            ("student_number=2", vec!["2"]),
            ("student_number=22", vec![]),
            ("name=nWOSU", vec!["1"]),
            ("name=%C3%89LODIE", vec!["2"]),
            ("name=%25", vec!["2"]),
            ("name=n&limit=500", vec!["1", "3"]),
        ] {
            let page = central.get(&format!("{students}?{query}")).await.json;
            let found = page["items"].as_array().unwrap().iter();
            let found: Vec<_> = found
                .map(|item| item["student_number"].as_str().unwrap())
                .collect();
            assert_eq!(found, numbers, "{query}");
        }
    }

    #[tokio::test]
    async fn pages_of_students_follow_the_order_of_entry() {
        let central = testing::central().await;
        let students = format!("{}/students", central.school_path().await);
        for number in ["1", "2", "3"] {
            central.clock.advance(std::time::Duration::from_secs(1));
            central
                .post(&students, json!({"student_number": number, "name": "Bo"}))
                .await;
        }
        let first = central
            .get(&format!("{students}?limit=2&name=bo"))
            .await
            .json;
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = central
            .get(&format!("{students}?limit=2&name=bo&cursor={cursor}"))
            .await
            .json;
        assert_eq!(first["items"][1]["student_number"], "2");
        assert_eq!(second["items"][0]["student_number"], "3");
        assert_eq!(second["next_cursor"], json!(null));
    }
}
