//! Gives the store a thread of its own. Requests are done in order, one transaction each; a
//! request of the event loop never blocks it.

use std::ops::Range;

use gate_core::{
    action::{Commit, CommitToken},
    input::Lookup,
};
use shared::{
    heads::Acknowledgement,
    ids::{JournalPosition, Kid, PassDigest, PassId, ScanId, Serial, StaffNumber},
    policy::FullJournalPolicy,
    time::Uptime,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Committed, IssuedProgress, JournalStretch, Stamp, Store, Upkeep, journal::JournalTail,
    problem::StoreProblem,
};
use crate::clock::Clock;

/// Requests that wait for the thread. A commit takes some milliseconds: with more waiting, a scan
/// would be decided seconds late, and is denied instead.
pub const REQUESTS_WAITING_MAX: usize = 256;

/// How long upkeep that failed waits, in ms: a roster that does not fit is not written over and
/// over to a disk that is full.
const UPKEEP_PAUSE_MS: u64 = 300_000;

/// What the store is asked.
#[derive(Debug)]
pub enum StoreRequest {
    /// Write a commit.
    Commit(Commit),
    /// Look a verified pass up.
    LookUp {
        /// The scan that waits.
        scan: ScanId,
        /// The pass.
        pass: PassId,
        /// Digest of its bytes.
        digest: PassDigest,
    },
    /// Remember an acknowledgement.
    Acknowledge {
        /// What central signed.
        acknowledgement: Acknowledgement,
        /// When it came.
        stamp: Stamp,
    },
    /// Remember how often in a row a PIN was wrong.
    SetPinFailures {
        /// Whose.
        staff: StaffNumber,
        /// How often.
        failures: u32,
    },
    /// What to do when the journal is full.
    SetFullJournalPolicy(FullJournalPolicy),
    /// Something that sync waits for.
    Sync(SyncRequest),
}

/// What sync asks of the store; each carries the way back.
#[derive(Debug)]
pub enum SyncRequest {
    /// A block of counter values at or above a floor.
    ReserveCounters {
        /// The floor.
        floor: u64,
        /// The way back.
        answer: Answer<Range<u64>>,
    },
    /// Records behind a place.
    JournalAfter {
        /// The place.
        after: JournalPosition,
        /// Most bytes of records.
        bytes: usize,
        /// The way back.
        answer: Answer<JournalStretch>,
    },
    /// How far digests were pulled.
    IssuedProgress {
        /// The issuer key.
        kid: Kid,
        /// The way back.
        answer: Answer<IssuedProgress>,
    },
    /// Pulled digests.
    StoreIssuedRange {
        /// The issuer key.
        kid: Kid,
        /// The first serial.
        first: Serial,
        /// The digests.
        digests: Vec<PassDigest>,
        /// The way back.
        answer: Answer<IssuedProgress>,
    },
    /// Pulled digests that no list vouches for are to be forgotten.
    RewindIssued {
        /// The issuer key.
        kid: Kid,
        /// The way back.
        answer: Answer<IssuedProgress>,
    },
}

/// The way back of one request.
pub type Answer<T> = oneshot::Sender<Result<T, StoreProblem>>;

/// What the event loop hears.
#[derive(Debug, PartialEq, Eq)]
pub enum StoreAnswer {
    /// Everything of a commit is durable.
    Committed(CommitToken, Committed),
    /// Nothing of it was written.
    CommitFailed(CommitToken, StoreProblem),
    /// What is known of a pass.
    LookedUp(ScanId, Lookup),
    /// It could not be found out.
    LookupFailed(ScanId, StoreProblem),
    /// An acknowledgement is remembered.
    Acknowledged(JournalTail),
    /// It is not.
    AcknowledgementFailed(StoreProblem),
    /// Something that nobody waits for could not be written.
    Failed(StoreProblem),
}

/// The event loop's and sync's way to the thread.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    requests: mpsc::Sender<StoreRequest>,
    tail: watch::Receiver<JournalTail>,
}

/// The thread's work, and how to reach it.
#[derive(Debug)]
pub struct StoreThread {
    store: Store,
    requests: mpsc::Receiver<StoreRequest>,
    answers: mpsc::Sender<StoreAnswer>,
    tail: watch::Sender<JournalTail>,
    clock: Clock,
    /// When upkeep that failed is tried again.
    retry_upkeep_at: Option<Uptime>,
}

impl StoreThread {
    /// Makes ready what [`Self::run`] does; answers of the event loop's requests come from the
    /// receiver.
    ///
    /// # Errors
    /// [`StoreProblem::NotEnrolled`].
    pub fn new(
        store: Store,
    ) -> Result<(Self, StoreHandle, mpsc::Receiver<StoreAnswer>), StoreProblem> {
        let (requests, received) = mpsc::channel(REQUESTS_WAITING_MAX);
        // Each request has at most one answer, so the loop's own requests bound this as well.
        let (answers, answered) = mpsc::channel(REQUESTS_WAITING_MAX);
        let (tail, watched) = watch::channel(store.tail()?);
        let handle = StoreHandle {
            requests,
            tail: watched,
        };
        let thread = Self {
            store,
            requests: received,
            answers,
            tail,
            clock: Clock::system(),
            retry_upkeep_at: None,
        };
        Ok((thread, handle, answered))
    }

