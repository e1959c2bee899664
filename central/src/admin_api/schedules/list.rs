//! GET /api/v1/schools/{school_id}/schedules

use axum::extract::State;

use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::schedules::{self, Schedule},
    extract::{Json, Path, Query},
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
};

/// A school's schedules
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/schedules", operation_id = "list_schedules",
    tag = "schedules",
    params(SchoolPath, PageQuery),
    responses((status = 200, description = "A page of them", body = Page<Schedule>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Schedule>>, Problem> {
    let page = query.request()?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let schedules = schedules::list(&transaction, school_id, &page).await?;
    Ok(Json(page.page(schedules, |schedule| schedule.schedule_id)))
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[tokio::test]
    async fn a_school_lists_its_own_schedules_with_their_periods() {
        let central = testing::central().await;
        let (one, _) = (central.site().await, central.site().await);
        let page = central.get(&format!("{}/schedules", one.school)).await.json;
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        assert_eq!(page["items"][0]["weekly"][0]["from"], "07:00");
    }
}
