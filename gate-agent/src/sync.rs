//! Keeps in touch with central: pulls what is signed, pushes the journal, tells how the gate is.
//! Has no trust of its own, and the gate never waits for it: whatever comes goes through the core.

pub mod address;
pub mod backoff;
mod carried;
pub mod certificate;
pub mod client;
mod heartbeat;
mod pull_documents;
mod pull_heads;
mod push_journal;
pub mod source;
mod time;
pub mod tls;
pub mod trusted_time;

use std::{sync::Arc, time::Duration};

use gate_core::documents::Wanted;
use shared::{
    configuration::SyncIntervals,
    decision::FreshnessStep,
    gate_api::DocumentName,
    heads::Newest,
    ids::{DocumentNumber, GateId, JournalPosition, Kid},
    panel_api::Link,
    status_list::StatusList,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::{
    configuration::SyncLimits,
    gate_key::GateKey,
    store::{problem::StoreProblem, thread::StoreHandle},
    tasks::Tasks,
};
use backoff::Backoff;
use source::Source;
use trusted_time::TrustedTime;

pub use carried::{Carried, HeadsTaken};

/// Inputs of sync's that wait for the event loop: each task waits for its own.
pub const INPUTS_WAITING_MAX: usize = 8;

/// How often to talk to central while no configuration says it.
pub const FIRST_INTERVALS: SyncIntervals = SyncIntervals {
    pull_s: 60,
    long_poll_s: 25,
    heartbeat_s: 60,
    push_ms: 1_000,
};

/// What sync hands to the event loop, or asks of it.
#[derive(Debug)]
pub enum SyncInput {
    /// Signed bytes, to be checked, stored and put in force.
    Signed {
        /// What they should be.
        kind: SignedInput,
        /// The bytes.
        bytes: Vec<u8>,
        /// Said when they are stored, or refused.
        taken: oneshot::Sender<Result<(), NotTaken>>,
    },
    /// A question.
    Ask(SyncAsk),
    /// Central answers, or does not.
    Link(Link),
    /// Something that the guard should know, or that is over.
    Fault {
        /// `central`, `journal`.
        part: &'static str,
        /// In words.
        problem: Option<String>,
    },
}

/// Kinds of signed bytes that sync brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedInput {
    /// Heads.
    Heads,
    /// A document that was pulled by name.
    Document(DocumentName),
    /// An order.
    Order,
    /// Central's time, bound to the nonce of a request.
    Time {
        /// The nonce.
        nonce: [u8; 16],
    },
    /// An acknowledgement of the journal.
    Acknowledgement,
}

/// What sync asks of the core.
#[derive(Debug)]
pub enum SyncAsk {
    /// The number of the newest heads.
    Heads(oneshot::Sender<Option<DocumentNumber>>),
    /// What to pull.
    Wanted(oneshot::Sender<WantedNow>),
    /// A status list, to apply a delta to.
    StatusList(Kid, oneshot::Sender<Option<Box<StatusList>>>),
    /// What a heartbeat tells.
    Health(oneshot::Sender<Health>),
}

/// What to pull.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedNow {
    /// Documents.
    pub documents: Vec<Wanted>,
    /// Orders, behind this one.
    pub orders: Option<OrdersAfter>,
}

/// The newest order at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrdersAfter(pub Option<DocumentNumber>);

/// What a heartbeat tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Step of the ladder.
    pub freshness: FreshnessStep,
    /// The heads that the gate acts on.
    pub heads: Option<DocumentNumber>,
    /// The configuration in force.
    pub configuration: Option<Newest>,
    /// Milliseconds since boot.
    pub uptime_ms: u64,
    /// Alarms and faults that stand, in words.
    pub problems: Vec<String>,
}

/// Why signed bytes were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// They do not hold.
    #[error("refused: {0}")]
    Refused(String),
    /// They could not be stored.
    #[error("not stored: {0}")]
    NotStored(String),
    /// The agent is ending.
    #[error("the agent is ending")]
    Ending,
}

/// The way to the event loop.
#[derive(Clone, Debug)]
pub struct LoopHandle(mpsc::Sender<SyncInput>);

