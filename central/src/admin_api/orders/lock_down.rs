//! POST /api/v1/schools/{school_id}/lockdown

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
pub struct LockDownRequest {}

/// The orders, one for each gate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LockDownOrders {
    /// The orders.
    orders: Vec<Order>,
}

/// Lock down every gate of a school: beats valid passes until it is ended
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/lockdown", operation_id = "lock_school_down", tag = "orders",
    params(SchoolPath, IdempotencyKey),
    request_body = LockDownRequest,
    responses((status = 201, description = "Ordered", body = LockDownOrders), NotFound, Conflict),
    security(("administrator" = [])),
)]
pub async fn lock_down(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent {
        body: LockDownRequest {},
        request,
    }: Idempotent<LockDownRequest>,
) -> Result<Response, Problem> {
    let answer = |orders| LockDownOrders { orders };
    order_whole_school(&app, school_id, &request, Action::LockDown {}, answer).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::keys::central_with_keys;

    #[tokio::test]
    async fn a_lockdown_reaches_every_gate_that_is_in_use() {
        let (central, _) = central_with_keys().await;
        let site = central.site().await;
        let gates = format!("{}/gates", site.school);
        let library = central.post(&gates, json!({"name": "Library"})).await.json;
        let old = central.post(&gates, json!({"name": "Old gate"})).await.json;
        let old = old["gate_id"].as_str().unwrap();
        central
            .post(&format!("{gates}/{old}/retire"), json!(null))
            .await;
        let down = central
            .post(&format!("{}/lockdown", site.school), json!({}))
            .await;
        assert_eq!(down.status, 201, "{}", down.text);
        let ids: Vec<_> = down.json["orders"]
            .as_array()
            .unwrap()
            .iter()
            .map(|order| order["gate_id"].clone())
            .collect();
        assert_eq!(ids.len(), 2);
        assert!(ids.contains(&library["gate_id"]));
        let end = central
            .post(&format!("{}/lockdown/end", site.school), json!({}))
            .await;
        assert_eq!(end.json["orders"][0]["number"], "1.2");
        assert_eq!(end.json["orders"][0]["action"], "end_lockdown");
    }
}
