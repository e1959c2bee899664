//! GET /api/v1/schools/{school_id}/access-points

use axum::extract::State;

use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::access_points::{self, AccessPoint},
    extract::{Json, Path, Query},
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
};

/// A school's access points
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/access-points", operation_id = "list_access_points",
    tag = "access points",
    params(SchoolPath, PageQuery),
    responses((status = 200, description = "A page of them", body = Page<AccessPoint>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<AccessPoint>>, Problem> {
    let page = query.request()?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let access_points = access_points::list(&transaction, school_id, &page).await?;
    Ok(Json(page.page(access_points, |access_point| {
        access_point.access_point_id
    })))
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[tokio::test]
    async fn a_school_lists_its_own_access_points_alone() {
        let central = testing::central().await;
        let (one, _) = (central.site().await, central.site().await);
        let page = central
            .get(&format!("{}/access-points", one.school))
            .await
            .json;
        let found = page["items"].as_array().unwrap().iter();
        let found: Vec<_> = found
            .map(|item| item["access_point_id"].as_i64().unwrap())
            .collect();
        assert_eq!(found, [one.entry_id, one.exit_id]);
    }
}
