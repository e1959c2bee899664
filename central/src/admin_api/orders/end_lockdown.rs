//! POST /api/v1/schools/{school_id}/lockdown/end

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Action, Order, order_whole_school};
use crate::{
    admin_api::schools::SchoolPath,
    app::SharedApp,
    extract::Path,
    idempotency::{IdempotencyKey, Idempotent},
    openapi::{Conflict, NotFound},
    problem::Problem,
};

/// Nothing has to be said.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EndLockdownRequest {}

/// The orders, one for each gate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EndLockdownOrders {
    /// The orders.
    orders: Vec<Order>,
}

/// End the lockdown of every gate of a school
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/lockdown/end", operation_id = "end_school_lockdown", tag = "orders",
    params(SchoolPath, IdempotencyKey),
    request_body = EndLockdownRequest,
    responses((status = 201, description = "Ordered", body = EndLockdownOrders), NotFound, Conflict),
    security(("administrator" = [])),
)]
pub async fn end_lockdown(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent {
        body: EndLockdownRequest {},
        request,
    }: Idempotent<EndLockdownRequest>,
) -> Result<Response, Problem> {
    let answer = |orders| EndLockdownOrders { orders };
    order_whole_school(&app, school_id, &request, Action::EndLockdown {}, answer).await
}
