//! PATCH /api/v1/schools/{school_id}/gate-staff/{staff_number}

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{StaffPath, not_found, pin::Pin};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::gate_staff::{self, Changed, GateStaff, StaffRole},
    extract::{Json, Path},
    openapi::{BadRequest, Invalid, NotFound},
    problem::Problem,
    text::Name,
};

/// What changes; what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffChange {
    /// Their name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Option<Name>,
    /// What they may do.
    #[serde(default)]
    role: Option<StaffRole>,
    /// A new PIN.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{6,12}$")]
    pin: Option<Pin>,
}

/// Change what a member of the gate staff may do, or their PIN
#[utoipa::path(
    patch, path = "/api/v1/schools/{school_id}/gate-staff/{staff_number}",
    operation_id = "update_gate_staff", tag = "gate staff",
    params(StaffPath),
    request_body = StaffChange,
    responses((status = 200, description = "Changed", body = GateStaff), BadRequest, NotFound, Invalid),
    security(("administrator" = [])),
)]
pub async fn update(
    State(app): State<SharedApp>,
    Path(path): Path<StaffPath>,
    Json(body): Json<StaffChange>,
) -> Result<Json<GateStaff>, Problem> {
    let verifier = match body.pin {
        Some(pin) => Some(pin.verifier(&app.randomness).await?),
        None => None,
    };
    let changed = Changed {
        name: body.name.as_ref(),
        role: body.role,
        pin_verifier: verifier.as_deref(),
    };
    let transaction = schools::begin_in(&app, path.school_id).await?;
    let staff =
        gate_staff::update(&transaction, path.school_id, path.staff_number, &changed).await?;
    let Some(staff) = staff else {
        return Err(not_found(path.staff_number));
    };
    transaction.commit().await?;
    Ok(Json(staff))
}