    /// Works until nobody asks any more. To be run on a thread that may block.
    pub fn run(mut self) {
        let mut upkeep = Upkeep::More;
        loop {
            let request = match upkeep {
                Upkeep::Done => self.requests.blocking_recv(),
                Upkeep::More => match self.requests.try_recv() {
                    Ok(request) => Some(request),
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                    Err(mpsc::error::TryRecvError::Empty) => {
                        upkeep = self.upkeep();
                        continue;
                    }
                },
            };
            let Some(request) = request else {
                return;
            };
            let answer = self.answer(request);
            self.publish_tail();
            upkeep = Upkeep::More;
            if let Some(answer) = answer
                && self.answers.blocking_send(answer).is_err()
            {
                return;
            }
        }
    }

    /// What failed is tried again behind the first request that comes when the pause is over.
    fn upkeep(&mut self) -> Upkeep {
        let now = self.clock.uptime();
        if self.retry_upkeep_at.is_some_and(|at| at <= now) {
            self.retry_upkeep_at = None;
            self.store.retry_upkeep();
        }
        match self.store.upkeep_step() {
            Ok(upkeep) => upkeep,
            Err(problem) => {
                tracing::warn!("upkeep waits: {problem}");
                self.retry_upkeep_at = Some(now.plus_ms(UPKEEP_PAUSE_MS));
                Upkeep::More
            }
        }
    }

    fn publish_tail(&mut self) {
        let Ok(tail) = self.store.tail() else {
            return;
        };
        self.tail.send_if_modified(|published| {
            let is_new = *published != tail;
            *published = tail;
            is_new
        });
    }

    fn answer(&mut self, request: StoreRequest) -> Option<StoreAnswer> {
        match request {
            StoreRequest::Commit(commit) => Some(match self.store.commit(&commit) {
                Ok(committed) => StoreAnswer::Committed(commit.token, committed),
                Err(problem) => StoreAnswer::CommitFailed(commit.token, problem),
            }),
            StoreRequest::LookUp { scan, pass, digest } => {
                Some(match self.store.look_up(pass, digest) {
                    Ok(lookup) => StoreAnswer::LookedUp(scan, lookup),
                    Err(problem) => StoreAnswer::LookupFailed(scan, problem),
                })
            }
            StoreRequest::Acknowledge {
                acknowledgement,
                stamp,
            } => Some(match self.store.acknowledge(&acknowledgement, stamp) {
                Ok(tail) => StoreAnswer::Acknowledged(tail),
                Err(problem) => StoreAnswer::AcknowledgementFailed(problem),
            }),
            StoreRequest::SetPinFailures { staff, failures } => self
                .store
                .set_pin_failures(staff, failures)
                .err()
                .map(StoreAnswer::Failed),
            StoreRequest::SetFullJournalPolicy(policy) => {
                self.store.set_full_journal_policy(policy);
                None
            }
            StoreRequest::Sync(request) => {
                self.answer_sync(request);
                None
            }
        }
    }

    /// Whoever asked may have gone; the answer is nobody's then.
    fn answer_sync(&mut self, request: SyncRequest) {
        match request {
            SyncRequest::ReserveCounters { floor, answer } => {
                let _ = answer.send(self.store.reserve_counters(floor));
            }
            SyncRequest::JournalAfter {
                after,
                bytes,
                answer,
            } => {
                let _ = answer.send(self.store.journal_stretch(after, bytes));
            }
            SyncRequest::IssuedProgress { kid, answer } => {
                let _ = answer.send(self.store.issued_progress(kid));
            }
            SyncRequest::StoreIssuedRange {
                kid,
                first,
                digests,
                answer,
            } => {
                let _ = answer.send(self.store.store_issued_range(kid, first, &digests));
            }
            SyncRequest::RewindIssued { kid, answer } => {
                let _ = answer.send(self.store.rewind_issued(kid));
            }
        }
    }
}

impl StoreHandle {
    /// Hands over a request of the event loop, without waiting.
    ///
    /// # Errors
    /// [`StoreProblem::Overloaded`] when too many wait, [`StoreProblem::Stopped`] when the thread
    /// has ended; nothing of the request is done then.
    pub fn request(&self, request: StoreRequest) -> Result<(), StoreProblem> {
        self.requests
            .try_send(request)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreProblem::Overloaded,
                mpsc::error::TrySendError::Closed(_) => StoreProblem::Stopped,
            })
    }

    /// Where the journal stands, and how to hear that it moved.
    #[must_use]
    pub fn tail(&self) -> watch::Receiver<JournalTail> {
        self.tail.clone()
    }

    /// Asks something of sync's and waits for the answer.
    ///
    /// # Errors
    /// What the store says, or [`StoreProblem::Stopped`].
    pub async fn ask<T>(
        &self,
        request: impl FnOnce(Answer<T>) -> SyncRequest,
    ) -> Result<T, StoreProblem> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(StoreRequest::Sync(request(answer)))
            .await
            .map_err(|_| StoreProblem::Stopped)?;
        answered.await.map_err(|_| StoreProblem::Stopped)?
    }
}
