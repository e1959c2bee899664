//! Word that something changed for gates, so that a long poll ends at once: within this process,
//! and through PostgreSQL's LISTEN and NOTIFY across all processes of one central. Word may get
//! lost or come twice; it carries no facts, only the wish to look.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use tokio::sync::{Notify, mpsc};
use tokio_postgres::Config;

use crate::{
    db::{self, Connection},
    ids::{GateId, SchoolId},
    shutdown::Shutdown,
};

/// The channel of LISTEN and NOTIFY.
pub const CHANNEL: &str = "portcullis_changed";

/// One long poll for each gate that a central may have.
const WAITERS_MAX: usize = 10_000;
/// Word that has not been passed on yet; beyond, PostgreSQL waits.
const PENDING_MAX: usize = 1_024;
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// For whom something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// One gate: its configuration, roster, an order.
    Gate(GateId),
    /// Every gate of a school: a list of one of its issuer keys.
    School(SchoolId),
    /// Every gate: trust list, root set.
    Everything,
}

/// Who waits for what; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    waiters: Arc<Mutex<HashMap<GateId, Waiter>>>,
}

#[derive(Debug)]
struct Waiter {
    school_id: SchoolId,
    poll: Arc<Poll>,
}

#[derive(Debug, Default)]
struct Poll {
    word: Notify,
    displaced: Notify,
}

/// A gate's place among those who wait; dropped, it is free again.
#[derive(Debug)]
pub struct Waiting {
    gate_id: GateId,
    poll: Arc<Poll>,
    changes: Changes,
}

/// As many gates wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Something may have changed.
    ByChange,
    /// The same gate waits anew: this wait is most likely that of a connection which broke.
    ByLaterWait,
}

