//! A decision becomes a commit; only when that is durable is it shown and the door released.

use alloc::vec::Vec;

use shared::{
    configuration::{AccessPoint, PassageSensing},
    decision::{Decision, DenyReason, GuardOffer},
    ids::{AccessPointId, AreaId, DoorId, ScanId},
    journal::{Event, PassageOutcome, PersonalPart, ScanOutcome},
    order::Subject,
    panel_api::{Decided, PanelMessage},
    pass::Presentation,
    roster::DoorNeed,
    time::{Now, Uptime},
};

use super::{
    Gate,
    deciding::{access_point_of, denied, who},
    recent::RecentScan,
};
use crate::{
    action::{Action, RecordDraft},
    admission::Admission,
    commits::{Committed, Consequence, Draft},
    input::HolderFacts,
    memory::{HolderUse, MemoryChange, PassUse, Presence, Reservation},
    reader::{PendingScan, ReaderState, Who},
    remembered::FactChange,
};

/// A decision that waits for its record to be durable.
#[derive(Clone, Debug)]
pub(crate) struct DecidedScan {
    decided: Decided,
    door: DoorId,
    presentation: Presentation,
    taken_at: Uptime,
    subject: Subject,
    /// The scan of the first of two persons, who goes through with this one.
    first: Option<ScanId>,
    sensing: PassageSensing,
    /// What the holders who go through need of the door.
    need: Option<DoorNeed>,
    record: RecordDraft,
}

impl Gate {
    pub(super) fn record_decision(
        &mut self,
        now: Now,
        access_point: AccessPointId,
        pending: PendingScan,
        holder: Option<HolderFacts>,
        admission: Admission,
        first: Option<Who>,
    ) {
        let pass = &pending.pass;
        let who = who(&pending, holder.as_ref());
        let subject = who.subject;
        let point = self
            .configuration()
            .and_then(|it| access_point_of(it, access_point))
            .cloned();
        let mut draft = Draft::default();
        let (door, sensing) = match &point {
            Some(point) => (point.door, self.sensing(point.door)),
            None => (DoorId(0), PassageSensing::None),
        };
        let mut outcome = self.outcome(now, access_point, &pending, &admission);
        if let (Decision::Grant, Some(point)) = (admission.decision, &point) {
            let uses = self.reserve(now, point, who, sensing, &mut draft.changes);
            outcome.uses = Some(uses);
            if let Some(first) = first {
                self.reserve(now, point, first, sensing, &mut draft.changes);
            }
        }
        let holder_number = holder.as_ref().map(|holder| holder.number);
        let personal = PersonalPart {
            pass: Some(pass.id()),
            holder: holder_number,
            ..PersonalPart::default()
        };
        let record = self.record_of(now, Event::Scan(outcome), Some(personal));
        draft.records.push(record.clone());
        if admission.decision == Decision::Grant && sensing == PassageSensing::None {
            let outcome = PassageOutcome::Taken;
            for scan in first
                .map(|first| first.scan)
                .into_iter()
                .chain([pending.scan])
            {
                let passage = Event::Passage { scan, outcome };
                draft.records.push(self.record(now, passage));
            }
        }
        draft.facts.push(FactChange::NextScan(self.next_scan));
        let decided = DecidedScan {
            door,
            presentation: pass.presentation(),
            taken_at: pending.taken_at,
            subject,
            first: first.map(|first| first.scan),
            sensing,
            need: who.need.or(first.and_then(|first| first.need)),
            record,
            decided: self.panel_decided(now, access_point, &pending, holder, admission),
        };
        #[cfg(portcullis_defects)]
        self.plant_relay_before_commit(now, &decided);
        self.commit(draft, Consequence::Scan(decided));
    }

    #[cfg(portcullis_defects)]
    fn plant_relay_before_commit(&mut self, now: Now, decided: &DecidedScan) {
        use shared::defects::{Defect, is_planted};
        if is_planted(Defect::RelayBeforeCommit) && decided.decided.decision == Decision::Grant {
            let scan = decided.decided.scan;
            self.release_for_scan(now, scan, decided.door, decided.need, &Committed::planted());
            self.flush_doors(now);
        }
    }

    pub(super) fn outcome(
        &self,
        now: Now,
        access_point: AccessPointId,
        pending: &PendingScan,
        admission: &Admission,
    ) -> ScanOutcome {
        let list = self.documents.status_lists.get(&pending.pass.id().kid);
        let proof = match (admission.decision, pending.pass.presentation()) {
            (Decision::Grant, Presentation::Live { made_at }) => Some(made_at),
            (Decision::Grant | Decision::Deny(_), _) => None,
        };
        ScanOutcome {
            scan: pending.scan,
            access_point,
            decision: admission.decision,
            also: admission.also.clone(),
            offer: admission.offer,
            alerts: admission.alerts.clone(),
            freshness: self.freshness(now),
            status_list: list.map(|list| list.number()),
            uses: None,
            proof_made_at: proof,
        }
    }

