//! Signed documents, heads, orders and times: checked, stored, and only then in force.

use alloc::{string::ToString, vec::Vec};

use shared::{
    document::DocumentRejected,
    gate_api::DocumentName,
    ids::DoorId,
    journal::{ClockEvent, DoorEvent, Event, SyncEvent, personal_of_subject},
    order::{DoorMode, OrderAction},
    time::{Now, UtcSeconds},
};

use super::{Gate, refused_documents::RefusedKind};
use crate::{
    action::{Action, StoredDocument, StoredKind},
    commits::{Committed, Consequence, Draft},
    documents::{
        Behind, Checked, CheckedOrder, DocumentProblem, Incoming, Known, NumberAndDigest, Takeable,
        kind_of,
    },
    freshness::Evidence,
    memory::{Lockdown, MemoryChange},
    remembered::FactChange,
};

/// How far an acknowledgement must raise the mark to be worth a write of its own, in seconds.
const MARK_STEP_S: u64 = 60;

impl Gate {
    /// Signed bytes that were pulled under a name. They are in force once their commit is.
    ///
    /// # Errors
    /// [`DocumentProblem`] when they are refused; what was in force stays so.
    pub fn handle_document(
        &mut self,
        now: Now,
        name: DocumentName,
        bytes: Vec<u8>,
    ) -> Result<(), DocumentProblem> {
        self.observe(now);
        let kind = StoredKind::Named(name);
        let known = self.known(now, kind);
        match self.documents.check(name, &bytes, known) {
            Ok(Checked::AtHand) => {}
            Ok(Checked::New(incoming, id)) => {
                let mut draft = self.document_draft(now, kind, id, bytes);
                draft
                    .documents
                    .extend(self.documents.to_keep_behind(&incoming));
                if let Incoming::TrustList(list) = &incoming {
                    let made_at = list.document().header.made_at;
                    let mark = self.commits.facts().mark.max(made_at);
                    draft.facts.push(FactChange::Mark(mark));
                }
                self.commit(draft, Consequence::Document(incoming));
            }
            Err(problem) => {
                return Err(self.refuse_signed(now, RefusedKind::Stored(kind), problem));
            }
        }
        self.finish(now);
        Ok(())
    }

    /// Signed heads: they name what is newest, and only they renew freshness.
    ///
    /// # Errors
    /// [`DocumentProblem`] when they are refused.
    pub fn handle_heads(&mut self, now: Now, bytes: Vec<u8>) -> Result<(), DocumentProblem> {
        self.observe(now);
        let known = self.known(now, StoredKind::Heads);
        match self.documents.check_heads(&bytes, known) {
            Ok(Checked::AtHand) => {}
            Ok(Checked::New(heads, id)) => {
                let mut draft = self.document_draft(now, StoredKind::Heads, id, bytes);
                // Heads come every few seconds: they are no news for the journal.
                draft.records.clear();
                let made_at = heads.document().header.made_at;
                let confirmed = if self.documents.hold_all_of(heads.document()) {
                    Some(made_at)
                } else {
                    self.freshness.made_at()
                };
                let mark = self.commits.facts().mark.max(made_at);
                draft.facts.push(FactChange::Mark(mark));
                draft.facts.push(FactChange::HeadsMadeAt(confirmed));
                self.commit(draft, Consequence::Document(Incoming::Heads(heads)));
            }
            Err(problem) => {
                return Err(self.refuse_signed(
                    now,
                    RefusedKind::Stored(StoredKind::Heads),
                    problem,
                ));
            }
        }
        self.finish(now);
        Ok(())
    }

    /// A signed order, in its place in the sequence.
    ///
    /// # Errors
    /// [`DocumentProblem`] when it is refused. One that came too late is no error: it is recorded
    /// and passed over.
    pub fn handle_order(&mut self, now: Now, bytes: Vec<u8>) -> Result<(), DocumentProblem> {
        self.observe(now);
        let known = self.known(now, StoredKind::Order);
        match self.documents.check_order(&bytes, known) {
            Ok(Checked::AtHand) => {}
            Ok(Checked::New(order, id)) => {
                let draft = self.order_draft(now, &order, id, bytes);
                self.commit(draft, Consequence::Order(order));
            }
            Err(problem) => {
                return Err(self.refuse_signed(
                    now,
                    RefusedKind::Stored(StoredKind::Order),
                    problem,
                ));
            }
        }
        self.finish(now);
        Ok(())
    }

