//! POST /api/v1/schools/{school_id}/passes/reinstate

use axum::extract::State;

use super::changing::{self, ManyChange, ManyChanged};
use crate::{
    admin_api::schools::SchoolPath,
    app::SharedApp,
    db::passes::PassState,
    extract::{Json, Path},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Undo the suspension of up to 10,000 passes: all of them or none
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/passes/reinstate", operation_id = "reinstate_passes",
    tag = "passes",
    params(SchoolPath),
    request_body = ManyChange,
    responses(
        (status = 200, description = "Reinstated; the new status lists are published", body = ManyChanged),
        NotFound, Conflict, Invalid,
    ),
    security(("administrator" = [])),
)]
pub async fn reinstate_many(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Json(many): Json<ManyChange>,
) -> Result<Json<ManyChanged>, Problem> {
    changing::change_many(&app, school_id, &many, PassState::Valid)
        .await
        .map(Json)
}
