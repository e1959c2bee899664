//! POST /api/v1/schools/{school_id}/passes/{kid}/{serial}/suspend

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

/// Suspend a pass for now; doing it again changes nothing
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/passes/{kid}/{serial}/suspend",
    operation_id = "suspend_pass", tag = "passes",
    params(PassPath),
    request_body = Change,
    responses(
        (status = 200, description = "Suspended; the new status list is published", body = Pass),
        BadRequest, NotFound, Conflict, Invalid,
    ),
    security(("administrator" = [])),
)]
pub async fn suspend(
    State(app): State<SharedApp>,
    Path(path): Path<PassPath>,
    Json(change): Json<Change>,
) -> Result<Json<Pass>, Problem> {
    let state = PassState::Suspended;
    changing::change_one(&app, path.school_id, path.id(), state, &change)
        .await
        .map(Json)
}
