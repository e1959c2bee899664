//! GET /api/v1/schools/{school_id}/areas

use axum::extract::State;

use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::areas::{self, Area},
    extract::{Json, Path, Query},
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
};

/// A school's areas
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/areas", operation_id = "list_areas", tag = "areas",
    params(SchoolPath, PageQuery),
    responses((status = 200, description = "A page of them", body = Page<Area>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Area>>, Problem> {
    let page = query.request()?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let areas = areas::list(&transaction, school_id, &page).await?;
    Ok(Json(page.page(areas, |area| area.area_id)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_school_lists_its_own_areas_alone() {
        let central = testing::central().await;
        let (one, other) = (central.school_path().await, central.school_path().await);
        for (school, name) in [(&one, "A"), (&other, "X"), (&one, "B")] {
            central
                .post(&format!("{school}/areas"), json!({"name": name}))
                .await;
        }
        let page = central.get(&format!("{one}/areas?limit=1")).await.json;
        assert_eq!(page["items"][0]["name"], "A");
        let cursor = page["next_cursor"].as_str().unwrap();
        let page = central
            .get(&format!("{one}/areas?limit=1&cursor={cursor}"))
            .await
            .json;
        assert_eq!(
            (&page["items"][0]["name"], &page["next_cursor"]),
            (&json!("B"), &json!(null))
        );
    }
}
