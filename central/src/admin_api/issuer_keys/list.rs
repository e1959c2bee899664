//! GET /api/v1/schools/{school_id}/issuer-keys

use axum::extract::State;

use super::IssuerKey;
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::signing_keys,
    extract::{Json, Path},
    openapi::NotFound,
    paging::Page,
    problem::Problem,
};

/// A school's issuer keys, oldest first, on one page
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/issuer-keys", operation_id = "list_issuer_keys",
    tag = "issuer keys",
    params(SchoolPath),
    responses((status = 200, description = "All of them", body = Page<IssuerKey>), NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
) -> Result<Json<Page<IssuerKey>>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let keys = signing_keys::list(&transaction, Some(school_id)).await?;
    Ok(Json(Page {
        items: keys.iter().map(IssuerKey::new).collect(),
        next_cursor: None,
    }))
}