impl LoopHandle {
    /// Through this channel.
    #[must_use]
    pub fn new(inputs: mpsc::Sender<SyncInput>) -> Self {
        Self(inputs)
    }

    /// Hands over signed bytes; returns once they are stored.
    ///
    /// # Errors
    /// [`NotTaken`] says why not.
    pub async fn hand_over(&self, kind: SignedInput, bytes: Vec<u8>) -> Result<(), NotTaken> {
        let (taken, is_taken) = oneshot::channel();
        let input = SyncInput::Signed { kind, bytes, taken };
        self.0.send(input).await.map_err(|_| NotTaken::Ending)?;
        is_taken.await.map_err(|_| NotTaken::Ending)?
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> SyncAsk) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.send(SyncInput::Ask(ask(answer))).await;
        asked.map_err(|_| Failure::Ending)?;
        answered.await.map_err(|_| Failure::Ending)
    }

    async fn tell_link(&self, link: Link) {
        // When the loop has ended, nobody needs to know.
        let _ = self.0.send(SyncInput::Link(link)).await;
    }

    async fn tell_fault(&self, part: &'static str, problem: Option<String>) {
        let _ = self.0.send(SyncInput::Fault { part, problem }).await;
    }
}

/// Why a step of sync's did not work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The call did not.
    #[error(transparent)]
    Call(#[from] client::CallFailed),
    /// What came was not taken.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreProblem),
    /// Central says something that makes no sense.
    #[error("central answered {0}")]
    Senseless(String),
    /// The agent is ending.
    #[error("the agent is ending")]
    Ending,
}

impl Failure {
    /// Is it only that the agent ends?
    fn is_ending(&self) -> bool {
        matches!(
            self,
            Failure::Ending
                | Failure::NotTaken(NotTaken::Ending)
                | Failure::Call(client::CallFailed::Ending)
                | Failure::Store(StoreProblem::Stopped)
        )
    }
}

/// Everything that sync's tasks share.
#[derive(Clone, Debug)]
pub struct Sync {
    /// The gate.
    pub gate: GateId,
    /// Its key.
    pub key: Arc<GateKey>,
    /// What answers for central.
    pub source: Source,
    /// The date of requests and journal heads.
    pub time: TrustedTime,
    /// The event loop.
    pub to_loop: LoopHandle,
    /// The store.
    pub store: StoreHandle,
    /// How often, from the signed configuration.
    pub intervals: watch::Receiver<SyncIntervals>,
    /// Limits, from the agent's own configuration.
    pub limits: SyncLimits,
    /// Woken when the core wants documents.
    pub pull: Arc<Notify>,
    /// From where records are to be sent again.
    pub resend: watch::Sender<Option<JournalPosition>>,
}

impl Sync {
    /// Starts all tasks. None of them ends while the event loop lives.
    pub fn spawn(self, tasks: &mut Tasks) {
        tasks.watch("sync: heads", pull_heads::run(self.clone()));
        tasks.watch("sync: documents", pull_documents::run(self.clone()));
        tasks.watch("sync: journal", push_journal::run(self.clone()));
        tasks.watch("sync: heartbeat", heartbeat::run(self));
    }

    /// Starts none of them: a stick serves the gate, and no link is missed.
    pub async fn leave_to_sticks(&self) {
        self.to_loop.tell_link(Link::Stick).await;
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(self.limits.retry_first_ms, self.limits.retry_most_ms)
    }

    /// Waits behind a failure, which is logged; `Err` when the agent ends.
    async fn wait_behind(
        &self,
        what: &str,
        failure: &Failure,
        backoff: &mut Backoff,
    ) -> anyhow::Result<()> {
        let wait_ms = backoff.failed(random()?);
        if failure.is_ending() {
            std::future::pending::<()>().await;
        }
        tracing::info!("{what} failed, next try in {wait_ms} ms: {failure}");
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        Ok(())
    }
}

fn random() -> anyhow::Result<u64> {
    getrandom::u64().map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))
}

#[cfg(test)]
mod tests;
