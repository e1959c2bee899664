//! POST /gate/v1/orders: the orders of central's epoch that a gate has not stored yet, oldest
//! first. Expired ones too: the sequence has no gaps, and the gate records that it came too late.

use axum::{extract::State, response::Response};
use shared::{
    cbor,
    document::SignedKind as _,
    gate_api::{API_VERSION, ORDERS_LIMIT, OrdersAnswer, OrdersRequest},
    ids::DocumentNumber,
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
    // A gate takes no order of a former epoch, and must not be stopped by one.
    let epoch = signed_documents::epoch(&transaction).await?;
    let beginning = DocumentNumber { epoch, n: 0 };
    let after = message.after.unwrap_or(beginning).max(beginning);
    let orders = signed_documents::after(
        &transaction,
        Order::EXTERNAL_DATA,
        subject,
        Some(after),
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

#[cfg(test)]
mod tests {
    use shared::{
        gate_api::{path, read},
        ids::CentralEpoch,
    };

    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn orders_come_in_order_a_hundred_at_a_time_and_only_to_their_gate() {
        let central = testing::central().await;
        let site = central.site().await;
        let mut gate = central.enrolled(&site).await;
        let subject = Subject::Gate(site.gate_id);
        for n in 1..=103 {
            let bytes = format!("order {n}");
            central
                .store(Order::EXTERNAL_DATA, subject, n, bytes.as_bytes())
                .await;
        }
        for (after, expected) in [
            (None, Some(1..=100)),
            (Some(100), Some(101..=103)),
            (Some(103), None),
        ] {
            let request = OrdersRequest {
                version: API_VERSION,
                after: after.map(|n| DocumentNumber {
                    epoch: CentralEpoch(1),
                    n,
                }),
            };
            let answer = gate.send(&central, path::ORDERS, &request).await;
            let answer: OrdersAnswer = read(&answer.bytes).unwrap();
            let expected: Vec<_> = expected
                .into_iter()
                .flatten()
                .map(|n: u64| format!("order {n}").into_bytes().into())
                .collect();
            assert_eq!(answer.orders, expected, "after {after:?}");
        }
        let other = central.site().await;
        let claim = central.claim(&other).await;
        let mut stranger = central.enrol(&claim, 99).await;
        let request = OrdersRequest {
            version: API_VERSION,
            after: None,
        };
        let answer = stranger.send(&central, path::ORDERS, &request).await;
        let answer: OrdersAnswer = read(&answer.bytes).unwrap();
        assert!(answer.orders.is_empty());
    }

    #[tokio::test]
    async fn orders_of_a_former_epoch_stop_no_gate() {
        let central = testing::central().await;
        let site = central.site().await;
        let mut gate = central.enrolled(&site).await;
        let subject = Subject::Gate(site.gate_id);
        for n in 1..=3 {
            central
                .store(Order::EXTERNAL_DATA, subject, n, b"before the restore")
                .await;
        }
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        transaction
            .execute("UPDATE central_state SET epoch = 2", &[])
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        central
            .store(Order::EXTERNAL_DATA, subject, 1, b"behind the restore")
            .await;
        let held = DocumentNumber {
            epoch: CentralEpoch(1),
            n: 2,
        };
        for after in [None, Some(held)] {
            let request = OrdersRequest {
                version: API_VERSION,
                after,
            };
            let answer = gate.send(&central, path::ORDERS, &request).await;
            let answer: OrdersAnswer = read(&answer.bytes).unwrap();
            assert_eq!(answer.orders, [b"behind the restore".to_vec().into()]);
        }
    }
}
