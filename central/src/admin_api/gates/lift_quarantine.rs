//! POST /api/v1/schools/{school_id}/gates/{gate_id}/quarantine/lift

use axum::extract::State;

use super::{GatePath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::{
        gate_journals,
        gates::{self, Gate},
    },
    extract::{Json, Path},
    openapi::NotFound,
    problem::Problem,
};

/// Take records from a gate again whose journal contradicted itself
///
/// What is held stays, and so does what contradicted it. A box that goes on to contradict it is
/// put into quarantine again. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/gates/{gate_id}/quarantine/lift",
    operation_id = "lift_quarantine", tag = "gates",
    params(GatePath),
    responses((status = 200, description = "The gate as it is now", body = Gate), NotFound),
    security(("administrator" = [])),
)]
pub async fn lift(
    State(app): State<SharedApp>,
    Path(GatePath { school_id, gate_id }): Path<GatePath>,
) -> Result<Json<Gate>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let was_lifted = gate_journals::lift_quarantine(&transaction, gate_id).await?;
    let Some(gate) = gates::get(&transaction, gate_id).await? else {
        return Err(not_found(gate_id));
    };
    transaction.commit().await?;
    if was_lifted {
        tracing::info!(gate.id = %gate_id, "the quarantine of the gate {gate_id} is lifted");
    }
    Ok(Json(gate))
}
