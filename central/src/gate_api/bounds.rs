//! How much of what gates ask for is under way at once. Whatever is beyond waits a little and is
//! then told to come again: a thousand gates that come back together do not knock central over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Refused;
use crate::{ids::GateId, instant::UtcInstant};

/// Requests whose bodies are in memory: 256 MiB at worst.
const ADMITTED_MAX: usize = 256;
/// Batches that are taken in at once. With heads and documents this leaves a quarter of the
/// database's connections to the rest.
const INGESTS_MAX: usize = 6;
/// Heads that are made at once; each holds a database connection while the signer signs.
const HEADS_MAX: usize = 4;
/// Documents that are read and compared at once: each may have 10 MiB.
const DOCUMENTS_MAX: usize = 2;
/// Files for sticks that are made at once; each holds up to three documents.
const CARRIES_MAX: usize = 4;
/// Requests of strangers: enrolment and time.
const STRANGERS_MAX: usize = 16;
/// Longer than a batch waits when all gates come at once, shorter than a gate's patience.
const WAIT: Duration = Duration::from_secs(10);
/// Attempts to enrol one gate within [`ATTEMPTS_PERIOD`]: a technician who mistypes, and no more.
const ATTEMPTS_MAX: u32 = 10;
const ATTEMPTS_PERIOD: Duration = Duration::from_secs(60);
/// Gates with a claim in force at one time; beyond, enrolment waits for the next minute.
const ENROLLING_MAX: usize = 1_000;

/// The bounds of one central.
#[derive(Debug)]
pub struct Bounds {
    wait: Duration,
    admitted: Arc<Semaphore>,
    ingests: Arc<Semaphore>,
    heads: Arc<Semaphore>,
    documents: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    carries: Arc<Semaphore>,
    attempts: Mutex<HashMap<GateId, Attempts>>,
}

#[derive(Clone, Copy, Debug)]
struct Attempts {
    since: UtcInstant,
    count: u32,
}

impl Bounds {
    /// Nothing under way.
    #[must_use]
    pub fn new() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            wait: WAIT,
            admitted: semaphore(ADMITTED_MAX),
            ingests: semaphore(INGESTS_MAX),
            heads: semaphore(HEADS_MAX),
            documents: semaphore(DOCUMENTS_MAX),
            strangers: semaphore(STRANGERS_MAX),
            carries: semaphore(CARRIES_MAX),
            attempts: Mutex::default(),
        }
    }

    /// A request whose body is about to be read.
    ///
    /// # Errors
    /// Busy.
    pub async fn admit(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.wait(&self.admitted).await
    }

    /// A batch that is about to be taken in.
    ///
    /// # Errors
    /// Busy.
    pub async fn ingest(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.wait(&self.ingests).await
    }

    /// Heads that are about to be made.
    ///
    /// # Errors
    /// Busy.
    pub async fn heads(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.wait(&self.heads).await
    }

    /// A document that is about to be read.
    ///
    /// # Errors
    /// Busy.
    pub async fn document(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.wait(&self.documents).await
    }

    /// A request that nobody has signed.
    ///
    /// # Errors
    /// Busy.
    pub async fn stranger(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.wait(&self.strangers).await
    }

    /// A file for a stick that is about to be made.
    ///
    /// # Errors
    /// Busy.
    pub async fn carry(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.wait(&self.carries).await
    }

    /// An attempt to prove the claim of a gate that has one.
    ///
    /// # Errors
    /// Busy, after too many within a minute.
    pub fn enrol(&self, gate_id: GateId, now: UtcInstant) -> Result<(), Refused> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, attempts| attempts.since.plus(ATTEMPTS_PERIOD) > now);
        if attempts.len() >= ENROLLING_MAX && !attempts.contains_key(&gate_id) {
            return Err(Refused::busy(
                "Too many gates enrol at once: try again in a minute.",
            ));
        }
        let attempts = attempts.entry(gate_id).or_insert(Attempts {
            since: now,
            count: 0,
        });
        if attempts.count >= ATTEMPTS_MAX {
            return Err(Refused::busy(format!(
                "More than {ATTEMPTS_MAX} attempts to enrol this gate within a minute: wait one, and check the claim."
            )));
        }
        attempts.count += 1;
        Ok(())
    }
}

impl Bounds {
    async fn wait(&self, semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refused> {
        match tokio::time::timeout(self.wait, semaphore.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Refused::busy(
                "Central has more to do than it can: try again later.",
            )),
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_ten_attempts_a_gate_waits_a_minute_and_others_do_not() {
        let bounds = Bounds::new();
        let [one, two] = [1, 2].map(|id| GateId(uuid::Uuid::from_u128(id)));
        let start = UtcInstant::from_unix_seconds(1_000);
        for _ in 0..ATTEMPTS_MAX {
            assert!(bounds.enrol(one, start).is_ok());
        }
        assert!(
            bounds
                .enrol(one, start.plus(Duration::from_secs(59)))
                .is_err()
        );
        assert!(bounds.enrol(two, start).is_ok());
        assert!(bounds.enrol(one, start.plus(ATTEMPTS_PERIOD)).is_ok());
    }

    #[tokio::test]
    async fn what_is_beyond_the_bound_is_told_to_come_again() {
        let bounds = Bounds {
            wait: Duration::from_millis(10),
            ..Bounds::new()
        };
        let mut held = Vec::new();
        for _ in 0..INGESTS_MAX {
            held.push(bounds.ingest().await.unwrap());
        }
        assert!(bounds.ingest().await.is_err());
        held.pop();
        assert!(bounds.ingest().await.is_ok());
    }
}
