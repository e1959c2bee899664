//! GET /api/v1/schools/{school_id}/passes/{kid}/{serial}/qr.svg

use axum::{extract::State, response::Response};

use super::{PassPath, text::no_store, text_of};
use crate::{
    app::SharedApp,
    extract::Path,
    openapi::{BadRequest, NotFound},
    problem::Problem,
    qr,
};

/// A drawing (SVG) of a pass's QR code: whoever has it can show it at a gate
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/passes/{kid}/{serial}/qr.svg",
    operation_id = "get_pass_qr_svg", tag = "passes",
    params(PassPath),
    responses(
        (status = 200, description = "The code", body = Vec<u8>, content_type = "image/svg+xml"),
        BadRequest, NotFound,
    ),
    security(("administrator" = [])),
)]
pub async fn qr_svg(
    State(app): State<SharedApp>,
    Path(path): Path<PassPath>,
) -> Result<Response, Problem> {
    let text = text_of(&app, &path).await?;
    Ok(no_store("image/svg+xml", qr::svg(&text)?))
}
