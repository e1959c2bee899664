//! GET /api/v1/schools/{school_id}/gates/{gate_id}/orders

use anyhow::Context;
use axum::extract::State;
use shared::{cbor, cose::Sign1, document::SignedKind as _, order::Order as WireOrder};

use super::{Order, OrderNumber};
use crate::{
    admin_api::{
        gates::{GatePath, not_found},
        schools,
    },
    app::SharedApp,
    db::{
        gates,
        signed_documents::{self, Subject},
    },
    extract::{Json, Path, Query},
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
};

/// The orders to a gate, oldest first; those that expired long ago are left out
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/gates/{gate_id}/orders", operation_id = "list_orders",
    tag = "orders",
    params(GatePath, PageQuery),
    responses((status = 200, description = "A page of them", body = Page<Order>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(GatePath { school_id, gate_id }): Path<GatePath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Order>>, Problem> {
    let page = query.request::<OrderNumber>()?;
    let transaction = schools::begin_in(&app, school_id).await?;
    if gates::get(&transaction, gate_id).await?.is_none() {
        return Err(not_found(gate_id));
    }
    let after = page.after.map(|OrderNumber(number)| number);
    let limit = page.limit as usize + 1;
    let found = signed_documents::after(
        &transaction,
        WireOrder::EXTERNAL_DATA,
        Subject::Gate(gate_id),
        after,
        limit,
    )
    .await?;
    let mut orders = Vec::with_capacity(found.len());
    for stored in &found {
        let payload = Sign1::parse(&stored.document)
            .context("a stored order is no signed document")?
            .payload;
        let order: WireOrder = cbor::decode_strict(payload, WireOrder::LIMIT)
            .context("a stored order is malformed")?;
        let shown = Order::from_wire(&order).context("a stored order has no form here")?;
        orders.push((OrderNumber(stored.newest.number), shown));
    }
    let page = page.page(orders, |(number, _)| *number);
    Ok(Json(Page {
        items: page.items.into_iter().map(|(_, order)| order).collect(),
        next_cursor: page.next_cursor,
    }))
}
