//! GET /api/v1/schools/{school_id}/doors

use axum::extract::State;

use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::doors::{self, Door},
    extract::{Json, Path, Query},
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
};

/// A school's doors
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/doors", operation_id = "list_doors",
    tag = "doors",
    params(SchoolPath, PageQuery),
    responses((status = 200, description = "A page of them", body = Page<Door>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Door>>, Problem> {
    let page = query.request()?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let doors = doors::list(&transaction, school_id, &page).await?;
    Ok(Json(page.page(doors, |door| door.door_id)))
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[tokio::test]
    async fn a_school_lists_its_own_doors_alone() {
        let central = testing::central().await;
        let (one, _) = (central.site().await, central.site().await);
        let page = central.get(&format!("{}/doors", one.school)).await.json;
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        assert_eq!(page["items"][0]["door_id"], one.door_id);
    }
}
