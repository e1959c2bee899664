//! POST /gate/v1/orders: the orders that a gate has not stored yet, oldest first. Expired ones
//! too: the sequence has no gaps, and the gate records that it came too late.

use axum::{extract::State, response::Response};
use shared::{
    cbor,
    document::SignedKind as _,
    gate_api::{API_VERSION, ORDERS_LIMIT, OrdersAnswer, OrdersRequest},
    order::Order,
};

use super::{Refused, answer, authentication::Signed};
use crate::{
    app::SharedApp,
    db::signed_documents::{self, Subject},
};

/// Answers an [`OrdersRequest`] with an [`OrdersAnswer`].
///
/// # Errors
/// [`Refused`] when the database cannot be reached.
pub async fn post(
    State(app): State<SharedApp>,
    request: Signed<OrdersRequest>,
) -> Result<Response, Refused> {
    let Signed { gate, message, .. } = &request;
    let transaction = app.db.begin_in_school(gate.school_id).await?;
    let subject = Subject::Gate(gate.gate_id);
    let orders = signed_documents::after(
        &transaction,
        Order::EXTERNAL_DATA,
        subject,
        message.after,
        ORDERS_LIMIT,
    )
    .await?;
    transaction.commit().await?;
    Ok(answer(cbor::encode(&OrdersAnswer {
        version: API_VERSION,
        orders: orders
            .into_iter()
            .map(|order| order.document.into())
            .collect(),
    })))
}
