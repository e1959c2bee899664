//! The machine: every input is a `handle_*(now, …)`, everything it wants done comes out of
//! `poll_action()`. What one input changes is put into one commit, and what may only happen when
//! that is durable (a door released for a pass, a document in force) waits in
//! `commits` until `handle_committed`.

mod committing;
mod deciding;
mod documents;
mod doors;
mod forgetting;
mod guarding;
mod holders;
mod panel;
mod recent;
mod recording;
mod refused_documents;
mod scanning;
mod starting;
mod timing;

use alloc::{
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};

use shared::{
    configuration::Configuration,
    decision::FreshnessStep,
    ids::{AccessPointId, Digest, DocumentNumber, DoorId, GateId, Kid, ScanId},
    issued_list::IssuedList,
    journal::PassageOutcome,
    panel_api::{Link, PanelState},
    status_list::StatusList,
    time::{Now, Uptime, UtcSeconds},
};

use crate::{
    action::{Action, StoredDocument, StoredKind},
    commits::{Commits, Consequence, Faults},
    documents::{Documents, Wanted},
    door::Door,
    freshness::{Clock, Freshness, step_at},
    memory::{Lockdown, Memory},
    passage::OpenPassages,
    reader::Reader,
    refusals::Refusals,
    remembered::Remembered,
    timers::TimerReason,
};

pub use starting::StartRefused;

pub(crate) use recording::DecidedScan;

use holders::SeenHolders;
use recent::RecentScans;
use refused_documents::RefusedDocuments;

/// Who this gate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The gate, as central names it.
    pub gate: GateId,
    /// SHA-256 of the first root set's signed bytes, from the claim.
    pub pinned_root_set: Digest,
}

/// What the store held when the agent started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Who this gate is.
    pub identity: Identity,
    /// What it remembers.
    pub memory: Memory,
    /// Its signed documents, in any order.
    pub documents: Vec<StoredDocument>,
    /// For the record of the start.
    pub agent_version: String,
}

/// The machine.
#[derive(Debug)]
pub struct Gate {
    documents: Documents,
    clock: Clock,
    freshness: Freshness,
    /// The step that was recorded last, and when the next begins.
    step: FreshnessStep,
    next_step_at: Option<Uptime>,
    memory: Remembered,
    commits: Commits,
    /// What was refused by this input because too many commits are under way.
    no_room_for: Vec<Consequence>,
    storage: Storage,
    next_scan: ScanId,
    lockdown: Lockdown,
    /// When unlocked hours are looked at again.
    hours_at: Option<Uptime>,
    doors: BTreeMap<DoorId, Door>,
    readers: BTreeMap<AccessPointId, Reader>,
    passages: OpenPassages,
    /// Settlements that wait for another commit about the same holder.
    settlements: Vec<(ScanId, PassageOutcome)>,
    recent: RecentScans,
    holders: SeenHolders,
    refusals: Refusals,
    refused_documents: RefusedDocuments,
    faults: Faults,
    link: Link,
    started_at: Uptime,
    forget_at: Uptime,
    actions: VecDeque<Action>,
    shown: Option<PanelState>,
}

/// Does the store take commits?
#[derive(Clone, Debug, PartialEq, Eq)]
enum Storage {
    Sound,
    Failing { problem: String, retry_at: Uptime },
}

impl Gate {
    /// The next thing to do, in order; none when there is nothing (more).
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call `handle_timeout` unless another input comes first, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Uptime, TimerReason)> {
        self.next_timer()
    }

    /// What central has that the gate has not, in the order in which to pull it.
    #[must_use]
    pub fn wanted(&self) -> Vec<Wanted> {
        self.documents.wanted()
    }

    /// Do heads name an order that the gate has not taken?
    #[must_use]
    pub fn wants_orders(&self) -> bool {
        self.documents.wants_orders()
    }

    /// The configuration in force.
    #[must_use]
    pub fn configuration(&self) -> Option<&Configuration> {
        self.documents.configuration()
    }

    /// The status list in force, to apply a delta to.
    #[must_use]
    pub fn status_list(&self, kid: Kid) -> Option<&StatusList> {
        let held = self.documents.status_lists.get(&kid)?;
        Some(&held.list.document)
    }

    /// The issued list in force: its count says from which serial on digests are new, its growth
    /// what a serial beyond it means.
    #[must_use]
    pub fn issued_list(&self, kid: Kid) -> Option<&IssuedList> {
        let held = self.documents.issued_lists.get(&kid)?;
        Some(&held.document)
    }

    /// The number in force under a name.
    #[must_use]
    pub fn held(&self, name: shared::gate_api::DocumentName) -> Option<DocumentNumber> {
        let held = self.documents.held(StoredKind::Named(name))?;
        Some(held.number)
    }

    /// The number of the newest heads.
    #[must_use]
    pub fn held_heads(&self) -> Option<DocumentNumber> {
        Some(self.documents.held(StoredKind::Heads)?.number)
    }

    /// The newest order that was taken (or came too late).
    #[must_use]
    pub fn newest_order(&self) -> Option<DocumentNumber> {
        self.commits.facts().newest_order
    }

    /// The step of the ladder of freshness.
    #[must_use]
    pub fn freshness(&self, now: Now) -> FreshnessStep {
        step_at(&self.limits(), self.freshness.age_s(now, &self.clock))
    }

    /// The high-water mark of signed times.
    #[must_use]
    pub fn mark(&self) -> UtcSeconds {
        self.clock.mark()
    }

    /// The best that is known of the time, for TLS and for the date of requests: the wall clock
    /// while it is believed, never behind the mark; otherwise the mark moved on by uptime, so that
    /// a clock that jumped ahead does not make central's certificate look expired.
    #[must_use]
    pub fn trusted_utc(&self, now: Now) -> UtcSeconds {
        self.clock.at_least(now)
    }

    fn limits(&self) -> shared::configuration::FreshnessLimits {
        self.configuration()
            .map_or(shared::configuration::FreshnessLimits::STANDARD, |it| {
                it.freshness
            })
    }
}

#[cfg(test)]
mod tests;
