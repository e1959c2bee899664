//! POST /api/v1/schools/{school_id}/lockdown/end

use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Action, Order, order_all, wake};
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::gates,
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
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
    let now = app.clock.now();
    // The key may have been replaced by a command a moment ago.
    app.statements.reload().await?;
    let transaction = schools::begin_in(&app, school_id).await?;
    if let Attempt::Answered(answer) = idempotency::begin(&transaction, &request, now).await? {
        return Ok(answer);
    }
    let gates = gates::in_use(&transaction, school_id).await?;
    let action = Action::EndLockdown {};
    let orders = order_all(&app, &transaction, school_id, &gates, action).await?;
    let answer = EndLockdownOrders { orders };
    let answer = idempotency::finish(transaction, &request, StatusCode::CREATED, &answer).await?;
    wake(&app, &gates);
    tracing::warn!(
        school.id = %school_id,
        gates = gates.len(),
        "End of the lockdown of school {school_id}: ordered at {} gates",
        gates.len()
    );
    Ok(answer)
}
