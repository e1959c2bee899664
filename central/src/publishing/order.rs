//! Orders to gates.

use anyhow::Context;
use shared::{
    document::{Header, SignedKind as _},
    ids::DocumentNumber,
    order::{Order, OrderAction},
};

use super::{Publisher, header, store};
use crate::{
    changes::{self, Change},
    db::{
        Transaction,
        publications::{self, Place},
        signed_documents::{self, Subject},
    },
    ids::{GateId, SchoolId},
};

/// Orders of former epochs stay for so long after they expired: whoever was cut off all the while
/// has to begin anew. Those of the epoch stay for good, a kilobyte each: a gate takes them in order
/// and without a gap, however long it was away.
const FORMER_KEPT_S: u64 = 60 * Header::DAY_S;

impl Publisher {
    /// Signs an order to a gate and stores it within `transaction`; whoever commits wakes the
    /// gate with [`Publisher::wake`].
    ///
    /// # Errors
    /// When the database or the statement signer fails; nothing is ordered then.
    pub async fn order(
        &self,
        transaction: &Transaction,
        school_id: SchoolId,
        gate_id: GateId,
        action: OrderAction,
        lifetime_s: u64,
    ) -> anyhow::Result<Order> {
        let context = || format!("cannot publish an order to gate {gate_id}");
        let place = Place {
            kind: Order::EXTERNAL_DATA,
            subject: Subject::Gate(gate_id),
        };
        publications::lock(transaction, place).await?;
        let now = self.clock.now();
        let epoch = signed_documents::epoch(transaction).await?;
        let newest = publications::newest(transaction, place).await?;
        let of_epoch = newest.filter(|newest| newest.number.epoch == epoch);
        let number = DocumentNumber {
            epoch,
            n: of_epoch.map_or(1, |newest| newest.number.n + 1),
        };
        let order = Order {
            header: header(number, now, lifetime_s),
            gate: gate_id.into(),
            action,
        };
        let document = self.statements.sign(&order).await.with_context(context)?;
        store(transaction, place, Some(school_id), order.header, &document)
            .await
            .with_context(context)?;
        let before = now.minus(std::time::Duration::from_secs(FORMER_KEPT_S));
        publications::prune_former_epochs(transaction, place, before).await?;
        changes::announce(transaction, Change::Gate(gate_id)).await?;
        Ok(order)
    }

    /// Wakes whoever waits in this process for what was committed.
    pub fn wake(&self, change: Change) {
        self.changes.wake(change);
    }
}
