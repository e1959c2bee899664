//! GET /api/v1/schools

use axum::extract::State;

use crate::{
    app::SharedApp,
    db::schools::{self, School},
    extract::{Json, Query},
    openapi::BadRequest,
    paging::{Page, PageQuery},
    problem::Problem,
};

/// Schools, oldest first
#[utoipa::path(
    get, path = "/api/v1/schools", operation_id = "list_schools", tag = "schools",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of them", body = Page<School>),
        BadRequest,
    ),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<School>>, Problem> {
    let page = query.request()?;
    // The one list that is not a school's own.
    let transaction = app.db.begin_across_schools().await?;
    let schools = schools::list(&transaction, &page).await?;
    Ok(Json(page.page(schools, |school| school.school_id)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn schools_are_listed_page_by_page() {
        let central = testing::central().await;
        for name in ["A", "B", "C"] {
            central.clock.advance(std::time::Duration::from_secs(1));
            let body = json!({"name": name, "time_zone": "UTC"});
            assert_eq!(central.post("/api/v1/schools", body).await.status, 201);
        }
        let first = central.get("/api/v1/schools?limit=2").await;
        let names = |page: &serde_json::Value| {
            let items = page["items"].as_array().unwrap();
            items
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&first.json), ["A", "B"]);
        let cursor = first.json["next_cursor"].as_str().unwrap();
        let second = central
            .get(&format!("/api/v1/schools?limit=2&cursor={cursor}"))
            .await;
        assert_eq!(names(&second.json), ["C"]);
        assert_eq!(second.json["next_cursor"], json!(null));
    }

    #[tokio::test]
    async fn a_parameter_that_is_not_known_is_refused() {
        let central = testing::central().await;
        for query in ["limit=0", "limit=x", "cursor=x", "page=2"] {
            let answer = central.get(&format!("/api/v1/schools?{query}")).await;
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (400, &"invalid_query".into())
            );
        }
    }
}
