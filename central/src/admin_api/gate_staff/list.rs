//! GET /api/v1/schools/{school_id}/gate-staff

use axum::extract::State;

use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::gate_staff::{self, GateStaff},
    extract::{Json, Path, Query},
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
};

/// Who may act at the school's gates
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/gate-staff", operation_id = "list_gate_staff",
    tag = "gate staff",
    params(SchoolPath, PageQuery),
    responses((status = 200, description = "A page of them", body = Page<GateStaff>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<GateStaff>>, Problem> {
    let page = query.request()?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let staff = gate_staff::list(&transaction, school_id, &page).await?;
    Ok(Json(page.page(staff, |staff| staff.staff_number)))
}
