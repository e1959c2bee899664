//! POST /api/v1/schools/{school_id}/passes/{kid}/{serial}/reinstate

use axum::extract::State;

use super::{
    PassPath,
    changing::{self, Change},
};
use crate::{
    app::SharedApp,
    db::passes::{Pass, PassState},
    extract::{Json, Path},
    openapi::{BadRequest, Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Undo a suspension; a revoked pass never comes back
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/passes/{kid}/{serial}/reinstate",
    operation_id = "reinstate_pass", tag = "passes",
    params(PassPath),
    request_body = Change,
    responses(
        (status = 200, description = "Reinstated; the new status list is published", body = Pass),
        BadRequest, NotFound, Conflict, Invalid,
    ),
    security(("administrator" = [])),
)]
pub async fn reinstate(
    State(app): State<SharedApp>,
    Path(path): Path<PassPath>,
    Json(change): Json<Change>,
) -> Result<Json<Pass>, Problem> {
    let state = PassState::Valid;
    changing::change_one(&app, path.school_id, path.id(), state, &change)
        .await
        .map(Json)
}
