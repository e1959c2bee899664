//! GET /api/v1/schools/{school_id}/gates

use axum::extract::State;

use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::gates::{self, Gate},
    extract::{Json, Path, Query},
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
};

/// A school's gates
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/gates", operation_id = "list_gates",
    tag = "gates",
    params(SchoolPath, PageQuery),
    responses((status = 200, description = "A page of them", body = Page<Gate>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Gate>>, Problem> {
    let page = query.request()?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let gates = gates::list(&transaction, school_id, &page).await?;
    Ok(Json(page.page(gates, |gate| gate.gate_id)))
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[tokio::test]
    async fn a_school_lists_its_own_gates_alone() {
        let central = testing::central().await;
        let (one, _) = (central.site().await, central.site().await);
        let page = central.get(&format!("{}/gates", one.school)).await.json;
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        assert_eq!(page["items"][0]["gate_id"], one.gate_id.to_string());
    }
}
