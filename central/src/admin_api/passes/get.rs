//! GET /api/v1/schools/{school_id}/passes/{kid}/{serial}

use axum::extract::State;

use super::{PassPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::passes::{self, Pass},
    extract::{Json, Path},
    openapi::{BadRequest, NotFound},
    problem::Problem,
};

/// A pass, without its code
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/passes/{kid}/{serial}", operation_id = "get_pass",
    tag = "passes",
    params(PassPath),
    responses((status = 200, description = "The pass", body = Pass), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn get(
    State(app): State<SharedApp>,
    Path(path): Path<PassPath>,
) -> Result<Json<Pass>, Problem> {
    let transaction = schools::begin_in(&app, path.school_id).await?;
    let pass = passes::get(&transaction, path.school_id, path.id()).await?;
    pass.map(Json).ok_or_else(|| not_found(path.id()))
}