    /// A reset of the clock's mark, signed by roots.
    ///
    /// # Errors
    /// [`DocumentProblem`] when it is refused.
    pub fn handle_clock_reset(&mut self, now: Now, bytes: Vec<u8>) -> Result<(), DocumentProblem> {
        self.observe(now);
        let newest = self.commits.facts().newest_clock_reset;
        let reset = match self.documents.check_clock_reset(&bytes, now.utc, newest) {
            Ok(reset) => reset,
            Err(problem) => {
                return Err(self.refuse_signed(now, RefusedKind::ClockReset, problem));
            }
        };
        let mark = reset.mark;
        let confirmed = self.freshness.made_at().filter(|at| *at <= mark);
        let event = Event::Clock(ClockEvent::MarkReset { mark });
        let draft = Draft {
            records: [self.record(now, event)].to_vec(),
            facts: [
                FactChange::Mark(mark),
                FactChange::HeadsMadeAt(confirmed),
                FactChange::NewestClockReset(reset.header.number),
            ]
            .to_vec(),
            ..Draft::default()
        };
        self.commit(draft, Consequence::ClockReset(mark));
        self.finish(now);
        Ok(())
    }

    /// Central's time, bound to the nonce of a request of this gate.
    ///
    /// # Errors
    /// [`DocumentProblem`] when it is refused.
    pub fn handle_signed_time(
        &mut self,
        now: Now,
        bytes: &[u8],
        nonce: [u8; 16],
    ) -> Result<(), DocumentProblem> {
        self.observe(now);
        let utc = match self.documents.check_time(bytes, nonce) {
            Ok(utc) => utc,
            Err(problem) => {
                return Err(self.refuse_signed(now, RefusedKind::Time, problem));
            }
        };
        self.take_signed_time(now, utc, Evidence::Current);
        if utc > self.commits.facts().mark {
            self.store_mark(utc);
        }
        self.finish(now);
        Ok(())
    }

    /// Central has stored this gate's journal up to a place.
    ///
    /// # Errors
    /// [`DocumentProblem`] when it is refused.
    pub fn handle_acknowledgement(
        &mut self,
        now: Now,
        bytes: &[u8],
    ) -> Result<(), DocumentProblem> {
        self.observe(now);
        let acknowledged = match self.documents.check_acknowledgement(bytes) {
            Ok(acknowledged) => acknowledged,
            Err(problem) => {
                return Err(self.refuse_signed(now, RefusedKind::Acknowledgement, problem));
            }
        };
        self.take_signed_time(now, acknowledged.made_at, Evidence::Dated);
        if acknowledged.made_at > self.commits.facts().mark.plus(MARK_STEP_S) {
            self.store_mark(acknowledged.made_at);
        }
        self.actions.push_back(Action::Acknowledged(acknowledged));
        self.finish(now);
        Ok(())
    }

    /// A stored document is in force from here on.
    pub(super) fn document_stored(&mut self, now: Now, incoming: Incoming) {
        let dated = match &incoming {
            Incoming::Heads(heads) => Some(heads.document().header.made_at),
            Incoming::TrustList(list) => Some(list.document().header.made_at),
            Incoming::RootSet(_)
            | Incoming::Configuration(_)
            | Incoming::Roster(_)
            | Incoming::StatusList(_)
            | Incoming::IssuedList(_) => None,
        };
        let is_heads = matches!(incoming, Incoming::Heads(_));
        let is_configuration = matches!(incoming, Incoming::Configuration(_));
        self.documents.put_in_force(incoming);
        if let Some(utc) = dated {
            self.take_signed_time(now, utc, Evidence::Dated);
        }
        if is_configuration {
            self.install_doors(now);
        }
        self.confirm_freshness(now);
        if is_heads && (!self.wanted().is_empty() || self.wants_orders()) {
            self.actions.push_back(Action::Pull);
        }
    }