impl Changes {
    /// Nobody waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes whoever waits for `change` in this process.
    pub fn wake(&self, change: Change) {
        let waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Gate(gate_id) => {
                if let Some(waiter) = waiters.get(&gate_id) {
                    waiter.poll.word.notify_one();
                }
            }
            Change::School(school_id) => {
                for waiter in waiters.values() {
                    if waiter.school_id == school_id {
                        waiter.poll.word.notify_one();
                    }
                }
            }
            Change::Everything => {
                for waiter in waiters.values() {
                    waiter.poll.word.notify_one();
                }
            }
        }
    }

    /// Begins to wait: what changes from now on is not missed. A gate waits once; an earlier wait
    /// of it ends.
    ///
    /// # Errors
    /// [`Full`] when as many gates wait as may.
    pub fn wait_for(&self, gate_id: GateId, school_id: SchoolId) -> Result<Waiting, Full> {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if waiters.len() >= WAITERS_MAX && !waiters.contains_key(&gate_id) {
            return Err(Full);
        }
        let poll = Arc::new(Poll::default());
        let waiter = Waiter {
            school_id,
            poll: poll.clone(),
        };
        if let Some(earlier) = waiters.insert(gate_id, waiter) {
            earlier.poll.displaced.notify_one();
        }
        Ok(Waiting {
            gate_id,
            poll,
            changes: self.clone(),
        })
    }

    /// How many gates wait.
    #[must_use]
    pub fn waiters(&self) -> usize {
        self.waiters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Passes word from other processes on until `shutdown`. While PostgreSQL cannot be reached
    /// word is lost, so afterwards everybody is woken.
    pub async fn pass_on(self, owner: Config, shutdown: Shutdown) {
        while !shutdown.is_requested() {
            let ended = tokio::select! {
                ended = self.listen(&owner) => ended,
                () = shutdown.requested() => return,
            };
            if let Err(error) = ended {
                tracing::warn!(
                    "long polls hear of no changes from other processes for now: {error:#}"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(RECONNECT_PAUSE) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    async fn listen(&self, owner: &Config) -> anyhow::Result<()> {
        let (sender, mut word) = mpsc::channel(PENDING_MAX);
        let client = db::connect_listening(owner, sender).await?;
        client
            .batch_execute(&format!("LISTEN {CHANNEL}"))
            .await
            .context("cannot listen for changes")?;
        self.wake(Change::Everything);
        while let Some(payload) = word.recv().await {
            self.wake(payload.parse().unwrap_or(Change::Everything));
        }
        anyhow::bail!("the connection that listens for changes ended")
    }
}

impl Waiting {
    /// Waits for word; word that came since the last call is not lost.
    pub async fn woken(&self) -> Woken {
        tokio::select! {
            () = self.poll.displaced.notified() => Woken::ByLaterWait,
            () = self.poll.word.notified() => Woken::ByChange,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiters = self
            .changes
            .waiters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_own = waiters
            .get(&self.gate_id)
            .is_some_and(|waiter| Arc::ptr_eq(&waiter.poll, &self.poll));
        if is_own {
            waiters.remove(&self.gate_id);
        }
    }
}

/// Sends word when the transaction commits, to every process of this central.
///
/// # Errors
/// When the database fails.
pub async fn announce(transaction: &Connection, change: Change) -> anyhow::Result<()> {
    let statement = transaction
        .prepare_cached("SELECT pg_notify($1, $2)")
        .await
        .context("cannot announce a change")?;
    transaction
        .execute(&statement, &[&CHANNEL, &change.to_string()])
        .await
        .with_context(|| format!("cannot announce the change {change}"))?;
    Ok(())
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gate(id) => write!(f, "gate:{id}"),
            Self::School(id) => write!(f, "school:{id}"),
            Self::Everything => f.write_str("everything"),
        }
    }
}

/// The payload is none of ours: a newer central's, perhaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownChange;

impl FromStr for Change {
    type Err = UnknownChange;

    fn from_str(text: &str) -> Result<Self, UnknownChange> {
        if text == "everything" {
            return Ok(Self::Everything);
        }
        match text.split_once(':') {
            Some(("gate", id)) => id.parse().map(Self::Gate).map_err(|_| UnknownChange),
            Some(("school", id)) => id.parse().map(Self::School).map_err(|_| UnknownChange),
            Some(_) | None => Err(UnknownChange),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const SHORT: Duration = Duration::from_millis(50);

    fn gate(id: u128) -> GateId {
        GateId(uuid::Uuid::from_u128(id))
    }

    fn school(id: u128) -> SchoolId {
        SchoolId(uuid::Uuid::from_u128(id))
    }

    async fn is_woken(waiting: &Waiting) -> bool {
        tokio::time::timeout(SHORT, waiting.woken()).await.is_ok()
    }

    #[tokio::test]
    async fn word_reaches_those_whom_it_concerns() {
        let changes = Changes::new();
        let one = changes.wait_for(gate(1), school(1)).unwrap();
        let two = changes.wait_for(gate(2), school(1)).unwrap();
        let other = changes.wait_for(gate(3), school(2)).unwrap();
        changes.wake(Change::Gate(gate(1)));
        assert!(is_woken(&one).await && !is_woken(&two).await && !is_woken(&other).await);
        changes.wake(Change::School(school(1)));
        assert!(is_woken(&one).await && is_woken(&two).await && !is_woken(&other).await);
        changes.wake(Change::Everything);
        assert!(is_woken(&one).await && is_woken(&two).await && is_woken(&other).await);
    }

    #[tokio::test]
    async fn a_gate_waits_once_and_leaves_nothing_behind() {
        let changes = Changes::new();
        let earlier = changes.wait_for(gate(1), school(1)).unwrap();
        let later = changes.wait_for(gate(1), school(1)).unwrap();
        assert_eq!(earlier.woken().await, Woken::ByLaterWait);
        drop(earlier);
        assert_eq!(changes.waiters(), 1);
        changes.wake(Change::Gate(gate(1)));
        assert_eq!(later.woken().await, Woken::ByChange);
        drop(later);
        assert_eq!(changes.waiters(), 0);
    }

    #[tokio::test]
    async fn more_gates_than_may_wait_are_turned_away() {
        let changes = Changes::new();
        let held: Vec<_> = (0..WAITERS_MAX as u128)
            .map(|id| changes.wait_for(gate(id), school(1)).unwrap())
            .collect();
        assert_eq!(
            changes.wait_for(gate(u128::MAX), school(1)).unwrap_err(),
            Full
        );
        assert!(changes.wait_for(gate(0), school(1)).is_ok());
        drop(held);
    }

    #[tokio::test]
    async fn word_comes_from_another_process_with_the_commit_and_not_before() {
        let database = testing::fresh_database().await;
        let changes = Changes::new();
        let shutdown = Shutdown::new();
        let task = tokio::spawn(
            changes
                .clone()
                .pass_on(database.owner.clone(), shutdown.clone()),
        );
        let waiting = changes.wait_for(gate(1), school(1)).unwrap();
        // The first word says that it listens now.
        assert_eq!(waiting.woken().await, Woken::ByChange);
        let transaction = database.db.begin_across_schools().await.unwrap();
        announce(&transaction, Change::Gate(gate(1))).await.unwrap();
        assert!(!is_woken(&waiting).await);
        transaction.commit().await.unwrap();
        assert_eq!(waiting.woken().await, Woken::ByChange);
        shutdown.request();
        task.await.unwrap();
    }

    #[test]
    fn every_change_comes_back_from_its_payload() {
        for change in [
            Change::Gate(gate(7)),
            Change::School(school(8)),
            Change::Everything,
        ] {
            assert_eq!(change.to_string().parse(), Ok(change));
        }
        for unknown in ["", "gate:", "gate:7", "roof:1", "everything "] {
            assert_eq!(unknown.parse::<Change>(), Err(UnknownChange));
        }
    }
}