    /// Presence, use and proof of a grant, in the same transaction as its record. Returns the
    /// uses of the pass, or of its holder, with this one.
    pub(super) fn reserve(
        &self,
        now: Now,
        point: &AccessPoint,
        who: Who,
        sensing: PassageSensing,
        changes: &mut Vec<MemoryChange>,
    ) -> u32 {
        let Who {
            scan,
            pass,
            subject,
            presentation,
            need: _,
        } = who;
        let before = self.presence_of(subject, pass);
        let at = self.clock.at_least(now);
        let forgotten = self.memory.presences.to_forget_for(subject);
        changes.extend(forgotten.map(MemoryChange::ForgetPresence));
        if let Some(before) = before
            && before.subject != subject
        {
            changes.push(MemoryChange::ForgetPresence(before.subject));
        }
        changes.push(MemoryChange::SetPresence(Presence {
            subject,
            area: point.to,
            since: at,
        }));
        let pass_use = self.memory.pass_use(pass);
        let counted = u32::from(point.to != AreaId::OUTSIDE);
        let uses = self.memory.uses_of(subject, pass).saturating_add(counted);
        if let Subject::Holder(holder) = subject {
            changes.push(MemoryChange::SetHolderUse(HolderUse { holder, uses }));
        }
        let last_proof = match presentation {
            Presentation::Live { made_at } => Some(made_at),
            Presentation::Static | Presentation::LiveProofInvalid => pass_use.last_proof,
        };
        changes.push(MemoryChange::SetPassUse(PassUse {
            pass,
            uses: pass_use.uses.saturating_add(counted),
            last_proof,
        }));
        if sensing != PassageSensing::None {
            changes.push(MemoryChange::OpenReservation(Reservation {
                scan,
                access_point: point.id,
                subject,
                pass,
                before,
                uses: counted,
                at,
            }));
        }
        uses
    }

    fn panel_decided(
        &self,
        now: Now,
        access_point: AccessPointId,
        pending: &PendingScan,
        holder: Option<HolderFacts>,
        admission: Admission,
    ) -> Decided {
        let (holder, name) = match holder {
            Some(HolderFacts { number, name, .. }) => (Some(number), Some(name)),
            None => (None, None),
        };
        Decided {
            scan: pending.scan,
            access_point,
            decision: admission.decision,
            also: admission.also,
            alerts: admission.alerts,
            offer: admission.offer,
            holder_message: match admission.decision {
                Decision::Grant => None,
                Decision::Deny(reason) => Some(reason.holder_message()),
            },
            pass: pending.pass.id(),
            holder,
            name,
            freshness: self.freshness(now),
            at: now.utc,
            elapsed_ms: 0,
            source: pending.source.clone(),
            phone_clock_off_s: admission.phone_clock_off_s,
        }
    }

    pub(super) fn sensing(&self, door: DoorId) -> PassageSensing {
        self.doors
            .get(&door)
            .map_or(PassageSensing::None, |door| door.configuration().passage)
    }

    /// The decision is durable: show it, and release the door for a grant.
    pub(super) fn scan_recorded(&mut self, now: Now, scan: &DecidedScan, proof: &Committed) {
        let mut decided = scan.decided.clone();
        decided.elapsed_ms = now.uptime.since_ms(scan.taken_at);
        match decided.decision {
            Decision::Grant => {
                #[cfg(portcullis_defects)]
                let is_released =
                    shared::defects::is_planted(shared::defects::Defect::RelayBeforeCommit);
                #[cfg(not(portcullis_defects))]
                let is_released = false;
                if !is_released {
                    self.release_for_scan(now, decided.scan, scan.door, scan.need, proof);
                }
                if let Some(first) = scan.first {
                    self.expect_passage(now, first, scan.door, scan.need);
                }
            }
            Decision::Deny(_) => {
                if let Some(door) = self.doors.get_mut(&scan.door) {
                    door.deny(now);
                }
            }
        }
        self.flush_doors(now);
        self.show_decided(now, scan, decided);
    }

    /// The record was not written: nothing is granted.
    pub(super) fn scan_not_recorded(&mut self, now: Now, mut scan: DecidedScan) {
        let fault = denied(DenyReason::GateFault);
        let mut decided = scan.decided.clone();
        decided.decision = fault.decision;
        decided.also = Vec::new();
        decided.offer = GuardOffer::None;
        decided.holder_message = Some(DenyReason::GateFault.holder_message());
        decided.elapsed_ms = now.uptime.since_ms(scan.taken_at);
        if let Event::Scan(outcome) = &mut scan.record.event {
            outcome.decision = fault.decision;
            outcome.also = Vec::new();
            outcome.offer = GuardOffer::None;
            outcome.uses = None;
            outcome.proof_made_at = None;
        }
        self.commits.keep_record(scan.record.clone());
        if let Some(door) = self.doors.get_mut(&scan.door) {
            door.deny(now);
        }
        self.flush_doors(now);
        self.show_decided(now, &scan, decided);
    }

    fn show_decided(&mut self, now: Now, scan: &DecidedScan, decided: Decided) {
        let is_settled =
            decided.decision == Decision::Grant && scan.sensing == PassageSensing::None;
        self.recent.push(RecentScan {
            scan: decided.scan,
            access_point: decided.access_point,
            decision: decided.decision,
            subject: scan.subject,
            pass: decided.pass,
            holder: decided.holder,
        });
        let access_point = decided.access_point;
        self.actions
            .push_back(Action::Show(PanelMessage::Decided(decided.clone())));
        if is_settled {
            self.actions.push_back(Action::Show(PanelMessage::Passage {
                scan: decided.scan,
                outcome: PassageOutcome::Taken,
            }));
        }
        let Some(reader) = self.readers.get_mut(&access_point) else {
            return;
        };
        reader.state = ReaderState::Ready;
        reader.repeat.decided(now, decided, scan.presentation);
        self.take_waiting(now, access_point);
    }

    /// Pictures that came while a scan was under way.
    pub(super) fn take_waiting(&mut self, now: Now, access_point: AccessPointId) {
        while let Some(reader) = self.readers.get_mut(&access_point)
            && matches!(reader.state, ReaderState::Ready)
            && let Some(read) = reader.waiting.pop_front()
        {
            self.take_texts(now, read);
        }
    }
}
