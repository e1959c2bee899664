//! GET /api/v1/schools/{school_id}/access-levels

use axum::extract::State;

use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::access_levels::{self, AccessLevel},
    extract::{Json, Path, Query},
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
};

/// A school's access levels
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/access-levels", operation_id = "list_access_levels",
    tag = "access levels",
    params(SchoolPath, PageQuery),
    responses((status = 200, description = "A page of them", body = Page<AccessLevel>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<AccessLevel>>, Problem> {
    let page = query.request()?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let access_levels = access_levels::list(&transaction, school_id, &page).await?;
    Ok(Json(
        page.page(access_levels, |access_level| access_level.level),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_school_lists_its_own_access_levels_by_number() {
        let central = testing::central().await;
        let (one, _) = (central.site().await, central.site().await);
        let levels = format!("{}/access-levels", one.school);
        central
            .post(&levels, json!({"name": "Staff", "level": 7}))
            .await;
        let page = central.get(&format!("{levels}?limit=1")).await.json;
        assert_eq!(page["items"][0]["level"], 0);
        let cursor = page["next_cursor"].as_str().unwrap();
        let page = central
            .get(&format!("{levels}?limit=1&cursor={cursor}"))
            .await
            .json;
        assert_eq!(
            (&page["items"][0]["level"], &page["next_cursor"]),
            (&json!(7), &json!(null))
        );
    }
}