    /// A stored order is carried out, unless it came too late.
    pub(super) fn order_stored(&mut self, now: Now, order: &CheckedOrder, proof: &Committed) {
        self.documents.order = Some(order.id);
        self.confirm_freshness(now);
        if order.takeable == Takeable::TooLate {
            return;
        }
        match order.action {
            OrderAction::LockDown => {
                let since = now.utc;
                self.set_lockdown(now, Lockdown::On { since });
            }
            OrderAction::EndLockdown => self.end_lockdown(now),
            OrderAction::SetDoorMode { door, mode } => {
                if let Some(door) = self.doors.get_mut(&door) {
                    door.set_mode(now, mode);
                }
                self.forget_repeats();
            }
            OrderAction::Release { door } if self.is_releasable(door) => {
                self.release_for_staff(now, door, proof);
            }
            OrderAction::Release { .. } => {}
            OrderAction::Forgive { .. } => self.forget_repeats(),
        }
    }

    /// A lockdown locks even when the store fails; it will be delivered again and recorded then.
    pub(super) fn order_not_stored(&mut self, now: Now, order: &CheckedOrder) {
        if order.action == OrderAction::LockDown && order.takeable == Takeable::Now {
            self.set_lockdown(now, Lockdown::On { since: now.utc });
        }
    }

    /// The mark is what roots say.
    pub(super) fn clock_reset_stored(&mut self, now: Now, mark: UtcSeconds) {
        let before = self.clock.trust();
        self.clock.reset(now, mark);
        self.freshness.forget_after(mark);
        if self.clock.trust() != before {
            let event = match self.clock.trust() {
                shared::journal::ClockTrust::Trusted => ClockEvent::Trusted,
                shared::journal::ClockTrust::Untrusted => ClockEvent::Untrusted {
                    wall: now.utc,
                    mark,
                },
            };
            self.tell(now, [Event::Clock(event)].to_vec());
        }
    }

    /// A lockdown that was called while its predecessor's end was being recorded stands.
    pub(super) fn end_lockdown(&mut self, now: Now) {
        if !self.commits.is_lockdown_on_its_way() {
            self.set_lockdown(now, Lockdown::Off);
        }
    }

    /// While a door is locked down no order releases it: the order that ends the lockdown does.
    fn is_releasable(&self, door: DoorId) -> bool {
        let machine = self.doors.get(&door);
        machine.is_some_and(|machine| machine.effective_mode() != DoorMode::LockedDown)
    }

    pub(super) fn set_lockdown(&mut self, now: Now, lockdown: Lockdown) {
        self.lockdown = lockdown;
        for door in self.doors.values_mut() {
            door.set_lockdown(now, lockdown);
        }
        self.forget_repeats();
        self.flush_doors(now);
    }

