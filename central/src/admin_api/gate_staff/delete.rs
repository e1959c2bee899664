//! DELETE /api/v1/schools/{school_id}/gate-staff/{staff_number}

use axum::{extract::State, http::StatusCode};

use super::{StaffPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::gate_staff,
    extract::Path,
    openapi::{BadRequest, NotFound},
    problem::Problem,
};

/// End what a member of the gate staff may do; journals still name their number
#[utoipa::path(
    delete, path = "/api/v1/schools/{school_id}/gate-staff/{staff_number}",
    operation_id = "delete_gate_staff", tag = "gate staff",
    params(StaffPath),
    responses((status = 204, description = "Deleted"), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn delete(
    State(app): State<SharedApp>,
    Path(path): Path<StaffPath>,
) -> Result<StatusCode, Problem> {
    let transaction = schools::begin_in(&app, path.school_id).await?;
    let now = app.clock.now();
    let deleted = gate_staff::delete(&transaction, path.school_id, path.staff_number, now).await?;
    if deleted == 0 {
        return Err(not_found(path.staff_number));
    }
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
