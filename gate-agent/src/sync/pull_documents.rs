//! Pulls what heads name and the gate does not hold: orders first, then what vouches for the rest,
//! then status lists, issued lists, and the roster last.

mod issued_list;

use std::{collections::BTreeSet, time::Duration};

use gate_core::documents::Wanted;
use shared::{
    gate_api::{
        API_VERSION, DocumentAnswer, DocumentName, DocumentRequest, OrdersAnswer, OrdersRequest,
        path,
    },
    ids::Kid,
    status_list::StatusDelta,
};

use super::{Failure, OrdersAfter, SignedInput, Sync, SyncAsk, WantedNow, client::CallFailed};

pub(super) async fn run(sync: Sync) -> anyhow::Result<()> {
    let mut backoff = sync.backoff();
    loop {
        match pull_all(&sync).await {
            Ok(()) => {
                backoff.succeeded();
                let pull_s = sync.intervals.borrow().pull_s;
                tokio::select! {
                    () = sync.pull.notified() => {}
                    () = tokio::time::sleep(Duration::from_secs(pull_s)) => {}
                }
            }
            Err(failure) => {
                // Fresh heads are a reason to try again at once.
                tokio::select! {
                    waited = sync.wait_behind("pulling documents", &failure, &mut backoff) => waited?,
                    () = sync.pull.notified() => {}
                }
            }
        }
    }
}

async fn pull_all(sync: &Sync) -> Result<(), Failure> {
    let Pulled { first_failure, .. } = pull_wanted(sync).await?;
    first_failure.map_or(Ok(()), Err)
}

/// What came of pulling.
#[derive(Debug, Default)]
pub(super) struct Pulled {
    /// Steps that brought something.
    pub(super) taken: u32,
    /// The first that did not.
    pub(super) first_failure: Option<Failure>,
}

/// Pulls until nothing is wanted. What fails does not keep the others back.
pub(super) async fn pull_wanted(sync: &Sync) -> Result<Pulled, Failure> {
    let mut failed = BTreeSet::new();
    let mut orders_failed = false;
    let mut pulled = Pulled::default();
    loop {
        let WantedNow { documents, orders } = sync.to_loop.ask(SyncAsk::Wanted).await?;
        let next = documents
            .into_iter()
            .filter(|wanted| !failed.contains(&wanted.name))
            .min_by_key(|wanted| urgency(wanted.name));
        let result = match (orders.filter(|_| !orders_failed), next) {
            (Some(after), _) => {
                let done = pull_orders(sync, after).await;
                orders_failed = done.is_err();
                done
            }
            (None, Some(wanted)) => {
                let done = pull_one(sync, wanted).await;
                if done.is_err() {
                    failed.insert(wanted.name);
                }
                done
            }
            (None, None) => return Ok(pulled),
        };
        match result {
            Ok(()) => pulled.taken += 1,
            // Without a link the rest fails as well.
            Err(
                failure @ (Failure::Call(CallFailed::Unreachable(_) | CallFailed::StickGone(_))
                | Failure::Ending),
            ) => {
                return Err(failure);
            }
            Err(failure) => {
                tracing::info!("pulling a document failed: {failure}");
                pulled.first_failure.get_or_insert(failure);
            }
        }
    }
}

/// Lower goes first: what vouches for the rest, then what denies, then what recognises.
fn urgency(name: DocumentName) -> (u8, DocumentName) {
    let class = match name {
        DocumentName::RootSet => 0,
        DocumentName::TrustList => 1,
        DocumentName::Configuration => 2,
        DocumentName::StatusList(_) => 3,
        DocumentName::IssuedList(_) => 4,
        DocumentName::Roster => 5,
    };
    (class, name)
}

async fn pull_orders(sync: &Sync, OrdersAfter(after): OrdersAfter) -> Result<(), Failure> {
    let question = OrdersRequest {
        version: API_VERSION,
        after,
    };
    let answer: OrdersAnswer = sync.source.ask(path::ORDERS, &question).await?;
    if answer.orders.is_empty() {
        return Err(Failure::Senseless(
            "with no order, though heads name one".into(),
        ));
    }
    for order in answer.orders {
        sync.to_loop
            .hand_over(SignedInput::Order, order.into())
            .await?;
    }
    Ok(())
}

async fn pull_one(sync: &Sync, wanted: Wanted) -> Result<(), Failure> {
    match wanted.name {
        DocumentName::StatusList(kid) => pull_status_list(sync, kid, wanted).await,
        DocumentName::IssuedList(kid) => issued_list::pull(sync, kid, wanted).await,
        DocumentName::RootSet
        | DocumentName::TrustList
        | DocumentName::Configuration
        | DocumentName::Roster => {
            let bytes = whole(ask(sync, wanted).await?)?;
            let kind = SignedInput::Document(wanted.name);
            Ok(sync.to_loop.hand_over(kind, bytes).await?)
        }
    }
}

async fn ask(sync: &Sync, wanted: Wanted) -> Result<DocumentAnswer, Failure> {
    let question = DocumentRequest {
        version: API_VERSION,
        name: wanted.name,
        have: wanted.have,
    };
    Ok(sync.source.ask(path::DOCUMENT, &question).await?)
}

fn whole(answer: DocumentAnswer) -> Result<Vec<u8>, Failure> {
    match answer {
        DocumentAnswer::Whole(bytes) => Ok(bytes.into()),
        DocumentAnswer::Delta(_) => {
            Err(Failure::Senseless("with a delta of no status list".into()))
        }
        DocumentAnswer::NothingNewer => Err(Failure::Senseless(
            "that it has nothing newer, though its heads name something".into(),
        )),
    }
}

/// A delta that does not lead to a list that holds is no reason to go without: the whole list is
/// pulled then.
async fn pull_status_list(sync: &Sync, kid: Kid, wanted: Wanted) -> Result<(), Failure> {
    let kind = SignedInput::Document(wanted.name);
    let answer = match ask(sync, wanted).await? {
        DocumentAnswer::Delta(delta) => {
            if let Some(bytes) = apply(sync, kid, delta).await? {
                match sync.to_loop.hand_over(kind, bytes).await {
                    Err(why @ super::NotTaken::Refused(_)) => {
                        tracing::warn!("the list that a delta led to was not taken: {why}");
                    }
                    taken => return Ok(taken?),
                }
            }
            let without = Wanted {
                have: None,
                ..wanted
            };
            ask(sync, without).await?
        }
        answer @ (DocumentAnswer::Whole(_) | DocumentAnswer::NothingNewer) => answer,
    };
    Ok(sync.to_loop.hand_over(kind, whole(answer)?).await?)
}

/// The list that a delta leads to; `None` when it leads nowhere.
async fn apply(sync: &Sync, kid: Kid, delta: StatusDelta) -> Result<Option<Vec<u8>>, Failure> {
    let held = sync
        .to_loop
        .ask(|answer| SyncAsk::StatusList(kid, answer))
        .await?;
    let Some(held) = held else {
        return Ok(None);
    };
    // A list of ten million passes takes a good part of a second.
    let applied = tokio::task::spawn_blocking(move || delta.apply(&held))
        .await
        .map_err(|_| Failure::Ending)?;
    match applied {
        Ok(bytes) => Ok(Some(bytes)),
        Err(why) => {
            tracing::warn!(issuer.kid = %kid, "a delta of {kid} was not applied: {why}");
            Ok(None)
        }
    }
}