    fn known(&self, now: Now, kind: StoredKind) -> Known<'_> {
        let arriving = self.commits.arriving(kind);
        Known {
            at_least: self.clock.at_least(now),
            arriving: arriving.map(NumberAndDigest::of_stored),
            arriving_bytes: arriving.map(|document| document.bytes.as_slice()),
        }
    }

    fn document_draft(
        &self,
        now: Now,
        kind: StoredKind,
        id: NumberAndDigest,
        bytes: Vec<u8>,
    ) -> Draft {
        let event = Event::Sync(SyncEvent::DocumentTaken {
            kind: kind_of(kind),
            number: id.number,
        });
        Draft {
            records: [self.record(now, event)].to_vec(),
            documents: [StoredDocument {
                kind,
                number: id.number,
                bytes,
            }]
            .to_vec(),
            ..Draft::default()
        }
    }

    fn order_draft(
        &self,
        now: Now,
        order: &CheckedOrder,
        id: NumberAndDigest,
        bytes: Vec<u8>,
    ) -> Draft {
        let number = id.number;
        let mut draft = self.document_draft(now, StoredKind::Order, id, bytes);
        draft.facts.push(FactChange::NewestOrder(number));
        if order.takeable == Takeable::TooLate {
            draft.records = [self.record(now, Event::OrderExpired { number })].to_vec();
            return draft;
        }
        let action = order.action;
        let taken = Event::OrderTaken { number, action };
        match action {
            OrderAction::LockDown => {
                let since = now.utc;
                draft
                    .facts
                    .push(FactChange::Lockdown(Lockdown::On { since }));
            }
            OrderAction::EndLockdown => draft.facts.push(FactChange::Lockdown(Lockdown::Off)),
            OrderAction::SetDoorMode { door, mode } => {
                if self.doors.contains_key(&door) {
                    draft.changes.push(MemoryChange::SetDoorMode(door, mode));
                }
            }
            OrderAction::Release { .. } => {}
            OrderAction::Forgive { subject } => {
                draft.changes.extend(self.holders.forgive(subject));
            }
        }
        let personal = match action {
            OrderAction::Forgive { subject } => Some(personal_of_subject(subject)),
            OrderAction::LockDown
            | OrderAction::EndLockdown
            | OrderAction::SetDoorMode { .. }
            | OrderAction::Release { .. } => None,
        };
        draft.records = [self.record_of(now, taken, personal)].to_vec();
        let door_event = match action {
            OrderAction::SetDoorMode { door, mode } => Some((door, DoorEvent::ModeChanged(mode))),
            OrderAction::LockDown
            | OrderAction::EndLockdown
            | OrderAction::Release { .. }
            | OrderAction::Forgive { .. } => None,
        };
        if let Some((door, event)) = door_event.filter(|(door, _)| self.doors.contains_key(door)) {
            draft
                .records
                .push(self.record(now, Event::Door { door, event }));
        }
        draft
    }

    fn take_signed_time(&mut self, now: Now, utc: UtcSeconds, evidence: Evidence) {
        if let Some(event) = self.clock.take_signed(now, utc, evidence) {
            self.tell(now, [Event::Clock(event)].to_vec());
        }
    }

    fn store_mark(&mut self, mark: UtcSeconds) {
        let draft = Draft {
            facts: [FactChange::Mark(mark)].to_vec(),
            ..Draft::default()
        };
        self.commit(draft, Consequence::Nothing);
    }

    /// The heads in force renew freshness as soon as everything they name is in force too.
    fn confirm_freshness(&mut self, now: Now) {
        let Some(heads) = &self.documents.heads else {
            return;
        };
        if self.documents.hold_all_of(&heads.document) {
            let made_at = heads.document.header.made_at;
            self.freshness.confirm(now, &self.clock, made_at);
        }
    }

    fn refuse_signed(
        &mut self,
        now: Now,
        kind: RefusedKind,
        problem: DocumentProblem,
    ) -> DocumentProblem {
        match kind {
            RefusedKind::Stored(kind) => self.note_behind(kind, problem),
            RefusedKind::Time | RefusedKind::Acknowledgement => {
                self.note_behind(StoredKind::Heads, problem);
            }
            // Roots sign it, and the root set is the first to be asked for anyway.
            RefusedKind::ClockReset => {}
        }
        if self.refused_documents.is_new(now.uptime, kind, problem) {
            let event = Event::Sync(SyncEvent::DocumentRefused {
                kind: kind.name(),
                reason: problem.to_string(),
            });
            self.tell(now, [event].to_vec());
        }
        self.finish(now);
        problem
    }

    /// A refusal may mean that what vouches is out of date: it is pulled first.
    fn note_behind(&mut self, kind: StoredKind, problem: DocumentProblem) {
        let is_trust_list = kind == StoredKind::Named(DocumentName::TrustList);
        let behind = match problem {
            DocumentProblem::Rejected(DocumentRejected::KeyUnknown(_)) if is_trust_list => {
                Some(Behind::RootSet)
            }
            DocumentProblem::OtherEpoch { expected, found } if found > expected => {
                Some(Behind::RootSet)
            }
            DocumentProblem::Rejected(DocumentRejected::KeyUnknown(_))
            | DocumentProblem::TooFarAhead { .. }
            | DocumentProblem::TrustListTooOld { .. }
            | DocumentProblem::IssuerUnknown(_) => Some(Behind::TrustList),
            DocumentProblem::Rejected(_)
            | DocumentProblem::NoRootSet
            | DocumentProblem::NoTrustList
            | DocumentProblem::NotPinned
            | DocumentProblem::OtherGate(_)
            | DocumentProblem::OtherIssuer { .. }
            | DocumentProblem::OtherEpoch { .. }
            | DocumentProblem::OlderThanHeld { .. }
            | DocumentProblem::OtherBytes(_)
            | DocumentProblem::OlderThanHeads { .. }
            | DocumentProblem::OtherThanHeads(_)
            | DocumentProblem::NotNext { .. }
            | DocumentProblem::Expired { .. }
            | DocumentProblem::Thawed { .. }
            | DocumentProblem::RevocationDropped { .. }
            | DocumentProblem::Shrunk { .. }
            | DocumentProblem::Rewritten { .. }
            | DocumentProblem::OtherNonce => None,
        };
        if let Some(behind) = behind
            && behind != self.documents.behind
        {
            self.documents.behind = behind;
            self.actions.push_back(Action::Pull);
        }
    }
}
