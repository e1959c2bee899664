//! Start and orderly stop.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use shared::{
    gate_api::DocumentName,
    journal::{ClockEvent, ClockTrust, Event, PassageOutcome, SyncEvent},
    panel_api::Link,
    policy::UnknownOutcomePolicy,
    time::Now,
};

use super::{
    Gate, Loaded, RecentScans, RefusedDocuments, SeenHolders, Storage, deciding::access_point_of,
};
use crate::{
    action::{RecordDraft, StoredDocument, StoredKind},
    commits::{Commits, Consequence, Draft, Faults},
    documents::{DocumentProblem, Documents, kind_of},
    freshness::{Clock, Freshness},
    memory::{MemoryChange, Reservation},
    passage::OpenPassages,
    refusals::Refusals,
    remembered::Remembered,
};

/// Why the machine does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartRefused {
    /// The stored root set is damaged: nothing else can be believed.
    #[error("the stored root set does not hold ({0}): enrol this gate again")]
    RootSetBroken(DocumentProblem),
}

impl Gate {
    /// Checks every stored document again, settles what was open when the agent stopped, locks
    /// the doors (or holds them as their modes say) and records the start.
    ///
    /// # Errors
    /// [`StartRefused`] when nothing stored can be believed. Any other document that does not
    /// hold is left out, recorded, and pulled anew.
    pub fn start(now: Now, loaded: Loaded) -> Result<Gate, StartRefused> {
        let Loaded {
            identity,
            memory,
            documents: stored,
            agent_version,
        } = loaded;
        let facts = memory.facts;
        let mut documents = Documents::empty(identity.gate, identity.pinned_root_set);
        let refused = restore(&mut documents, stored)?;
        if let Some(number) = facts.newest_order {
            documents.floors.insert(StoredKind::Order, number);
        }
        let clock = Clock::start(now, facts.mark);
        let heads = documents.heads.as_ref().map(|heads| &heads.document);
        let confirmed = heads
            .filter(|heads| documents.hold_all_of(heads))
            .map(|heads| heads.header.made_at)
            .or(facts.heads_made_at);
        let mut gate = Gate {
            freshness: Freshness::start(now, &clock, confirmed),
            clock,
            documents,
            step: shared::decision::FreshnessStep::Expired,
            next_step_at: None,
            memory: Remembered::new(&memory),
            commits: Commits::new(facts),
            no_room_for: Vec::new(),
            storage: Storage::Sound,
            next_scan: facts.next_scan,
            lockdown: facts.lockdown,
            hours_at: None,
            doors: BTreeMap::new(),
            readers: BTreeMap::new(),
            passages: OpenPassages::default(),
            settlements: Vec::new(),
            recent: RecentScans::default(),
            holders: SeenHolders::default(),
            refusals: Refusals::default(),
            refused_documents: RefusedDocuments::default(),
            faults: Faults::new(),
            link: Link::Down,
            started_at: now.uptime,
            forget_at: now.uptime,
            actions: VecDeque::new(),
            shown: None,
        };
        gate.step = gate.freshness(now);
        gate.install_doors(now);
        gate.flush_doors(now);
        gate.record_start(now, agent_version, refused);
        gate.forget_old_presences(now);
        gate.finish(now);
        Ok(gate)
    }

    /// The agent stops in an orderly way: what is counted is recorded, and the doors are left as
    /// they shall be while nobody watches.
    pub fn handle_stopping(&mut self, now: Now) {
        self.observe(now);
        for door in self.doors.values_mut() {
            door.stop();
        }
        let mut records: Vec<_> = self
            .refusals
            .take_all()
            .into_iter()
            .map(|(access_point, counts)| Event::Refused {
                access_point,
                counts,
            })
            .collect();
        records.push(Event::Stopped);
        self.flush_doors(now);
        self.tell(now, records);
        self.finish(now);
    }

    fn record_start(
        &mut self,
        now: Now,
        version: alloc::string::String,
        refused: Vec<(StoredKind, DocumentProblem)>,
    ) {
        let mut draft = Draft::default();
        draft
            .records
            .push(self.record(now, Event::Started { version }));
        let refused = refused.into_iter().map(|(kind, problem)| {
            Event::Sync(SyncEvent::DocumentRefused {
                kind: kind_of(kind),
                reason: alloc::format!("stored: {problem}"),
            })
        });
        draft
            .records
            .extend(refused.map(|event| self.record(now, event)));
        if self.clock.trust() == ClockTrust::Untrusted {
            let event = ClockEvent::Untrusted {
                wall: now.utc,
                mark: self.clock.mark(),
            };
            draft.records.push(self.record(now, Event::Clock(event)));
        }
        let step = Event::Sync(SyncEvent::FreshnessChanged(self.step));
        draft.records.push(self.record(now, step));
        let policy = self
            .configuration()
            .map_or(UnknownOutcomePolicy::CountAsTaken, |it| {
                it.policies.unknown_outcome
            });
        // The newest first: each goes back to what was before it.
        let mut after = self.memory.clone();
        for reservation in self.memory.reservations().iter().rev() {
            let changes = self.settle_unknown(now, reservation, policy, &after, &mut draft.records);
            for change in changes {
                after.apply(change);
                draft.changes.push(change);
            }
        }
        self.commit(draft, Consequence::Nothing);
    }

    fn settle_unknown(
        &self,
        now: Now,
        reservation: &Reservation,
        policy: UnknownOutcomePolicy,
        memory: &Remembered,
        records: &mut Vec<RecordDraft>,
    ) -> Vec<MemoryChange> {
        let scan = reservation.scan;
        let mut changes = Vec::new();
        let outcome = match policy {
            UnknownOutcomePolicy::CountAsTaken => PassageOutcome::UnknownCountedTaken,
            UnknownOutcomePolicy::CountAsNotTaken => {
                let to = self
                    .configuration()
                    .and_then(|it| access_point_of(it, reservation.access_point))
                    .map(|point| point.to);
                changes.extend(memory.changes_when_not_taken(reservation, to));
                PassageOutcome::UnknownCountedNotTaken
            }
        };
        changes.push(MemoryChange::CloseReservation(scan));
        records.push(self.record(now, Event::Passage { scan, outcome }));
        changes
    }
}

fn restore(
    documents: &mut Documents,
    mut stored: Vec<StoredDocument>,
) -> Result<Vec<(StoredKind, DocumentProblem)>, StartRefused> {
    // Root sets before trust lists before all else: one vouches for the other.
    stored.sort_by_key(|document| document.kind_rank());
    let mut refused = Vec::new();
    for document in stored {
        let Err(problem) = documents.restore(&document) else {
            continue;
        };
        if document.kind == StoredKind::Named(DocumentName::RootSet) {
            return Err(StartRefused::RootSetBroken(problem));
        }
        documents.floors.insert(document.kind, document.number);
        refused.push((document.kind, problem));
    }
    Ok(refused)
}

impl StoredDocument {
    fn kind_rank(&self) -> u8 {
        match self.kind {
            StoredKind::Named(DocumentName::RootSet) => 0,
            StoredKind::FormerRootSet => 1,
            StoredKind::Named(DocumentName::TrustList) => 2,
            StoredKind::FormerTrustList => 3,
            StoredKind::Named(
                DocumentName::Configuration
                | DocumentName::Roster
                | DocumentName::StatusList(_)
                | DocumentName::IssuedList(_),
            )
            | StoredKind::Heads
            | StoredKind::Order => 4,
        }
    }
}
